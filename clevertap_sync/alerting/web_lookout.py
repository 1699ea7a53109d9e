"""Runs alert rounds in the web process while no worker does.

Otherwise no alert could say that all workers are gone. Each process has one daemon thread.
It keeps no connection between rounds, and takes turns with the workers, so that the number
of processes makes no difference.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db import Error, connection

from clevertap_sync.alerting import alert_round
from clevertap_sync.models import LastLook
from clevertap_sync.process import clock, worker_presence

logger = logging.getLogger(__name__)

#: Web and worker may start at once: the worker has so long to be first.
FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 30.0
#: A worker that has not looked for so long counts as not looking.
OVERDUE: Final = timedelta(minutes=2)
#: How long a process that ends waits for a look that is under way.
_STOP_SECONDS: Final = 5.0


class Lookout:
    """A thread that calls `look` every `every` seconds, the first time after `first`.

    `name` is the thread's.
    """

    def __init__(
        self,
        look: Callable[[], object],
        *,
        first: float = FIRST_SECONDS,
        every: float = EVERY_SECONDS,
        name: str = "lookout",
    ) -> None:
        self._look = look
        self._first = first
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait a moment for a round that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        wait = self._first
        while not self._stop.wait(wait):
            wait = self._every
            try:
                self._look()
            except Error as error:
                # The database may be back at the next round.
                name = type(error).__name__
                thread = self._thread.name
                logger.warning("The %s failed (%s); it tries again", thread, name)
            except Exception:
                logger.exception("The %s failed; it tries again", self._thread.name)
            finally:
                connection.close()


def look_if_no_worker_does() -> bool:
    """Run a round if no worker is at work, or none has looked. Return whether it ran."""
    silence = worker_presence.read_worker_silence()
    has_worker = silence is not None and not silence.is_too_long
    if has_worker and not _is_look_overdue():
        return False
    alert_round.run_alert_round()
    return True


def _is_look_overdue() -> bool:
    return not LastLook.objects.filter(
        looked_at__gt=clock.read_now() - OVERDUE
    ).exists()
