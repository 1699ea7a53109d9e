"""Looks from the web process while no worker does: who else would say that it is gone?

One daemon thread a process. It keeps no connection between looks, and takes the same turns
as workers do, so that it makes no difference how many processes look.
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

#: Both may start at once: a worker has so long to be there first.
FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 30.0
#: A worker that is there, and has not looked for so long, does not look.
OVERDUE: Final = timedelta(minutes=2)
#: How long a process that ends waits for a look that is under way.
_STOP_SECONDS: Final = 5.0


class Lookout:
    """A thread that calls `look` every `every` seconds, the first time after `first`."""

    def __init__(
        self,
        look: Callable[[], object],
        *,
        first: float = FIRST_SECONDS,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._look = look
        self._first = first
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lookout")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and wait for a look that is under way, but not for long."""
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
                # The next look may find the database well.
                name = type(error).__name__
                logger.warning("The lookout failed (%s); it tries again", name)
            except Exception:
                logger.exception("The lookout failed; it tries again")
            finally:
                connection.close()


def look_if_no_worker_does() -> bool:
    """Look and send where no worker is at work, or none has looked. Return whether it did."""
    silence = worker_presence.read_silence()
    has_worker = silence is not None and not silence.is_too_long
    if has_worker and not _is_look_overdue():
        return False
    alert_round.run_alert_round()
    return True


def _is_look_overdue() -> bool:
    return not LastLook.objects.filter(
        looked_at__gt=clock.read_now() - OVERDUE
    ).exists()
