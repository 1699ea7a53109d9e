"""This service as it runs in production: the Procfile's processes, default settings."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ground import Ground
from benchmarks.load import HERE
from benchmarks.system import System, programs
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.harness import commands, databases

EVERYWHERE = "0.0.0.0"
#: What is not settled yet: uploads under way, and events that no upload has.
UNSETTLED = """
    SELECT (SELECT count(*) FROM clevertap_sync_upload WHERE state = 'open')
        + (SELECT count(*) FROM clevertap_sync_integration i WHERE i.cursor < coalesce(
             (SELECT max(position) FROM referrals_referralevent e
              WHERE e.app_id = i.app_id), 0))
"""
_TALLY = """
from clevertap_sync.delivery.upkeep import tallies
tallies.add_up_tallies(worthwhile=1)
"""


class Ours(System):
    """Web, worker, PostgreSQL and Valkey; `embedded` has SQLite in place of PostgreSQL."""

    name = "this service"

    def __init__(
        self, ground: Ground, *, broker: bool = True, embedded: bool = False
    ) -> None:
        self._kind = "sqlite" if embedded else "postgresql"
        super().__init__(ground, broker=broker)
        self._provision()

    def make_database(self) -> str:
        """Make a migrated database."""
        if self._kind == "sqlite":
            folder = self.ground.folder / f"embedded-{self.port}"
            folder.mkdir()
            self._store: databases.Database = databases.fresh("sqlite", folder)
            return ""
        made = databases.PostgreSQL(self.ground.server)
        self._store = made
        return made.name

    def drop_database(self) -> None:
        """Remove the database."""
        self._store.drop()

    def environment(self) -> dict[str, str]:
        """Return what the platform would set, and nothing more."""
        return {
            "PATH": programs(),
            "PORT": str(self.port),
            "DATABASE_URL": self._store.url,
            "REDIS_URL": self.broker.url if self.broker else "",
            "CLEVERTAP_BASE_URL": self.ground.sink.template,
        }

    def web_command(self) -> Sequence[str | Path]:
        """Return the Procfile's command, on this machine only."""
        return self._command("web")

    def worker_command(self) -> Sequence[str | Path]:
        """Return the Procfile's command."""
        return self._command("worker")

    def python(self, module: str, *arguments: str) -> Sequence[str]:
        """Return what runs a module of ours in the system's environment."""
        return [sys.executable, "-m", module, *arguments]

    def allow_in_flight(self, count: int) -> None:
        """Set the account's limit, as a person does in the admin."""
        self.ask(
            f"UPDATE clevertap_sync_account SET in_flight_limit = {count}, "
            f"current_limit = {count}"
        )

    def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        """Return what a query finds, on either database."""
        return self._store.rows(query)

    def is_settled(self) -> bool:
        """Say whether every event has its verdicts."""
        return list(self.rows(UNSETTLED)) == [(0,)]

    def tally(self) -> None:
        """Add up what was delivered, to the last upload."""
        commands.manage("shell", "-v", "0", "-c", _TALLY, env=self.env)

    def _command(self, name: str) -> Sequence[str]:
        shell = shutil.which("sh") or "/bin/sh"
        command = commands.procfile()[name].replace(EVERYWHERE, HERE)
        return [shell, "-c", f"exec {command}"]

    def _provision(self) -> None:
        account = ACCOUNTS[Location.EU1]
        done = commands.manage(
            *("provision", "shop", "--account-id", account.account_id),
            *("--identity-provider", "email", "--location", Location.EU1),
            *("--passcode-stdin", "--enable", "--json"),
            env=self.env,
            stdin=account.passcode,
        )
        self.key = json.loads(done.stdout)["api_key"]
