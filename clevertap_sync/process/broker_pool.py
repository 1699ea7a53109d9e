"""The one connection to the broker that a process's threads share, with the least layers.

redis-py's pool counts, times and tries to read with each command, which takes longer than the
broker. Here a look tells that the broker has closed the connection.
"""

import select
from threading import Lock
from typing import Any

import redis


# redis-py has no types for a pool's methods.
class OneConnectionPool(redis.BlockingConnectionPool):
    """Gives its connection to one thread at a time; each waits for `timeout` seconds."""

    def reset(self) -> None:
        """Begin anew, as a forked child does."""
        self._turn = Lock()
        self._connection: Any = None
        super().reset()  # type: ignore[no-untyped-call]

    def get_connection(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as redis-py
        """Return the connection, which is open. `release` has to follow.

        Raises `redis.ConnectionError` where others have it for too long.
        """
        self._checkpid()
        if not self._turn.acquire(timeout=self.timeout):
            msg = "No connection available."
            raise redis.ConnectionError(msg)
        try:
            if self._connection is None:
                self._connection = self.make_connection()  # type: ignore[no-untyped-call]
            _make_ready(self._connection)
        except BaseException:
            self._turn.release()
            raise
        return self._connection

    def release(self, _: Any) -> None:  # noqa: ANN401 - as redis-py
        """Let the next thread have the connection."""
        self._turn.release()


def _make_ready(connection: Any) -> None:  # noqa: ANN401 - as redis-py
    """Open the connection unless it is; anew, where the broker has said what nobody asked.

    That is that it ends, or the answer to a command of which nobody waited for the end.
    """
    if connection.is_connected and _has_arrived(connection):
        connection.disconnect()
    if not connection.is_connected:
        connection.connect()


def _has_arrived(connection: Any) -> bool:  # noqa: ANN401 - as redis-py
    poll = select.poll()
    poll.register(connection._sock, select.POLLIN)  # noqa: SLF001 - redis-py has no name for it
    return bool(poll.poll(0))
