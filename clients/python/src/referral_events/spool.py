"""Events on disk, in SQLite: what `enqueue` returned for outlives the process and the machine.

Several processes may share one spool: one of them sends what all of them leave there, and when
it ends, another does. The server knows an event by its id, so that none counts twice.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from referral_events.batches import MOST_EVENTS, count_that_fit
from referral_events.errors import SpoolError
from referral_events.waiting import CLOSED, Batch

_POLL_SECONDS: Final = 0.2
_BUSY_SECONDS: Final = 10.0
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS waiting (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        body BLOB NOT NULL
    )
"""


class DiskSpool:
    """Keeps events in a file that only its owner can read. They are not encrypted."""

    def __init__(self, path: str | Path, most: int) -> None:
        self._path = Path(path)
        self._most = most
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        #: Open in a transaction that locks the file beside the spool: this process sends.
        self._sending: sqlite3.Connection | None = None
        self._is_closed = False
        self._added = threading.Event()
        try:
            with self._write() as connection:
                connection.execute(_TABLE)
        except SpoolError:
            self._let_go()
            raise

    def add(self, body: bytes, wait: float) -> bool:
        """Write one event to the disk, where there is room within `wait` seconds."""
        ends_at = time.monotonic() + wait
        while self._is_full():
            self._refuse_once_closed()
            if time.monotonic() >= ends_at:
                return False
            time.sleep(min(_POLL_SECONDS, max(0.0, ends_at - time.monotonic())))
        self._refuse_once_closed()
        with self._write() as connection:
            connection.execute("INSERT INTO waiting (body) VALUES (?)", (body,))
        self._added.set()
        return True

    def take(self, wait: float, most: int = MOST_EVENTS) -> Batch | None:
        """Return the next events, or None: also where another process sends them."""
        self._added.clear()
        batch = self._take(most)
        if batch is None and self._added.wait(wait):
            batch = self._take(most)
        return batch

    def _take(self, most: int) -> Batch | None:
        if not self._is_sender():
            return None
        with self._use() as connection:
            rows = connection.execute(
                "SELECT number, body FROM waiting ORDER BY number LIMIT ?",
                (most,),
            ).fetchall()
        if not rows:
            return None
        rows = rows[: count_that_fit([body for _, body in rows])]
        return Batch([body for _, body in rows], [number for number, _ in rows])

    def settle(self, batch: Batch) -> None:
        """Remove the batch from the disk."""
        with self._write() as connection:
            connection.executemany(
                "DELETE FROM waiting WHERE number = ?",
                [(each,) for each in batch.numbers],
            )

    def give_back(self, batch: Batch) -> None:
        """The events are on the disk still."""

    def wait_until_empty(self, wait: float) -> bool:
        """Wait until nothing is on the disk, of any process."""
        ends_at = time.monotonic() + wait
        while self.count():
            if time.monotonic() >= ends_at:
                return False
            time.sleep(_POLL_SECONDS / 4)
        return True

    def count(self) -> int:
        """Return how many events are on the disk."""
        with self._use() as connection:
            (number,) = connection.execute("SELECT count(*) FROM waiting").fetchone()
        return int(number)

    def _is_full(self) -> bool:
        # The first and the last tell nearly always, and need no counting.
        with self._use() as connection:
            (span,) = connection.execute(
                "SELECT coalesce(max(number) - min(number) + 1, 0) FROM waiting"
            ).fetchone()
        return int(span) >= self._most and self.count() >= self._most

    def wake(self) -> None:
        """Let `take` look again."""
        self._added.set()

    def close(self) -> int:
        """Close the file, and return how many events are in it."""
        self._is_closed = True
        try:
            return self.count()
        finally:
            with self._mutex:
                self._let_go()

    def before_fork(self) -> None:
        """Close the file until the fork is over.

        A child must not inherit an open database: there, SQLite would take the parent's locks
        for its own for ever.
        """
        self._mutex.acquire()
        self._let_go()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; the child has threads of its own, and a lock that none of them holds."""
        if in_child:
            self._mutex, self._added = threading.Lock(), threading.Event()
        else:
            self._mutex.release()

    def _let_go(self) -> None:
        """Close what is open. Another process may become the one that sends."""
        for connection in (self._connection, self._sending):
            if connection is not None:
                connection.close()
        self._connection = self._sending = None

    def _refuse_once_closed(self) -> None:
        if self._is_closed:
            raise ValueError(CLOSED)

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._mutex:
            try:
                yield self._open()
            except (sqlite3.Error, OSError) as error:
                message = f"The spool {self._path} cannot be used: {error}."
                raise SpoolError(message) from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction that is on the disk when it ends."""
        with self._use() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk has ended the transaction by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _is_sender(self) -> bool:
        """Return whether this process is the one that sends; become it where none is.

        The lock ends with the process that has it, however that ends.
        """
        with self._use():
            if self._sending is None:
                self._sending = _lock(f"{self._path}-sender")
            return self._sending is not None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path, _BUSY_SECONDS)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
        return self._connection


def _lock(path: str) -> sqlite3.Connection | None:
    """Return a connection that locks a file while it is open; None where another has it."""
    connection = _connect(path, 0)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            return None
        raise
    return connection


def _connect(path: str | Path, timeout: float) -> sqlite3.Connection:
    # Made by us, so that nobody else can ever read it. One that is there is not opened: to
    # close it again would end the locks that another connection of this process has.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(
        path, timeout=timeout, isolation_level=None, check_same_thread=False
    )
