"""Where scenarios happen: one database, sandbox, broker and web process for many of them.

Starting these takes longer than most scenarios. Each scenario is an app of its own in
there, with an integration, so that nothing of one is in the books of another.
"""

import itertools
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import OperationalError, connections
from django.db.models import F
from psycopg.errors import DeadlockDetected

from clevertap_sync.models import (
    Account,
    AccountReading,
    Comparison,
    FirstSight,
    Integration,
    Statement,
    Upload,
)
from clevertap_sync.process import clock
from integration_project.databases import read_database_url
from tests.harness import databases
from tests.harness.django_connections import make_connection
from tests.harness.environment import Kind
from tests.harness.postgres import PostgreSQL
from tests.harness.process import Process, temporary_folder
from tests.harness.stack import Stack

#: Pauses of production, made short. What has to come in time is given all the time that it
#: may need: a scenario that is about a deadline or a lease says which (`HASTY`).
QUICK: Final[Mapping[str, Any]] = {
    "SWEEP_SECONDS": "0.5",
    "FIRST_HOLD_SECONDS": "0.05",
    "LONGEST_HOLD_SECONDS": "0.5",
    "REQUEST_SECONDS": "60",
    "LEASE_SECONDS": "75",
}
#: For a worker whose requests meet their deadline, or whose leases end by themselves.
HASTY: Final[Mapping[str, str]] = {"REQUEST_SECONDS": "1.2", "LEASE_SECONDS": "2.4"}


class Ground:
    """The parts that scenarios share, on one kind of database. `close` ends them."""

    def __init__(
        self,
        kind: Kind,
        blocker: Any,
        *,
        server: PostgreSQL | None = None,
    ) -> None:
        self.kind = kind
        #: The PostgreSQL that is this ground's alone, where it has one.
        self.server = server
        self._blocker = blocker
        self._numbers = itertools.count(1)
        self._shared: Process | None = None
        folder = temporary_folder("faults")
        database = databases.PostgreSQL(server) if server else None
        self.stack = Stack(kind, folder, database=database, warm=True, **QUICK)
        self.stack.__enter__()
        self._thread = threading.get_ident()
        self._connection = _make_connection(self.stack.database.url)
        _grounds.append(self)

    def close(self) -> None:
        """End every process, and remove the database."""
        _grounds.remove(self)
        for process in self.stack.processes:
            process.kill()
        self._connection.close()
        self.stack.close()

    def django(self) -> AbstractContextManager[None]:
        """Let Django in this process use the ground's database, as one more process.

        The thread of the ground keeps its connection to PostgreSQL: to make one costs the
        server more than most of what is asked. One to SQLite would keep the file open.
        """
        if (
            self.kind == "sqlite"
            or threading.get_ident() != self._thread
            or self._connection.in_atomic_block
        ):
            return use_database(self.stack.database.url, self._blocker)
        return _use_connection(self._connection, self._blocker)

    def number(self) -> int:
        """Return a number that no other scenario here has."""
        return next(self._numbers)

    # Processes

    def ensure_web(self) -> None:
        """Start the web process where none runs."""
        if not self._running("web"):
            self.stack.web()

    def web(self, **env: str) -> Process:
        """Start a web process in place of the one that runs."""
        self.end_web()
        return self.another_web(**env)

    def another_web(self, **env: str) -> Process:
        """Start one more web process; `stack.web_url` then leads to it."""
        if "FAILPOINTS" in env:
            env = {"DEBUG": "true", **env}
        return self.stack.web(**env)

    def running_web(self) -> Process:
        """Return the web process that runs."""
        return self._running("web")[-1]

    def running_workers(self) -> list[Process]:
        """Return the workers that run, the one that scenarios share among them."""
        return self._running("worker")

    def end_web(self) -> None:
        """Kill the web process."""
        for process in self._running("web"):
            process.kill()

    def _running(self, name: str) -> list[Process]:
        found = [p for p in self.stack.processes if p.log_path.stem.endswith(name)]
        return [process for process in found if process.returncode is None]

    def worker(self, **env: str) -> Process:
        """Start one more worker. FAILPOINTS need DEBUG."""
        if "FAILPOINTS" in env:
            env = {"DEBUG": "true", **env}
        return self.stack.worker(**env)

    def shared_worker(self) -> Process:
        """Return the worker that scenarios share one after the other, and start it."""
        if self._shared is None or self._shared.returncode is not None:
            self._shared = self.stack.worker()
        return self._shared

    def end_shared_worker(self) -> None:
        """Kill the worker that scenarios share."""
        if self._shared is not None:
            self._shared.kill()

    def end_workers_of_others(self) -> None:
        """Kill what scenarios share on other grounds: it would sweep on for nobody."""
        for ground in _grounds:
            if ground is not self:
                ground.end_shared_worker()

    def rest(self, *, share: bool = False) -> None:
        """Kill every worker, thaw what is frozen, and start a broker that has ended.

        With `share`, the worker that scenarios share runs on.
        """
        for process in self._running("worker"):
            if not (share and process is self._shared):
                process.kill()
        broker = self.stack.broker
        for process in [*self.stack.processes, *([broker.process] if broker else [])]:
            if process.returncode is None:
                process.thaw()
        if broker and broker.process.returncode is not None:
            broker.start()

    def forget(self) -> None:
        """Pause the integrations of scenarios that are over; give the accounts their limit.

        What was read of the accounts is forgotten, as CleverTap forgets what arrived.
        """
        self.expire_leases()
        with self.django():
            start_over_where_deadlocked(_forget_rows)

    def expire_leases(self) -> None:
        """Let every lease end now, as if its time had passed.

        For who has killed, frozen or cut off every worker that held one.
        """
        with self.django():
            start_over_where_deadlocked(_expire_leases)


def _forget_rows() -> None:
    Integration.objects.update(enabled=False, reconciles=False)
    for read in (Statement, Comparison, FirstSight, AccountReading):
        read.objects.all().delete()
    Account.objects.update(current_limit=F("in_flight_limit"), limit_changed_at=None)


def _expire_leases() -> None:
    past = clock.read_now() - timedelta(seconds=1)
    Upload.objects.exclude(leased_until=None).update(leased_until=past)
    Integration.objects.exclude(probe_leased_until=None).update(probe_leased_until=past)
    AccountReading.objects.exclude(leased_until=None).update(leased_until=past)


def start_over_where_deadlocked(change: Callable[[], None]) -> None:
    """Call `change`, which may be called twice, until no deadlock ends it.

    It writes the rows of all scenarios in an order of its own, which a worker at work
    does not keep. Where they meet, PostgreSQL ends one of the two; jobs start over as well.
    """
    while True:
        try:
            return change()
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise


@contextmanager
def use_database(url: str, blocker: Any) -> Iterator[None]:
    """Let Django in this process use the database at `url`, as one more process."""
    ours = _make_connection(url)
    try:
        with _use_connection(ours, blocker):
            yield
    finally:
        ours.close()


def _make_connection(url: str) -> Any:
    """Return a connection of Django's that is made when first needed, and anew where it broke."""
    kept = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
    return make_connection({**read_database_url(url, pool=0), **kept})


@contextmanager
def _use_connection(ours: Any, blocker: Any) -> Iterator[None]:
    before = connections["default"]
    connections["default"] = ours
    try:
        with blocker.unblock():
            # One that was kept is looked at first: its server may have been restarted.
            ours.close_if_unusable_or_obsolete()
            yield
    finally:
        connections["default"] = before


def ended_by_kill(process: Process) -> bool:
    """Wait until the process ends, and say whether SIGKILL ended it."""
    with suppress(ProcessLookupError):
        return process.wait() == -signal.SIGKILL
    pytest.fail("There was no such process.")


#: Those of this process that have not been closed.
_grounds: Final[list[Ground]] = []
