# mypy: ignore-errors
"""Celery, as both of its peers use it."""

import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.peers.settings")
django.setup()

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = [os.environ["PEER_TASKS"]]
