"""Settings, all from the environment (or a `.env` file beside manage.py); every one has a default that is safe.

    DEBUG           off            tracebacks in the browser; for development only
    SECRET_KEY      made once, kept in VAR/secret_key (mode 0600)
    ALLOWED_HOSTS   localhost,127.0.0.1,[::1]
    DATABASE_URL    SQLite in VAR/xrev.sqlite3; postgres://user:password@host/name is the other choice (requirements-postgres.txt)
    EMAIL_URL       none: no mail is sent; smtp+tls://user:password@host:587 (EMAIL_FROM: the sender, xrev@localhost)
    HTTPS           off            the site is served by https: secure cookies, redirect, HSTS
    XREV_PROXIES    0              how many proxies of ours stand in front and write X-Forwarded-For and X-Forwarded-Proto
    XREV_ENCRYPTION_KEYS   made once, kept in VAR/encryption.key (mode 0600); several, separated by commas: the first one encrypts
    XREV_VAR        ./var          where the database and keys are kept (mode 0700)
    REDIS_URL       the server that `manage.py serve` runs; redis://, rediss:// or unix:///path?db=0; memory:// is none at all
    XREV_LISTEN     127.0.0.1:8000     where `manage.py serve` listens
    XREV_TLS_CERT, XREV_TLS_KEY    PEM files with which it does that by HTTPS (then HTTPS is on)
    XREV_LOG        text           json: the log as JSON, an object a line
    XREV_LOG_LEVEL  info           debug, info, warning or error
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from dashboard.schedule import BEAT_SCHEDULE
from xrevsite import broker
from xrevsite.admin_look import UNFOLD
from xrevsite.secret_key import load_or_create

__all__ = ["UNFOLD"]

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

VAR_DIR = Path(env.str("XREV_VAR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or load_or_create(VAR_DIR / "secret_key")
# What columns are encrypted with (dashboard/keys.py); a new list needs `manage.py rotate_keys`.
ENCRYPTION_KEYS = env.list("XREV_ENCRYPTION_KEYS", default=[])
ENCRYPTION_KEY_FILE = VAR_DIR / "encryption.key"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

LISTEN = env.str("XREV_LISTEN", default="127.0.0.1:8000")
TLS_CERTIFICATE = env.str("XREV_TLS_CERT", default="")
TLS_KEY = env.str("XREV_TLS_KEY", default="")
LOG_AS_JSON = env.str("XREV_LOG", default="text") == "json"
LOG_LEVEL = env.str("XREV_LOG_LEVEL", default="info").upper()

INSTALLED_APPS = [
    "unfold",                   # before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",  # Swagger UI as files of ours
    "axes",
    "csp",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "dashboard",
]
if sys.argv[1:2] == ["runserver"]:
    # Daphne replaces Django's development server by an ASGI one. Its import costs 0.4 s and 42 MB: no other command pays.
    INSTALLED_APPS.insert(0, "daphne")

MIDDLEWARE = [
    "xrevsite.health.Health",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "xrevsite.middleware.admin_content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",       # last: it turns a refused login into its answer
]

ROOT_URLCONF = "xrevsite.urls"
ASGI_APPLICATION = "xrevsite.asgi.application"
WSGI_APPLICATION = "xrevsite.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'xrev.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A writer takes its lock at the start, so two writers wait for each other instead of failing in the middle.
        "transaction_mode": "IMMEDIATE",
        # Readers and the writer do not block each other; after a power cut the file is whole, the last commits may be gone.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "timeout": 10,          # seconds
    }

# Of each process: what was worked out from documents. With Django's 300 entries a panel of that many instances would find none.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 5_000}}}

# --- what processes tell each other
REDIS_URL = env.str("REDIS_URL", default="") or broker.find(VAR_DIR)
HAS_REDIS = REDIS_URL not in ("", broker.NONE)

# pubsub: quicker than the other layer, and a slow consumer loses nothing; what must arrive is a row in the database.
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL], "prefix": "xrev"}}
    if HAS_REDIS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
WEBSOCKET_MAX_MESSAGE_BYTES = 16 * 1024**2      # proxycore.messages.link.MAX_MESSAGE_BYTES; consumers for browsers take far less

CELERY_BROKER_URL = broker.celery_url(REDIS_URL) if HAS_REDIS else broker.NONE
CELERY_TASK_ALWAYS_EAGER = not HAS_REDIS
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True                    # what a killed worker had begun is done again: tasks can be repeated
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None     # for ever
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,                  # seconds; longer than any task takes
    "global_keyprefix": "xrev-",
    "socket_connect_timeout": 5,
    "health_check_interval": 15,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

# --- e-mail, for notifications
EMAIL_IS_SET = bool(env.str("EMAIL_URL", default=""))
globals().update(env.email_url("EMAIL_URL", default="dummymail://"))
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="xrev@localhost")
EMAIL_TIMEOUT = 10                  # seconds

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "dashboard.accounts.hashing.Argon2InTurn",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",     # of accounts brought along; rehashed at their next login
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 14 * 86_400    # seconds

TRUSTED_PROXIES = env.int("XREV_PROXIES", default=0)
AXES_FAILURE_LIMIT = 5              # of one name from one address, so that a stranger cannot lock anybody else out
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = 0.25            # hours
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "dashboard.accounts.client_address.client_address"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "xrev"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "xrevsite.formats"

DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024**2      # bytes of a form: documents of thousands of clients are pasted

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True       # straight from the packages: there is no step between an upgrade and its files
WHITENOISE_MAX_AGE = 600            # seconds
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the log: standard error, as the data plane writes its own
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "proxycore.logs.LogfmtFormatter"},
        "json": {"()": "proxycore.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "json" if LOG_AS_JSON else "text",
        },
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("dashboard", "xrevsite")},
        # Without DEBUG Django would send them to its own handler only, or nowhere.
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},       # not a line for each address that a stranger tries
    },
}

# --- REST API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dashboard.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["dashboard.api.permissions.RolePermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["dashboard.api.bodies.Json"],
    "DEFAULT_FILTER_BACKENDS": [
        "dashboard.api.filters.Filters",
        "dashboard.api.filters.Search",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_PAGINATION_CLASS": "dashboard.api.paging.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "dashboard.api.problems.handle",
    "UNICODE_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "xrev",
    "DESCRIPTION": "Instances of Xray documents: their entries, revisions, checks.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "none", "filter": True},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums", "dashboard.api.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {                # columns called `kind` that mean different things
        "ReceiverKind": "dashboard.choices.ReceiverKind", "ConditionKind": "dashboard.choices.ConditionKind",
        "TrafficKind": "dashboard.choices.TrafficKind",
    },
}

# --- security headers
# Nothing is loaded from another host, and no script or style stands in a page. The admin: xrevsite/middleware.py.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"

HTTPS = env.bool("HTTPS", default=bool(TLS_CERTIFICATE))
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
# Where a host joins: a token that was sent is no safer after a redirect, and the panel's own agent comes over loopback.
SECURE_REDIRECT_EXEMPT = [r"^agent/v1/join/$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 30 * 86_400 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
