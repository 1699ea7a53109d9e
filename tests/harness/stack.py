"""The whole product as it runs in production, on a database of its own.

Web and worker run the Procfile's own commands, CleverTap is the sandbox, and the broker
is a real Valkey. What a test needs is started when it asks for it.
"""

import json
import re
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import Sandbox
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.store import Request
from tests.harness import commands, databases
from tests.harness.environment import Kind
from tests.harness.nursery import nursery
from tests.harness.process import (
    PATIENCE_SECONDS,
    Process,
    free_port,
    listening,
    wait_until,
)
from tests.harness.valkey import Valkey

EVERYWHERE: Final = "0.0.0.0"
HERE: Final = "127.0.0.1"
#: Pauses of production, made short.
QUICK: Final = {
    "SWEEP_SECONDS": "0.5",
    "FIRST_HOLD_SECONDS": "0.1",
    "LONGEST_HOLD_SECONDS": "2",
}
#: For a web process that lets nobody go for being slow; see `tests.harness.patient_server`.
PATIENT: Final = {"GUNICORN_CMD_ARGS": "--config python:tests.harness.patient_server"}
#: Becomes the command that follows, which has the socket of this number as its third file.
HAND_OVER: Final = """
import os, sys
number, *command = sys.argv[1:]
os.dup2(int(number), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execvp(command[0], command)
"""
#: Nothing that any integration has not handed over, and nothing handed over but unsettled.
UNSETTLED: Final = """
    SELECT (SELECT count(*) FROM clevertap_sync_upload WHERE state = 'open')
        + (SELECT count(*) FROM clevertap_sync_integration i
           WHERE i.enabled AND i.cursor < coalesce(
             (SELECT max(position) FROM referrals_referralevent e
              WHERE e.app_id = i.app_id), 0))
"""

CONFIRMED: Final = """
    UPDATE clevertap_sync_integration SET identities_confirmed_at = CURRENT_TIMESTAMP
    WHERE identities_confirmed_at IS NULL
"""


class Stack:
    """Processes that share a database, a broker and a sandbox. `close` ends them all.

    `environment` holds for every process; each may have more of its own. Without a
    `broker`, REDIS_URL is unset and the sweep alone delivers. `warm` processes and
    commands are forks of one that has its libraries, for who starts many; `cold_worker`
    is none.
    """

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        *,
        broker: bool = True,
        database: databases.Database | None = None,
        warm: bool = False,
        **environment: str,
    ) -> None:
        self.kind = kind
        self.folder = folder
        #: What CleverTap stored, upload by upload: it has a line before the answer goes.
        self.ledger = folder / "ledger.jsonl"
        self.sandbox = Sandbox(ledger=self.ledger)
        self.database = database or databases.fresh(kind, folder)
        self.broker = Valkey() if broker else None
        self.processes: list[Process] = []
        self.keys: dict[str, str] = {}
        self.web_url = ""
        #: The copy of the repository whose processes are started. None but today's is warm.
        self.checkout = commands.TODAY
        #: The socket that web processes take over, where the platform holds it for them.
        self.listener: socket.socket | None = None
        self._warm = warm
        self.env = commands.production(
            **{
                "DATABASE_URL": self.database.url,
                "CLEVERTAP_BASE_URL": self.sandbox.template,
                "WEB_CONCURRENCY": "1",
                "REDIS_URL": self.broker.url if self.broker else "",
                **QUICK,
                **environment,
            }
        )

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Processes

    def worker(self, **env: str) -> Process:
        """Start one more worker, and return it as soon as it runs."""
        return self._start("worker", env)

    def cold_worker(self, **env: str) -> Process:
        """Start one more worker by a shell, as a platform does."""
        return self._start("worker", env, warm=False)

    def cold_web(self, **env: str) -> Process:
        """Start the web process by a shell, as a platform does."""
        return self._wait_for_web(self._web(env, warm=False))

    def web(self, **env: str) -> Process:
        """Start the web process. From then on `web_url` is its address."""
        process = self._web(env)
        return self._wait_for_web(process)

    def start(self) -> tuple[Process, Process]:
        """Start web and one worker, and provision the app "shop", all at once."""
        web, worker = self._web({}), self.worker()
        self.provision()
        return self._wait_for_web(web), worker

    def manage(
        self, *arguments: str, stdin: str = "", check: bool = True, **env: str
    ) -> str:
        """Run a management command, and return what it printed."""
        done = commands.manage(
            *arguments,
            env={**self.env, **env},
            stdin=stdin,
            check=check,
            warm=self._is_warm,
            checkout=self.checkout,
        )
        return done.stdout

    # What a person does

    def provision(
        self,
        app: str = "shop",
        *options: str,
        location: Location = Location.EU1,
        identity_provider: str = "email",
    ) -> dict[str, Any]:
        """Make an app with a key and an enabled integration, as infrastructure does.

        `post` then finds the key by the app's name.
        """
        account = ACCOUNTS[location]
        output = self.manage(
            *("provision", app, "--account-id", account.account_id),
            *("--identity-provider", identity_provider, "--location", location),
            *("--passcode-stdin", "--enable", "--json", *options),
            stdin=account.passcode,
        )
        # Whether CleverTap knows the first people is the canary's question, with requests
        # of its own: a person who has looked answers it.
        self.database.execute(CONFIRMED)
        return self.keep_key(app, output)

    def keep_key(self, app: str, output: str) -> dict[str, Any]:
        """Read what `provision --json` printed. `post` then finds the key by the app's name."""
        provisioned: dict[str, Any] = json.loads(output)
        if "api_key" in provisioned:
            self.keys[app] = provisioned["api_key"]
        return provisioned

    def post(
        self,
        events: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        app: str = "shop",
        query: str = "",
    ) -> requests.Response:
        """POST one event, or a list of them, over real HTTP."""
        body = events if isinstance(events, Mapping) else {"events": list(events)}
        return requests.post(
            f"{self.web_url}/v1/events{query}",
            json=body,
            headers={"Authorization": f"Bearer {self.keys[app]}"},
            timeout=PATIENCE_SECONDS,
        )

    # What became of it

    def status(self) -> list[dict[str, Any]]:
        """Return `delivery_status --json`, balanced or not."""
        output = self.manage("delivery_status", "--json", check=False)
        status: list[dict[str, Any]] = json.loads(output)
        return status

    def uploads(self) -> list[Request]:
        """Return the uploads that CleverTap got, answered or not, without dry runs."""
        return [request for request in self.sandbox.requests() if not request.dry_run]

    def is_settled(self) -> bool:
        """Say whether every event went to an upload, and every upload has its verdicts."""
        return self.database.rows(UNSETTLED) == [(0,)]

    def wait_until_settled(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once everything that was accepted is delivered or a dead letter."""
        wait_until(self.is_settled, seconds)

    wait_until = staticmethod(wait_until)

    def logs(self) -> str:
        """Return what every process printed, one after the other."""
        return "\n".join(
            f"--- {process.log_path.stem} ({process.pid})\n{process.log}"
            for process in self.processes
        )

    def close(self) -> None:
        """End every process, and remove the database. The logs stay in the folder."""
        for process in reversed(self.processes):
            process.stop()
        if self.broker:
            self.broker.stop()
        self.sandbox.__exit__(None, None, None)
        self.database.drop()

    @property
    def _is_warm(self) -> bool:
        return self._warm and self.checkout == commands.TODAY

    def _web(self, env: Mapping[str, str], *, warm: bool | None = None) -> Process:
        if self.listener:
            self._port = self.listener.getsockname()[1]
        else:
            self._port = free_port()
        return self._start("web", {"PORT": str(self._port), **env}, warm=warm)

    def _wait_for_web(self, process: Process) -> Process:
        process.wait_until_ready(listening(self._port))
        self.web_url = f"http://{HERE}:{self._port}"
        return process

    def _start(
        self, name: str, env: Mapping[str, str], *, warm: bool | None = None
    ) -> Process:
        number = len(self.processes) + 1
        # A platform listens to the world, a test to its own machine.
        command = self.checkout.read_procfile()[name].replace(EVERYWHERE, HERE)
        log = self.folder / f"{number}-{name}.log"
        env = {**self.env, **self.checkout.environment(), **env}
        if self._is_warm if warm is None else warm:
            process = _fork(command, env, log)
        else:
            shell = shutil.which("sh") or "/bin/sh"
            held = self.listener if name == "web" else None
            process = Process(
                [*_hand_over(held), shell, "-c", f"exec {command}"],
                log=log,
                env=env,
                cwd=self.checkout.root,
                pass_fds=[held.fileno()] if held else (),
            )
        self.processes.append(process)
        return process


def _hand_over(listener: socket.socket | None) -> list[str]:
    """Return what a command begins with that finds the listener as systemd hands it over.

    Reference: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    if listener is None:
        return []
    return [sys.executable, "-c", HAND_OVER, str(listener.fileno())]


def _fork(command: str, env: Mapping[str, str], log: Path) -> Process:
    command = _with_values(command, env)
    arguments = shlex.split(command)
    fork = nursery().start(arguments, env=env, cwd=commands.ROOT, log=log)
    return Process(arguments, log=log, started=fork)


def _with_values(command: str, env: Mapping[str, str]) -> str:
    """Put values in place of `$NAME` and `${NAME:-default}`, as the shell does."""
    return re.sub(
        r"\$\{(\w+):-([^}]*)\}|\$(\w+)",
        lambda m: env.get(m[1] or m[3], "") or m[2] or "",
        command,
    )
