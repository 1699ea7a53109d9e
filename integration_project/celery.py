"""The Celery application: a doorbell and a pool of threads."""

import gc
import logging.config
import os
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging, worker_ready

from clevertap_sync.worker.sweep import Sweep

_COLLECT_AFTER: Final = 50_000

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")

app = Celery("integration_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Of the worker, not of its consumer, which never starts while the broker is away.
app.steps["worker"].add(Sweep)


@setup_logging.connect(dispatch_uid="integration_project.celery.logging")
def set_up_logging(**_: Any) -> None:
    """Log as web and commands do. A receiver of this signal keeps Celery from its own set-up."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_ready.connect(dispatch_uid="integration_project.celery.garbage")
def collect_rarely(**_: Any) -> None:
    """Collect cyclic garbage less often, and never among the objects of the start.

    Delivery makes thousands of short-lived objects per request and hardly a cycle: to
    look after each 700 of them takes a twentieth of a worker's time.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
