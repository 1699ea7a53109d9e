"""The sweep: finds work by itself, in every worker, with or without a broker.

It runs as a step of the *worker*, because a step of the consumer never starts while the
broker is away, and hands the work to the worker's own pool of threads.
"""

import logging
import random
import threading
import time
from typing import Any

from celery import bootsteps, signals

logger = logging.getLogger(__name__)

UPKEEP_SECONDS = 60.0


class Sweep(bootsteps.StartStopStep):
    """Looks every few seconds, with jitter, for integrations that have work due."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Start the sweeping thread, when Celery starts the worker."""
        self._thread = threading.Thread(
            target=self._run, args=(parent,), daemon=True, name="sweep"
        )
        self._thread.start()

    def stop(self, parent: Any) -> None:
        """Let the thread end after its present sweep."""
        self._stop.set()

    def _run(self, worker: Any) -> None:
        # Django is not ready when Celery imports its steps.
        from django.conf import settings

        from clevertap_sync.models import ProcessSeen
        from clevertap_sync.process import process_presence
        from clevertap_sync.worker.background_jobs import BackgroundJobs
        from referrals.ingest import background

        process_presence.show_as(ProcessSeen.Kind.WORKER)
        background.write_soon()
        jobs = BackgroundJobs(worker.pool)
        jobs.start_learning()
        upkeep_at = time.monotonic() + random.uniform(0, UPKEEP_SECONDS)
        while not self._stop.is_set():
            try:
                jobs.sweep()
                if time.monotonic() >= upkeep_at:
                    upkeep_at = time.monotonic() + UPKEEP_SECONDS
                    jobs.start_upkeep()
            except Exception:
                logger.exception("The sweep failed; it tries again")
            self._stop.wait(settings.SWEEP_SECONDS * random.uniform(0.8, 1.2))
        jobs.stop_learning()


@signals.worker_shutting_down.connect
def stop_claiming(**_: Any) -> None:
    """On SIGTERM claim nothing more."""
    from clevertap_sync.process import stopping

    stopping.begin_stopping()
