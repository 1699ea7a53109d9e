"""The worker's end of the broker, which nothing that Redis holds can stop.

Celery's own consumer goes on after a connection is lost, and ends the worker for whatever
else is raised there: by a message that is no JSON, or by a key that holds something of
another type. A worker that has ended delivers nothing, not even by its sweep.
"""

import contextlib
import logging
import time
from typing import Any, Final

from celery.worker.consumer import Consumer

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0


class LastingConsumer(Consumer):
    """Takes any error for a lost connection: says so, waits, and begins anew."""

    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - Celery's
        super().__init__(*arguments, **options)
        self._lost = tuple(self.connection_errors)
        self.connection_errors = (*self._lost, Exception)

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Say what it was by its class: its words may repeat a message.

        What stays there is met again at once, hence the pause. The sweep delivers meanwhile.
        """
        kind = type(error).__name__
        if isinstance(error, self._lost):
            logger.warning("The connection to the broker was lost (%s)", kind)
        else:
            logger.error(
                "The broker holds something that is none of ours (%s): it was dropped, or is "
                "asked for again. Look at who else uses this Redis.",
                kind,
            )
            time.sleep(PAUSE_SECONDS)
        self._let_go()

    def _let_go(self) -> None:
        """Close the connection, as Celery's own answer to an error does: it would stay open.

        A channel reads once more when it is closed, and meets the same again.
        """
        connection, self.connection = self.connection, None
        if connection is None:
            return
        for close in (connection.collect, connection.close):
            with contextlib.suppress(Exception):
                close()
