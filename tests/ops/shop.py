"""A shop whose product runs as on a server of one's own: the platform holds the socket.

Its backend sends all the time. The books, and the ledger of CleverTap, say in the end what
became of it: `tests.faults.oracle`.
"""

import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.faults import oracle
from tests.faults.evidence import Evidence, Stored, gather, ledger
from tests.faults.ground import use_database
from tests.faults.load import Backend, Load
from tests.faults.scene import WAITING
from tests.harness import databases
from tests.harness.commands import Checkout
from tests.harness.environment import Kind
from tests.harness.process import PATIENCE_SECONDS, Process
from tests.harness.stack import HERE, Stack

#: Longer than any restart: callers wait in the socket's queue meanwhile.
QUEUE: Final = 512
APP: Final = "shop"
ACCEPTED: Final = 202
STARTED: Final = {"web": "Booting worker", "worker": "ready."}
SERVED: Final = {"web": '"status": 202', "worker": '"logger": "clevertap_sync.attempt"'}


class Shop:
    """One app with its integration, its backend and its processes, from nothing on."""

    def __init__(
        self, kind: Kind, folder: Path, blocker: Any, checkout: Checkout, **env: Any
    ) -> None:
        self._blocker = blocker
        database = databases.fresh(kind, folder, is_migrated=False)
        self.stack = Stack(kind, folder, database=database, warm=True, **env)
        self.stack.checkout = checkout
        self.stack.listener = socket.create_server((HERE, 0), backlog=QUEUE)
        self.stack.__enter__()

    def open(self) -> None:
        """Migrate the empty database, and provision the app."""
        self.stack.manage("migrate", "--no-input")
        self.stack.provision(APP)
        [(self.app_id, self.integration_id)] = self.stack.database.rows(
            "SELECT app_id, id FROM clevertap_sync_integration"
        )
        self.backend = Backend(APP, self.stack.keys[APP])

    def close(self) -> None:
        """End every process, and remove the database."""
        self.stack.close()
        assert self.stack.listener is not None
        self.stack.listener.close()

    # Processes

    def start(self) -> tuple[Process, Process]:
        """Start web and worker of the checkout, both at once, and return them once they work."""
        # A warm one could not take the socket over.
        web, worker = self.stack._web({}, warm=False), self.stack.worker()
        for name, process in (("web", web), ("worker", worker)):
            process.wait_until_ready(partial(says, process, STARTED[name]))
        self.stack._wait_for_web(web)
        return web, worker

    def end(self, *processes: Process) -> list[int]:
        """Send SIGTERM to all of them, and return how they ended."""
        for process in processes:
            process.send(signal.SIGTERM)
        return [process.wait() for process in processes]

    def wait_until_at_work(self, *processes: Process, times: int = 3) -> None:
        """Wait until each has served, or sent, so often more from now on."""
        for process in processes:
            said = SERVED["worker" if "worker" in process.log_path.stem else "web"]
            times_before = process.log.count(said)
            self.stack.wait_until(partial(says, process, said, times_before + times))

    def wait_until_accepted(self, count: int = 5) -> None:
        """Wait until so many requests more have been accepted."""
        before = self.backend.statuses[ACCEPTED]
        self.stack.wait_until(lambda: self.backend.statuses[ACCEPTED] >= before + count)

    def send(self, count: int) -> None:
        """Let the backend send new events, and fail unless all are accepted."""
        events = self.backend.events(count)
        assert self.backend.post(self.stack.web_url, events) == ACCEPTED

    def load(self) -> Load:
        """Return a load of small requests, to be entered."""
        return Load(
            self.backend,
            lambda: self.stack.web_url,
            threads=2,
            size=10,
            pause=0.2,
            # Whoever waits in the socket's queue waits for a whole start.
            seconds=PATIENCE_SECONDS,
        )

    # What became of it

    def settle(self) -> None:
        """Wait until everything has its verdict."""
        query = WAITING.format(integration=self.integration_id, app=self.app_id)
        self.stack.wait_until(lambda: self.stack.database.rows(query) == [(0,)])

    def read_ledger(self) -> list[Stored]:
        """Return what CleverTap has stored."""
        return ledger(self.stack.ledger)

    def evidence(self) -> Evidence:
        """Gather what was left behind. The schema has to be today's."""
        with use_database(self.stack.database.url, self._blocker):
            return gather(
                self.integration_id,
                sent=self.backend.sent,
                accepted=self.backend.accepted,
                stored=self.read_ledger(),
            )

    def check(self) -> Evidence:
        """Ask the oracle, and return the evidence."""
        self.settle()
        found = self.evidence()
        problems = oracle.problems(found)
        assert not problems, "\n".join(problems)
        return found


def says(process: Process, said: str, times: int = 1) -> bool:
    """Say whether a process has printed something so often."""
    return process.log.count(said) >= times
