"""The peers' settings: only what they need, and the pool of connections that we have."""

import os

import environ

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["benchmarks.peers"]
# It states the length of an answer, without which gunicorn sends it in chunks.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "benchmarks.peers.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"])}
DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": 8}}
LOGGING_CONFIG = None

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

SINK_URL = os.environ["CLEVERTAP_BASE_URL"].replace("{location}", "eu1") + "/1/upload"

CELERY_BROKER_URL = os.environ.get("REDIS_URL")
CELERY_TASK_IGNORE_RESULT = True
# A record is lost by a worker that is killed, unless its task is acknowledged late.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# Here and not on the command line, which takes 0 (no limit) for "not given".
CELERY_WORKER_PREFETCH_MULTIPLIER = int(os.environ["PEER_PREFETCH"])
