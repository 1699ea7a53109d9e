"""A thread's database connection while the thread waits for something else."""

import os
import threading
from types import TracebackType
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

_mutex: Final = threading.Lock()
#: How many threads of this process keep their connection while they wait.
_keeping = 0


def give_connection_back() -> None:
    """Return the database connection to its pool, so that a wait pins none.

    Whoever is waited for may need one of the pool's. SQLite's connections cost nothing and
    are kept, as is one that is in a transaction.
    """
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()


def is_in_transaction(database: BaseDatabaseWrapper) -> bool:
    """Return whether the caller has a transaction, which only the caller may commit."""
    if database.in_atomic_block:
        return True
    return database.connection is not None and not database.autocommit


class ShortWait:
    """A wait that most often takes milliseconds: `with ShortWait(): …`.

    To give a connection back and to take one again costs as much as a call of the database. So
    up to half of the pool's are kept, however long it lasts; whoever waits beside gives theirs back.
    """

    __slots__ = ("_keeps",)

    def __enter__(self) -> None:
        self._keeps = _take_place()
        if not self._keeps:
            give_connection_back()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._keeps:
            _give_place_back()


def _take_place() -> bool:
    global _keeping  # noqa: PLW0603 - one number per process
    with _mutex:
        keeps = _keeping < settings.DATABASE_POOL // 2
        _keeping += keeps
    return keeps


def _give_place_back() -> None:
    global _keeping  # noqa: PLW0603 - one number per process
    with _mutex:
        _keeping -= 1


def _begin_anew() -> None:
    """Count nobody: in a fork, no thread of the parent's is there."""
    global _keeping  # noqa: PLW0603 - one number per process
    _keeping = 0


os.register_at_fork(after_in_child=_begin_anew)
