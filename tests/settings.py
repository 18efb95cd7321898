"""Settings of the test run: the real ones, with cheap passwords and a cache and a broker of their own."""

import os

os.environ.setdefault("CACHE_PREFIX", f"test-{os.getpid()}")
os.environ.setdefault("BROKER_PREFIX", f"test-{os.getpid()}-")

from ecomai.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SECURE_SSL_REDIRECT = False
WHITENOISE_USE_FINDERS = True  # no collectstatic before the browser tests
