"""The ASGI application: websockets to Channels, HTTP through a thread pool to Django's WSGI handler.

The WSGI path costs a third of the CPU of Django's ASGI handler for synchronous views, and streams generators live.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomai.settings")

from django.core.wsgi import get_wsgi_application

wsgi_application = get_wsgi_application()

from channels.routing import ProtocolTypeRouter

from ecomai.threads import InThreads

application = ProtocolTypeRouter({"http": InThreads(wsgi_application)})
