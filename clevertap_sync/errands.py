"""Work for this process's own threads, bounded per integration.

The sweep hands out what is due every few seconds, busy or not: without a bound, a worker
whose threads wait for slow accounts would pile errands up for hours.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection

from clevertap_sync import doorbell, witness, workers
from clevertap_sync.alerting import rounds
from clevertap_sync.delivery import due, erasure, retention, stopping, tallies
from clevertap_sync.delivery.deliver import deliver

logger = logging.getLogger(__name__)


class Errands:
    """What the threads of one pool have been asked to do and have not finished."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - Celery's pool
        self._pool = pool
        self._mutex = threading.Lock()
        self._open: Counter[int] = Counter()
        self._alerting = threading.Lock()

    def sweep(self) -> None:
        """Say that this worker is here, and hand out everything that is due."""
        if stopping.is_stopping():
            return
        try:
            witness.compare()
            workers.seen(workers.name())
            self.alert()
            for integration_id, wanted in due.due_integrations():
                while self.deliver(integration_id, at_most=wanted):
                    pass
        finally:
            connection.close()

    def deliver(self, integration_id: int, *, at_most: int) -> bool:
        """Ask a thread to deliver, unless `at_most` are asked already. Return whether it was."""
        with self._mutex:
            if self._open[integration_id] >= at_most:
                return False
            self._open[integration_id] += 1
        self._pool.apply_async(self._run, (self._deliver, integration_id))
        return True

    def alert(self) -> None:
        """Ask a thread to look what people should be told of, unless one does already."""
        if self._alerting.acquire(blocking=False):
            self._pool.apply_async(self._run, (self._alert,))

    def retain(self) -> None:
        """Ask threads to tally, to remove what is past its days, and to erase people."""
        self._pool.apply_async(self._run, (tallies.add_up,))
        self._pool.apply_async(self._run, (retention.retain,))
        self._pool.apply_async(self._run, (erasure.go_on,))

    def ring(self, integration_id: int) -> bool:
        """Ring for any worker; where there is no broker, ask this process's threads."""
        if doorbell.ring(integration_id):
            return True
        return self.deliver(
            integration_id, at_most=max(1, settings.WORKER_THREADS // 2)
        )

    def _alert(self) -> None:
        try:
            rounds.look_and_send()
        finally:
            self._alerting.release()

    def _deliver(self, integration_id: int) -> None:
        try:
            deliver(integration_id, ring=self.ring)
        finally:
            with self._mutex:
                self._open[integration_id] -= 1

    def _run(self, errand: Callable[..., object], *arguments: object) -> None:
        """Run an errand with a database connection of its own."""
        try:
            errand(*arguments)
        except Exception:
            logger.exception("An errand stopped; the next sweep goes on")
        finally:
            connection.close()
