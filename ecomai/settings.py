"""The only settings file. Every value comes from the environment, with working defaults for development."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from ecomai.lib import env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("ECOMAI_VAR_DIR", str(BASE_DIR / "var")))

_version = re.search(r"^## \[?v?(\d[\w.]*)", (BASE_DIR / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
VERSION = _version[1] if _version else "0"

# --- Safety
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY:
    # A key of the installation's own, made once: sessions survive a restart and no default is shared.
    _key_file = VAR_DIR / "secret_key"
    if not _key_file.exists():
        from django.core.management.utils import get_random_secret_key

        VAR_DIR.mkdir(parents=True, exist_ok=True)
        _key_file.touch(mode=0o600)
        _key_file.write_text(get_random_secret_key() + get_random_secret_key(), encoding="utf-8")
    SECRET_KEY = _key_file.read_text(encoding="utf-8")
REVIEW_KEYS = env.listing("REVIEW_KEYS")  # newest first; older ones still open what they sealed
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
SITE_URL = env.text("SITE_URL", f"http://localhost:{env.number('PORT', 8000)}").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS", SITE_URL if SITE_URL.startswith("https") else "")
HTTPS = env.flag("HTTPS", SITE_URL.startswith("https"))
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 31536000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
LANGUAGE_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        # Catalogue pictures come from the shop's own hosts until they have been copied here.
        "img-src": [SELF, "data:", "blob:", "https:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Applications
INSTALLED_APPS = [
    "ecomai",
    "ml",
    "products",
    "reviews",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "corsheaders",
    "django_celery_beat",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ecomai.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "ecomai.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "ecomai.middleware.AuthenticationMiddleware",
    "ecomai.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
]
ROOT_URLCONF = "ecomai.urls"
ASGI_APPLICATION = "ecomai.asgi.application"
WSGI_APPLICATION = "ecomai.asgi.wsgi_application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "ecomai.navigation.context",
            ],
        },
    }
]


# --- Data
def _database(url: str) -> dict:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL: {parts.scheme!r} is not postgres://")
    options: dict = dict(parse_qsl(parts.query))
    # Filtered vector searches would come back short without the first (pgvector 0.8). What is prepared (ecomai.postgres)
    # finds single rows by keys: planning it takes longer than running it, so it is planned once.
    wanted = "-c hnsw.iterative_scan=strict_order -c plan_cache_mode=force_generic_plan"
    options["options"] = f"{options.get('options', '')} {wanted}".strip()
    # Times that a statement runs on a connection before it is prepared. Off behind a pooler that gives a connection's
    # transactions to different servers.
    options["prepare_threshold"] = 2 if env.flag("DB_PREPARE", True) else None
    if pool := env.number("DB_POOL", 0):
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 10}
    return {
        "ENGINE": "ecomai.postgres",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0 if "pool" in options else 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
        "TEST": {"NAME": env.text("TEST_DATABASE") or None},
    }


DATABASES = {"default": _database(env.text("DATABASE_URL", "postgres://ecomai@localhost/ecomai"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL", "redis://localhost:6379").rstrip("/")


def redis_database(number: int) -> str:
    """The URL of one numbered database of the Redis server: 0 broker, 1 channels, 2 cache."""
    base, _sep, query = REDIS_URL.partition("?")
    return f"{base}/{number}" + (f"?{query}" if query else "")


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_database(2),
        "KEY_PREFIX": env.text("CACHE_PREFIX", "ecomai"),
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [redis_database(1)]},
    }
}

# --- Tasks
CELERY_BROKER_URL = redis_database(0)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"*.live.*": {"queue": "live"}, "*.ml.*": {"queue": "ml"}, "ml.tasks.train": {"queue": "train"}}
# A task killed in the middle goes back to the queue; every task is written to run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60 * 60 * 6,
    "global_keyprefix": env.text("BROKER_PREFIX"),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "settle-privacy": {"task": "ecomai.tasks.settle_privacy", "schedule": 3600.0},
    "recover-jobs": {"task": "ecomai.tasks.recover_jobs", "schedule": 15.0},
    # Events may come 7 days late: the older days are summed less often.
    "sum-storefront-today": {"task": "products.tasks.sum_storefront_days", "schedule": 300.0, "args": [2]},
    "sum-storefront-week": {"task": "products.tasks.sum_storefront_days", "schedule": 3600.0, "args": [9]},
    "look-at-experiments": {"task": "products.tasks.look_at_experiments", "schedule": 3600.0},
    # A bandit's own cadence is a quarter of an hour at least.
    "reweight-bandits": {"task": "products.tasks.reweight_bandits", "schedule": 900.0},
    "check-retraining": {"task": "ml.tasks.check_schedules", "schedule": 600.0},
    "send-webhooks": {"task": "ecomai.tasks.send_webhooks", "schedule": 15.0},
    "look-for-alerts": {"task": "reviews.tasks.look_for_alerts", "schedule": 3600.0},
    "find-products-of-reviews": {"task": "reviews.tasks.find_products", "schedule": 3600.0},
    "score-waiting-reviews": {"task": "reviews.tasks.score_waiting", "schedule": 300.0},
    "delete-expired-raw": {"task": "reviews.tasks.delete_expired_raw", "schedule": 3600.0},
    "mail-alerts": {"task": "reviews.tasks.mail_alerts", "schedule": 60.0},
    # Every hour: a mail that could not go out, or a week that ended while nothing ran, is made up for.
    "send-digests": {"task": "reviews.tasks.send_digests", "schedule": 3600.0},
}

# Hosts without a public address that webhooks may call all the same: receivers in your own network.
WEBHOOK_PRIVATE_HOSTS = env.listing("WEBHOOK_PRIVATE_HOSTS", "")

# --- People
AUTH_USER_MODEL = "ecomai.User"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
EMAIL_BACKEND = env.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "EcomAI <ecomai@localhost>")

# --- Languages and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "ecomai" / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

# --- Files
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR_DIR / "static")))
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(VAR_DIR / "media")))
MEDIA_URL = "media/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": env.text("STATICFILES_STORAGE", "whitenoise.storage.CompressedManifestStaticFilesStorage")
        if not DEBUG
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
MAX_UPLOAD_MB = env.number("MAX_UPLOAD_MB", 500)
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ecomai.api_auth.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["ecomai.api_auth.HasStore"],
    "DEFAULT_SCHEMA_CLASS": "ecomai.api_schema.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ecomai.api_errors.LimitedJSONParser"],
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": ["ecomai.api_auth.ApiThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "key": env.text("API_RATE", "12000/min"),
        "visitor": env.text("API_VISITOR_RATE", "600/min"),
    },
    # Whose address counts: behind a proxy the one that it saw, never what the browser claims.
    "NUM_PROXIES": 1 if env.flag("TRUST_PROXY", False) else 0,
}
API_BATCH = env.number("API_BATCH", 100)  # events in one request, at most 500
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "ecomai.api_base.ExceptionHandler",
    "ERROR_SCHEMAS": {
        "400": "ecomai.api_errors.BadRequestSerializer",
        "413": "ecomai.api_errors.ClientErrorSerializer",
        **dict.fromkeys(("401", "403", "404", "405", "406", "415", "429"), "ecomai.api_errors.ClientErrorSerializer"),
    },
    "ALLOWED_ERROR_STATUS_CODES": ["400", "401", "403", "404", "405", "406", "413", "415", "429", "500"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "EcomAI",
    "VERSION": VERSION,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": ["drf_standardized_errors.openapi_hooks.postprocess_schema_enums"],
    "ENUM_NAME_OVERRIDES": {
        **{
            name: f"drf_standardized_errors.openapi_serializers.{name}.choices"
            for name in ("ValidationErrorEnum", "ClientErrorEnum", "ServerErrorEnum")
            + tuple(f"ErrorCode{code}Enum" for code in (401, 403, 404, 405, 406, 415, 429, 500))
        },
        "ProductStatusEnum": "products.api_serializers.PRODUCT_STATUS",
        "AssetStatusEnum": "products.api_serializers.ASSET_STATUS",
        "ImportStatusEnum": "products.api_serializers.IMPORT_STATUS",
        "TextStatusEnum": "products.api_serializers.TEXT_STATUS",
        "ReviewResultEnum": "reviews.api_serializers.RESULTS",
    },
}
CORS_URLS_REGEX = r"^/api/v1/"
# Which shop may call is checked against the key's own list of origins (ecomai.api_auth); a browser needs the header.
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = ["accept", "accept-language", "authorization", "content-type", "if-none-match"]
CORS_EXPOSE_HEADERS = ["etag", "retry-after"]
CORS_PREFLIGHT_MAX_AGE = 86400

# --- Models
MODELS_DIR = Path(env.text("MODELS_DIR", str(VAR_DIR / "models")))
ENCODER = env.text("ENCODER", "multilingual-e5-small")
GENERATOR = env.text("GENERATOR", "gemma-3-270m")
GENERATOR_BACKEND = env.text("GENERATOR_BACKEND", "local")
GENERATOR_URL = env.text("GENERATOR_URL")
GENERATOR_MODEL = env.text("GENERATOR_MODEL")
GENERATOR_API_KEY = env.text("GENERATOR_API_KEY")
INFERENCE_DEVICE = env.text("INFERENCE_DEVICE", "auto")
INFERENCE_THREADS = env.number("INFERENCE_THREADS", 0)
TRAIN_THREADS = env.number("TRAIN_THREADS", 0)

# --- Logs
LOG_FORMAT = env.text("LOG_FORMAT", "console" if DEBUG else "json")
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10  # debug: the line at a request's end says the same and the status
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # it would be masked
from ecomai.logging import configure as _configure_logging  # noqa: E402

LOGGING = _configure_logging(LOG_FORMAT, LOG_LEVEL)
LOGGING_CONFIG = "logging.config.dictConfig"
