"""Settings, from the environment only: docs/reference/environment.md has every variable.

In production (DEBUG is off by default) the process does not start without its secrets,
and says which ones to set.
"""

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from integration_project.addresses import (
    check_host_name,
    check_origin,
    check_web_address,
)
from integration_project.broker import (
    check_broker,
    make_celery_tls,
    make_redis_options,
    make_transport_options,
)
from integration_project.databases import read_database_url
from integration_project.environment import Environment, needs_no_secret
from integration_project.mail import read_mail_url
from integration_project.observability import sentry
from integration_project.observability.logs import build_logging_config
from integration_project.web.request_limits import MAX_FORM_BYTES
from referrals import failpoints

BASE_DIR: Final = Path(__file__).resolve().parent.parent
VAR_DIR: Final = BASE_DIR / "var"

env: Final = Environment(os.environ)

# What has to be secret ---------------------------------------------------------------
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY")
FIELD_ENCRYPTION_KEYS = env.words("FIELD_ENCRYPTION_KEYS")
ALLOWED_HOSTS = env.each(
    "ALLOWED_HOSTS",
    check_host_name,
    right="referrals.example.com, or several with commas between",
)
METRICS_TOKEN = env.text("METRICS_TOKEN")

_MAKE_ONE = (
    "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))' and "
    "keep it. (To develop on this machine, set DEBUG=true instead.)"
)
if DEBUG:
    SECRET_KEY = (
        SECRET_KEY or "insecure-development-key-which-signs-nothing-that-matters"
    )
    FIELD_ENCRYPTION_KEYS = FIELD_ENCRYPTION_KEYS or [
        "insecure-development-key-which-encrypts-nothing-that-matters"
    ]
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["127.0.0.1", "localhost", "[::1]"]
elif not needs_no_secret(sys.argv):
    if not SECRET_KEY:
        env.needed("SECRET_KEY", "It signs the admin's sessions.", _MAKE_ONE)
    if not FIELD_ENCRYPTION_KEYS:
        env.needed(
            "FIELD_ENCRYPTION_KEYS",
            "It encrypts the passcodes, and the keys of hashes of people and devices.",
            _MAKE_ONE,
        )
    if not env.words("ALLOWED_HOSTS"):
        env.needed(
            "ALLOWED_HOSTS",
            "It lists the host names that this server answers to, with commas between.",
            "Set it to your domain, such as referrals.example.com.",
        )

_NEWEST_KEY = "the first of FIELD_ENCRYPTION_KEYS"
if not DEBUG:
    _secrets = {
        "SECRET_KEY": SECRET_KEY,
        # An old key may be short: it still has to decrypt the values that it encrypted.
        _NEWEST_KEY: (FIELD_ENCRYPTION_KEYS or [""])[0],
        "METRICS_TOKEN": METRICS_TOKEN,
    }
    env.check_secrets(
        {name: text for name, text in _secrets.items() if text},
        least=20,
        # An attacker with a copy of the database can try keys without a limit.
        longer={_NEWEST_KEY: 32},
    )

# What answers ------------------------------------------------------------------------
INSTALLED_APPS = [
    "integration_project",
    "referrals",
    "clevertap_sync",
    "integration_project.admin_config.ReferralsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "referrals.api.request_id.RequestIdMiddleware",
    "referrals.api.edge.ProblemsMiddleware",
    # Probes come every few seconds, without a known host name and without HTTPS.
    "integration_project.health.HealthMiddleware",
    "integration_project.observability.request_log.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "integration_project.security_headers.SecurityHeadersMiddleware",
    "integration_project.api_shortcut.ApiShortcutMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # Counts the length of what the one below it made of the page.
    "django.middleware.common.CommonMiddleware",
    "integration_project.inert_pages.InertPagesMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "integration_project.session_end.SessionEndMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "integration_project.urls"
WSGI_APPLICATION = "integration_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
PORT = env.whole("PORT", 8000, least=1, most=65_535)
PUBLIC_URL = (
    env.read("PUBLIC_URL", check_web_address, right="https://referrals.example.com")
    or ""
)
USE_TZ = True
TIME_ZONE = "UTC"
# Where a login leads if it names no page, or one of another site.
LOGIN_REDIRECT_URL = "admin:index"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["referrals.access.RolesBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Static files: the collected ones, with hashed names, where `collectstatic` has run;
# otherwise straight from the apps, so that a page never fails for want of them.
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
with suppress(OSError):  # a read-only disk; WhiteNoise warns where it is missing
    STATIC_ROOT.mkdir(exist_ok=True)
_collected = (STATIC_ROOT / "staticfiles.json").exists() or "collectstatic" in sys.argv
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected and not DEBUG
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG or not _collected

# HTTPS, only where a proxy that ends it stands in front and sets X-Forwarded-Proto -----
SECURE_PROXY = env.flag("SECURE_PROXY")
if SECURE_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # These refuse plain HTTP themselves: a key or token that travelled so must not go unnoticed.
    SECURE_REDIRECT_EXEMPT = [r"^v1(/|$)", r"^metrics$"]
# When a person has to log in again: after so long without a click, and at the latest.
SESSION_IDLE_MINUTES = env.whole("SESSION_IDLE_MINUTES", 60, least=1, most=20_160)
SESSION_HOURS = env.whole("SESSION_HOURS", 12, least=1, most=336)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Beyond that a web process collects no form.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_FORM_BYTES
# How many hops of X-Forwarded-For are trusted: the login's throttle counts by address.
TRUSTED_PROXIES = env.whole(
    "TRUSTED_PROXIES", 1 if SECURE_PROXY else 0, least=0, most=10
)
# Percent of a web process that one app has while another waits.
APP_SHARE = env.whole("APP_SHARE", 50, least=1, most=100)
CSRF_TRUSTED_ORIGINS = env.each(
    "CSRF_TRUSTED_ORIGINS",
    check_origin,
    right="https://referrals.example.com, or several with commas between",
)
CSRF_FAILURE_VIEW = "integration_project.error_pages.show_form_refused"
# The neighbours on the domain are not ours to bind: no subdomains, no preload list.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Where the log is kept -----------------------------------------------------------------
DATABASE_POOL = env.whole("DATABASE_POOL", 6, least=0, most=100)
if not env.text("DATABASE_URL"):
    VAR_DIR.mkdir(exist_ok=True)
_database = env.read(
    "DATABASE_URL",
    partial(read_database_url, pool=DATABASE_POOL),
    default=f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}",
    right="postgresql://user:password@host/name, or sqlite:////path/to/file",
)
DATABASES: dict[str, dict[str, Any]] = {"default": _database or {}}
# How much room its plan has, which a server does not tell; 0: nobody said.
DATABASE_GIGABYTES = env.whole("DATABASE_GIGABYTES", 0, least=0, most=1_000_000)

# How what came in is counted: written so often, where anything was.
INGEST_FLUSH_SECONDS = 5.0

# How workers are rung ----------------------------------------------------------------
REDIS_URL = env.read("REDIS_URL", check_broker, right="redis://host:6379/0") or ""
REDIS_TLS_VERIFY = env.flag("REDIS_TLS_VERIFY", default=True)
REDIS_OPTIONS = make_redis_options(REDIS_URL, verify=REDIS_TLS_VERIFY)

# Where calls wait that no platform sends again ---------------------------------------
SPOOL_MEGABYTES = env.whole("SPOOL_MEGABYTES", 16, least=0, most=10_000)
SPOOL_LOST_AFTER_SECONDS = env.seconds(
    "SPOOL_LOST_AFTER_SECONDS", 60.0, least=0.1, most=3600
)

# How it is delivered -----------------------------------------------------------------
CLEVERTAP_BASE_URL = (
    env.read(
        "CLEVERTAP_BASE_URL",
        partial(check_web_address, template=True),
        right="http://127.0.0.1:9100/{location}, or leave it out",
    )
    or ""
)
WORKER_THREADS = env.whole("WORKER_THREADS", 16, least=2, most=500)
SWEEP_SECONDS = env.seconds("SWEEP_SECONDS", 5.0, least=0.05, most=300)
REQUEST_SECONDS = env.seconds("REQUEST_SECONDS", 30.0, least=0.1, most=600)
LEASE_SECONDS = env.seconds("LEASE_SECONDS", REQUEST_SECONDS + 15, least=0.2, most=3600)
FIRST_HOLD_SECONDS = env.seconds("FIRST_HOLD_SECONDS", 1.0, least=0.01, most=3600)
LONGEST_HOLD_SECONDS = env.seconds(
    "LONGEST_HOLD_SECONDS", 300.0, least=0.01, most=86_400
)
CUSTOM_NAMES_LIMIT = env.whole("CUSTOM_NAMES_LIMIT", 50, least=0, most=200)
# From when on a forgotten pause, and an app that sends nothing any more, are findings.
PAUSE_HOURS = env.seconds("PAUSE_HOURS", 24.0, least=0.001, most=8760)
QUIET_HOURS = env.seconds("QUIET_HOURS", 24.0, least=0.001, most=8760)
RETENTION_DAYS = env.whole("RETENTION_DAYS", 90, least=1, most=3650)
# How long a record waits for its person to be known; how long a person is known who is
# never seen again; how many identities one has at most.
WAIT_DAYS = env.whole(
    "WAIT_DAYS", max(1, min(30, RETENTION_DAYS - 1)), least=1, most=3649
)
PEOPLE_DAYS = env.whole("PEOPLE_DAYS", RETENTION_DAYS, least=1, most=3650)
PERSON_IDENTITIES = env.whole("PERSON_IDENTITIES", 50, least=2, most=1000)
ERASURE_WAIT_SECONDS = env.seconds(
    "ERASURE_WAIT_SECONDS", 86_400.0, least=0, most=2_592_000
)

# Faults on order: docs/reliability.md. A production server must not have any.
FAILPOINTS: list[failpoints.Failpoint] = []
_orders = env.words("FAILPOINTS")
if _orders and not DEBUG:
    env.problems.append(
        "FAILPOINTS is set, which makes processes die on purpose: it is for tests, and "
        "refused unless DEBUG=true. Take it out of the environment."
    )
else:
    try:
        FAILPOINTS = failpoints.parse_failpoints(_orders)
    except ValueError:
        env.problems.append(
            "FAILPOINTS has an order that cannot be used: give place=action or "
            "place=action@n, as referrals/failpoints.py lists them."
        )

# Celery: a doorbell and a pool of threads. A lost message costs seconds.
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_WORKER_CONSUMER = "integration_project.consumer:LastingConsumer"
CELERY_BROKER_USE_SSL = make_celery_tls(REDIS_URL, verify=REDIS_TLS_VERIFY)
CELERY_BROKER_TRANSPORT_OPTIONS = make_transport_options() if REDIS_URL else {}
# Threads that ring take turns: docs/operations.md reckons with it.
CELERY_BROKER_POOL_LIMIT = 1
CELERY_BROKER_CONNECTION_TIMEOUT = 1.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A broker that is full, or read-only, answers errors: a worker must not end for them.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_TASK_DEFAULT_QUEUE = "referrals"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = WORKER_THREADS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False

# How people are alerted --------------------------------------------------------------
_mail = env.read(
    "EMAIL_URL",
    read_mail_url,
    default="dummymail://",
    right="smtp+tls://user:password@host:587, or leave it out",
)
vars().update(_mail or {})
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "referrals@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
ALERTS_TO_PRIVATE_ADDRESSES = env.flag("ALERTS_TO_PRIVATE_ADDRESSES")

LOG_LEVEL = env.choice(
    "LOG_LEVEL", "info", among=("debug", "info", "warning", "error")
).upper()
LOG_FORMAT = env.choice("LOG_FORMAT", "auto", among=("auto", "json", "terminal"))
LOGGING = build_logging_config(level=LOG_LEVEL, form=LOG_FORMAT)

SENTRY_DSN = (
    env.read(
        "SENTRY_DSN",
        sentry.check_dsn,
        right="the DSN that Sentry shows for the project, or leave it out",
    )
    or ""
)
SENTRY_ENVIRONMENT = env.text(
    "SENTRY_ENVIRONMENT", "development" if DEBUG else "production"
)
SENTRY_RELEASE = env.text("SENTRY_RELEASE")

env.refuse()
# For the test that every variable is documented, and for the doctor.
ENV_NAMES: Final = frozenset(env.names)
ENV_CHANGED: Final = tuple(env.changed.values())

if SENTRY_DSN:
    sentry.start_sentry(
        SENTRY_DSN, environment=SENTRY_ENVIRONMENT, release=SENTRY_RELEASE
    )
