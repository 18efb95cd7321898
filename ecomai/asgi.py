"""The ASGI application: websockets to Channels, HTTP through a thread pool to Django's WSGI handler.

The WSGI path costs a third of the CPU of Django's ASGI handler for synchronous views, and streams generators live.
"""

import gc
import os

gc.disable()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomai.settings")

from django.core.wsgi import get_wsgi_application

wsgi_application = get_wsgi_application()

from channels.routing import ProtocolTypeRouter
from django.urls import get_resolver

from ecomai.threads import InThreads

application = ProtocolTypeRouter({"http": InThreads(wsgi_application, quick=r"/api/v1/products/[^/]+/")})

# All that requests need is loaded now, and stays. Looking through it for garbage stops every request for 150 ms, some ten
# times a minute.
len(get_resolver().url_patterns)  # loads the views
gc.collect()
gc.freeze()
gc.enable()
