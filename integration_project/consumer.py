"""The worker's end of the broker, which nothing that Redis holds can stop.

Celery's own consumer survives a lost connection and no other error: a message that is no
JSON, or a Redis key of another type, ends the worker. A worker that has ended delivers
nothing, not even by its sweep.
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
        """Log the error's class only: its text may repeat a message.

        If the broker keeps the message, the next read fails at once: hence the pause. The
        sweep delivers meanwhile.
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
        """Close the connection, which would stay open otherwise, as Celery's own handler does.

        A channel reads once more when it closes, and may raise the same error again.
        """
        connection, self.connection = self.connection, None
        if connection is None:
            return
        for close in (connection.collect, connection.close):
            with contextlib.suppress(Exception):
                close()
