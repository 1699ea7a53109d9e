"""SQLite, with short looks for its one write lock in place of longer and longer sleeps.

SQLite has no line of who waits for the lock: each looks, and sleeps. Its own way is to sleep up
to 100 ms from the third look in a tenth of a second on. Whoever came a moment ago looks often, so
that under load they pass those who have waited for long. Here all go on looking often.

Reference: https://www.sqlite.org/c3ref/busy_handler.html
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.db.backends.sqlite3 import base

#: SQLite sleeps 1, 2, 5 and 10 ms between its looks, then it gives up and is asked again.
LOOKS_MS: Final = 18
_PRIMARY: Final = 0xFF


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with cursors that look for a lock until the option `timeout` is over."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        """Connect; from then on SQLite itself gives up soon, if its journal is a WAL.

        With any other one commits wait too, for readers, and nobody asks those again.
        """
        connection: sqlite3.Connection = super().get_new_connection(conn_params)
        self._patience = 0.0
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            connection.execute(f"PRAGMA busy_timeout = {LOOKS_MS}").close()
            self._patience = float(conn_params.get("timeout", 5.0))
        return connection

    def create_cursor(self, name: str | None = None) -> "InsistentCursor":  # noqa: ARG002 - Django's
        """Return a cursor that is as patient as the connection."""
        return InsistentCursor(self.connection, self._patience)


class InsistentCursor(base.SQLiteCursorWrapper):
    """A cursor that asks again while another connection has the lock."""

    def __init__(self, connection: sqlite3.Connection, patience: float) -> None:
        super().__init__(connection)
        self._patience = patience

    def execute(self, query: str, params: Any = None) -> Any:  # noqa: ANN401 - Django's own types
        """Execute a statement, as soon as it may be."""
        return self._insist(super().execute, query, params)

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:  # noqa: ANN401 - Django's own types
        """Execute a statement for each of the values, as soon as it may be."""
        if self.connection.in_transaction:
            return super().executemany(query, param_list)
        # Each is a transaction of its own: what is written must not be written again.
        for params in param_list:
            self.execute(query, params)
        return self

    def _insist(self, ask: Callable[..., Any], *given: object) -> Any:  # noqa: ANN401 - as it is returned
        """Ask until no lock is in the way, or patience is over."""
        ends_at = time.monotonic() + self._patience
        while True:
            looks_until = time.monotonic() + LOOKS_MS / 1000
            try:
                return ask(*given)
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                if not _is_locked_out(error) or now >= ends_at:
                    raise
            # SQLite itself does not wait while the connection is reading.
            time.sleep(max(0.0, looks_until - now))


def _is_locked_out(error: sqlite3.OperationalError) -> bool:
    """Return whether the statement only came too early, and changed nothing.

    One whose snapshot is too old to write would fail for ever.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return (
        code & _PRIMARY == sqlite3.SQLITE_BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT
    )
