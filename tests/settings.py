"""Settings of the test run: the real ones, with cheap passwords and a cache and a broker of their own."""

import os

RUN = f"test-{os.getpid()}"
# Test processes beside each other (pytest-xdist) inherit the first one's environment, and so do the workers they start.
# A prefix that a test gives its own processes stands.
SIDE, GIVEN = os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ.get("CACHE_PREFIX", "test-")
if SIDE and GIVEN.startswith("test-") and not GIVEN.endswith(f"-{SIDE}"):
    RUN = f"{RUN}-{SIDE}"
    os.environ |= {"CACHE_PREFIX": RUN, "BROKER_PREFIX": f"{RUN}-"}
os.environ.setdefault("CACHE_PREFIX", RUN)
os.environ.setdefault("BROKER_PREFIX", f"{RUN}-")

from ecomai.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SECURE_SSL_REDIRECT = False
WHITENOISE_USE_FINDERS = True  # no collectstatic before the browser tests
