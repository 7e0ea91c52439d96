"""One settings module for both ways to run; the environment alone chooses.

Nothing set: embedded (SQLite, memory broker, local files, offline model). `DATABASE_URL`,
`REDIS_URL`, `S3_BUCKET` switch to services, each by itself.
"""

from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF

from config.env import env, hosts, key_of, networks, scanner
from config.unfold import UNFOLD  # noqa: F401
from core.logs import configure_structlog, logging_config, redact
from core.palette import palette_hash

django_stubs_ext.monkeypatch()
from core.secrets import generate_key  # its fields need the patch

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env.read_env(str(BASE_DIR / ".env"))

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data")))
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)
EMBEDDED = not (env.str("DATABASE_URL", default="") and env.str("REDIS_URL", default=""))
PRODUCTION = env.bool("PRODUCTION", default=False)
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
HTTPS = PUBLIC_URL.startswith("https://")

SECRET_KEY = key_of("SECRET_KEY", DATA_DIR / "secret_key")
SECRET_KEYS = key_of("SECRET_KEYS", DATA_DIR / "secret_keys", generate_key)
JWT_KEYS = key_of("JWT_KEYS", DATA_DIR / "jwt_keys", generate_key)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.guardian",
    "django.contrib.admin",
    "core",
    "audit",
    "accounts",
    "orgs",
    "billing",
    "bpm",
    "files",
    "llm",
    "workflows",
    "config",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "allauth.headless",
    "guardian",
    "viewflow.workflow",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_htmx",
    "corsheaders",
    "csp",
]
MIDDLEWARE = [
    "core.middleware.TraceMiddleware",
    "orgs.denials.log_denials_middleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.middleware.privacy_headers_middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.admin_csp_middleware",
    "core.refusals.refuse_plain_middleware",
    "core.refusals.limit_body_middleware",
    "core.middleware.rate_headers_middleware",
    "orgs.cors.OrganizationCorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "accounts.middleware.preferences_middleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.repeats.RefuseRepeatsMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.ui.shell",
            ]
        },
    }
]

# --- data
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'loomwork.sqlite3'}")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Beside what the URL says of the connection, such as `?sslmode=verify-full&sslrootcert=…`.
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": env.int("DATABASE_POOL", default=12),
        "timeout": 15,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "loomwork",
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- files
S3_BUCKET = env.str("S3_BUCKET", default="")
_s3_options = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": env.str("S3_ENDPOINT_URL", default="") or None,
    "region_name": env.str("S3_REGION", default="") or None,
    "access_key": env.str("S3_ACCESS_KEY", default="") or None,
    "secret_key": env.str("S3_SECRET_KEY", default="") or None,
    "addressing_style": env.str("S3_ADDRESSING_STYLE", default="path"),
    "default_acl": None,
    "querystring_auth": True,
    "file_overwrite": False,
    "max_memory_size": 2 * 1024 * 1024,  # a larger object is read in pieces from a temporary file
}
STORAGES = {
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _s3_options}
    if S3_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(DATA_DIR / "files"), "file_permissions_mode": 0o600},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
CLAMAV_URL = scanner("CLAMAV_URL")
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION  # a fresh checkout serves without collectstatic
WHITENOISE_AUTOREFRESH = DEBUG
if not PRODUCTION:
    STORAGES["staticfiles"] = {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
    }

# --- sign-in
GUARDIAN_RAISE_403 = False
ANONYMOUS_USER_NAME = None
from config.settings.sign_in import *
from config.settings.upkeep import *

EMAIL_TIMEOUT = 10  # seconds for each exchange with the mail server; see accounts/letters.py
EMAIL_CONFIG = env.email_url("EMAIL_URL", default=f"filemail:///{DATA_DIR / 'mail'}")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Loomwork <loomwork@localhost>")

# `__Host-` binds a cookie to this one host over TLS; browsers refuse the name without.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = COOKIE_PREFIX + "loomwork_session"
CSRF_COOKIE_NAME = COOKIE_PREFIX + "loomwork_csrf"
LANGUAGE_COOKIE_NAME = COOKIE_PREFIX + "loomwork_language"
CSRF_FAILURE_VIEW = "core.denials.csrf_refused"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^api/"]  # programs are refused: core/refusals.py
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, palette_hash()],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/.*$"
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "x-csrftoken", "x-request-id", "traceparent",
    "x-organization", "x-api-key", "idempotency-key", "if-match", "if-none-match", "last-event-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "x-request-id", "traceparent", "etag", "idempotency-replayed", "retry-after",
    "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy",
]  # fmt: skip

# --- REST
API_RATE = env.int("API_RATE", default=600)
API_RATE_ANONYMOUS = env.int("API_RATE_ANONYMOUS", default=60)
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "core.api.exception_handler",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "orgs.api.authentication.ApiKeyAuthentication",
        "accounts.authentication.JwtAuthentication",
        "orgs.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "core.listing.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["core.listing.DeclaredFilters"],
    "DEFAULT_THROTTLE_CLASSES": ["orgs.api.rates.CallerThrottle"],
    "URL_FORMAT_OVERRIDE": None,  # `?format=` would be one more way to say what Accept says
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "core.parsers.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_VERSIONING_CLASS": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Loomwork API",
    "DESCRIPTION": "Workflows, approvals, model calls and money of your organization. "
    "Errors are `{code, message, detail, trace_id}`. Sign-in for programs is described at "
    "[/api/v1/auth/openapi.json](/api/v1/auth/openapi.json); its errors keep allauth's form.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "AccountEnum": "billing.models.LedgerEntry.Account",
        "AuditOutcomeEnum": "audit.models.Entry.Outcome",
        "CallOutcomeEnum": "billing.models.UsageRecord.Outcome",
        "KeyStateEnum": "orgs.models.ApiKey.State",
        "RoleEnum": "orgs.models.Role",
        "JoiningRoleEnum": "orgs.api.sso.ROLES",
        "ExportStateEnum": "files.models.Export.State",
        "RunStateEnum": "workflows.models.Run.State",
        "TriggerKindEnum": "workflows.models.Trigger.Kind",
        "FiringOutcomeEnum": "workflows.models.TriggerFiring.Outcome",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "workflows.api.streams.describe_streams",
        "core.schema.add_common_parts",
        "core.examples.add_examples",
    ],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
MAX_UPLOAD_SIZE = 64 * 1024 * 1024

# --- work in the background
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {} if REDIS_URL else {"polling_interval": 0.05}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # the database holds the truth; redelivery would only add noise
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"workflows.tasks.pump": {"queue": "engine"}}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"
KEY_USE_FLUSH_SECONDS = 60.0  # how often a process writes when keys were used; 0: when asked
VIEWFLOW = {"AUTOREGISTER": False}

# --- organizations
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
INVITATIONS_PER_HOUR = env.int("INVITATIONS_PER_HOUR", default=60)
ORGANIZATION_GRACE_DAYS = env.int("ORGANIZATION_GRACE_DAYS", default=14)
ARCHIVE_DAYS = env.int("ARCHIVE_DAYS", default=7)

# --- the outside world
OUTGOING_ALLOW = networks("OUTGOING_ALLOW")
OUTGOING_ONLY = hosts("OUTGOING_ONLY")
ENGINE_SLOTS = env.int("ENGINE_SLOTS", default=512)
ENGINE_ORGANIZATION_SLOTS = env.int("ENGINE_ORGANIZATION_SLOTS", default=0)
ENGINE_LEASE_SECONDS = env.int("ENGINE_LEASE_SECONDS", default=30)
ENGINE_GRACE_SECONDS = env.int("ENGINE_GRACE_SECONDS", default=10)
ENGINE_VALUE_LIMIT = env.int("ENGINE_VALUE_LIMIT", default=32_768)
ENGINE_VALUE_MAX = env.int("ENGINE_VALUE_MAX", default=4_194_304)
STATISTICS_DAYS = env.int("STATISTICS_DAYS", default=400)
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")

# --- words, time, logs
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(LOG_LEVEL, LOG_FORMAT)
LOGGING.setdefault("loggers", {}).update(
    {
        # One line per message of a doorbell that rings all day says nothing.
        "celery": {"level": "WARNING"},
        "django_celery_beat": {"level": "WARNING"},
        "kombu.connection": {"level": "WARNING" if REDIS_URL else "ERROR"},
    }
)
configure_structlog()
if sentry_dsn := env.str("SENTRY_DSN", default=""):
    import sentry_sdk

    sentry_sdk.init(
        dsn=sentry_dsn,
        send_default_pii=False,
        before_send=lambda event, hint: redact(event),
    )
