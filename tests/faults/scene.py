"""One scenario: an app with an integration, its backend, and what became of it all."""

import copy
import functools
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

from clevertap_sync import insight
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Integration
from tests.builders import an_account, an_api_key, an_app, an_integration
from tests.faults import oracle, readback
from tests.faults.evidence import Evidence, Stored, gather, ledger
from tests.faults.expected import KEY, LOOSE
from tests.faults.ground import Ground, ended_by_kill
from tests.faults.load import Backend, Load
from tests.faults.oracle import Allowed
from tests.faults.report import REPORT
from tests.harness import commands
from tests.harness.process import PATIENCE_SECONDS, Process, wait_until

PAUSE_SECONDS: Final = 0.1
WAITING: Final = """
    SELECT (SELECT count(*) FROM clevertap_sync_upload
            WHERE state = 'open' AND integration_id = {integration})
        + (SELECT count(*) FROM clevertap_sync_integration i
           WHERE i.id = {integration} AND i.cursor < coalesce(
             (SELECT max(position) FROM referrals_referralevent e
              WHERE e.app_id = i.app_id), 0))
        + (SELECT count(*) FROM clevertap_sync_attempt
           WHERE ended_at IS NULL AND integration_id = {integration})
        + (SELECT count(*) FROM clevertap_sync_integration
           WHERE hold_reason <> '' AND id = {integration})
        + (SELECT count(*) FROM clevertap_sync_replay
           WHERE state = 'running' AND integration_id = {integration})
        + (SELECT count(*) FROM clevertap_sync_waitingrecord
           WHERE (fresh OR matched IS NOT NULL) AND integration_id = {integration})
        + (SELECT count(*) FROM referrals_peopleprogress p
           WHERE p.app_id = {app} AND p.cursor < coalesce(
             (SELECT max(position) FROM referrals_referralevent e
              WHERE e.app_id = p.app_id), 0))
"""


class Scene:
    """An app of its own on a ground that it shares with other scenarios.

    The scenario begins with it, unless it stands `beside` one that has begun.
    """

    def __init__(
        self,
        ground: Ground,
        name: str,
        *,
        location: Location = Location.EU1,
        beside: "Scene | None" = None,
    ) -> None:
        self.ground = ground
        self.name = name
        self.location = location
        self.stack = ground.stack
        self.sandbox = ground.stack.sandbox
        self._healed_at: float | None = None
        self._recovered: float | None = None
        self._sent = False
        if beside is None:
            ground.end_workers_of_others()
            ground.rest(share=True)
            ground.forget()
            self.sandbox.reset()
        self._ledger_from = _size(self.stack.ledger)
        with ground.django():
            self.app = an_app(f"app-{ground.number()}")
            account = an_account(location)
            # A question would meet what is ordered for an upload.
            readback.keep_workers_from_reading(account)
            self.integration = an_integration(
                self.app, account=account, location=location, reconciles=True
            )
            key = an_api_key(self.app)
        #: Identities that were erased, and when that had ended.
        self.forgotten: dict[str, float] = {}
        self._has_shared_worker = beside is not None
        self.backend = Backend(self.app.slug, key, before=self._be_alone)

    def of(self, integration: Integration, location: Location) -> "Scene":
        """Return the same scenario, seen from another integration of the app."""
        other = copy.copy(self)
        other.integration, other.location, other.name = integration, location, ""
        return other

    # Processes

    def web(self) -> None:
        """Start the web process where none runs."""
        self.ground.ensure_web()

    def worker(self) -> Process:
        """Let a worker run: the one that scenarios share, unless events were sent before.

        To kill or to freeze it is fine: the next scenario gets another one.
        """
        if self._sent or self._has_shared_worker:
            return self.new_worker()
        self._has_shared_worker = True
        return self.ground.shared_worker()

    def new_worker(self, **env: str) -> Process:
        """Start one more worker, with variables of its own."""
        return self.ground.worker(**env)

    def _be_alone(self) -> None:
        """Before the first event, end a worker that this scenario has not asked for."""
        if not (self._sent or self._has_shared_worker):
            self.ground.end_shared_worker()
        self._sent = True

    def doomed(self, orders: str, **env: str) -> Process:
        """Start one more worker, for which a fault is ordered."""
        return self.ground.worker(FAILPOINTS=orders, **env)

    def is_killed(self, worker: Process) -> bool:
        """Wait until a doomed worker is killed, and let the leases end that it leaves.

        No other worker may run. False: something else ended it.
        """
        killed = ended_by_kill(worker)
        self.ground.expire_leases()
        return killed

    def manage(self, *arguments: str, **env: str) -> CompletedProcess[str]:
        """Run a command in the product; return the finished process, however it ended."""
        env = {**self.stack.env, "REDIS_URL": "", **env}
        return commands.manage(*arguments, env=env, check=False, warm=True)

    # What happens

    def send(self, count: int, **changes: Any) -> None:
        """Let the backend send events, and fail unless all are accepted."""
        self.web()
        events = self.backend.events(count, **changes)
        for start in range(0, count, 500):
            piece = events[start : start + 500]
            self.wait_until(functools.partial(self._post, piece))

    def let_workers_compare(self) -> None:
        """Let workers ask CleverTap what it counts, and compare the days before today."""
        self.sandbox.show_at_once(self.location)
        with self.ground.django():
            readback.let_workers_compare(self.integration.account)

    def learn_of_people(self) -> None:
        """Let records wait for who is known by a loose ID as yet."""
        with self.ground.django():
            self.app.loose_ids = [LOOSE]
            self.app.save()

    def install(self, *whose: str, **changes: Any) -> None:
        """Send an install of each device, whose user nobody invited."""
        for device in whose:
            self.send(1, **self.describe_install(device), **changes)

    def link(self, *pairs: tuple[str, str]) -> None:
        """Say of (device, person) that the one is the other's."""
        for device, person in pairs:
            self.send(1, **self.describe_link(device, person))

    def describe_install(self, device: str) -> dict[str, Any]:
        """Return what makes an event an install of a device, by nobody's invitation."""
        user = {"identities": {LOOSE: self._name("device", device)}}
        return {"user": user, "referrer": None, "via": "smart_link"}

    def describe_link(self, device: str, person: str) -> dict[str, Any]:
        """Return what makes an event say of a device that it is a person's."""
        known = {LOOSE: self._name("device", device), KEY: self.address_of(person)}
        nothing_else = dict.fromkeys(("referrer", "channel", "content"))
        return {"type": "identify", "user": {"identities": known}, **nothing_else}

    def address_of(self, person: str) -> str:
        """Return the address by which CleverTap knows a person of this scenario."""
        return self._name("user", f"{person}@example.com")

    def _name(self, kind: str, name: str) -> str:
        return f"{kind}-{self.app.slug}-{name}"

    def _post(self, events: list[dict[str, Any]]) -> bool:
        return self.backend.post(self.stack.web_url, events) == 202

    def load(self, **options: Any) -> Load:
        """Return a load of many small requests, to be entered."""
        self._be_alone()
        self.web()
        return Load(self.backend, lambda: self.stack.web_url, **options)

    def heal(self) -> None:
        """Note that from now on nothing is broken any more."""
        self._healed_at = time.monotonic()

    def settle(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until everything has its verdict, and CleverTap has nothing under way."""
        began = self._healed_at or time.monotonic()
        wait_until(self.is_settled, seconds)
        self._recovered = time.monotonic() - began

    def is_settled(self) -> bool:
        """Say whether nothing waits any more, neither here nor at CleverTap."""
        quiet = all(
            request.seconds is not None
            for request in self.sandbox.requests(self.location)
        )
        return quiet and self.has_verdicts()

    def has_verdicts(self) -> bool:
        """Say whether nothing waits any more here, whatever CleverTap still does."""
        time.sleep(PAUSE_SECONDS)
        query = WAITING.format(integration=self.integration.pk, app=self.app.pk)
        return self.stack.database.rows(query) == [(0,)]

    def behave_for_a_patient_worker(self, hasty: Process) -> None:
        """Mend CleverTap, and let a worker that waits for answers take a hasty one's place."""
        hasty.kill()
        self.ground.expire_leases()
        self.sandbox.behave()
        self.sandbox.release()
        self.worker()

    # What became of it

    def evidence(self) -> Evidence:
        """Gather what the scenario left behind."""
        with self.ground.django():
            return gather(
                self.integration.pk,
                sent=self.backend.sent,
                accepted=self.backend.accepted,
                stored=self.stored(),
                forgotten=self.forgotten,
            )

    def stored(self) -> list[Stored]:
        """Return what CleverTap stored of this scenario's app."""
        found = ledger(
            self.stack.ledger, start=self._ledger_from, location=self.location.value
        )
        # Another app may share the account. Whose a record is, its identity says.
        mine = f"-{self.app.slug}-"
        return [stored for stored in found if any(mine in r for r in stored.records)]

    def check(self, allowed: Allowed | None = None) -> Evidence:
        """Ask the oracle, and write the line of the report. Returns the evidence."""
        found = self.evidence()
        problems = oracle.problems(found, allowed)
        assert not problems, "\n".join(problems)
        assert self.backend.silent_refusals == 0
        self.report(found)
        return found

    def read_back(self) -> list[str]:
        """Return a sentence for each name and day of which CleverTap counts something else."""
        self.sandbox.show_at_once(self.location)
        with self.ground.django():
            return readback.find_differences(
                self.integration.account, self.sandbox.template
            )

    def settle_and_check(self, allowed: Allowed | None = None) -> Evidence:
        """Wait until all is quiet, and ask the oracle."""
        self.settle()
        return self.check(allowed)

    def report(self, found: Evidence) -> None:
        """Write what the scenario came to, where somebody asks for it."""
        path = os.environ.get(REPORT)
        if not path or not self.name:
            return
        line = {
            "scenario": self.name,
            "database": self.ground.kind,
            "events": len(found.log),
            "lost": oracle.lost(found),
            "repeats": oracle.repeats(found),
            "seconds": round(self._recovered or 0.0, 1),
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def uploads(self) -> list[Any]:
        """Return the requests that brought records to CleverTap, dry runs left out."""
        return [request for request in self.requests() if not request.dry_run]

    def requests(self) -> list[Any]:
        """Return the requests to upload, dry runs among them. Workers ask other things, too."""
        requests = self.sandbox.requests(self.location)
        return [request for request in requests if request.path.endswith("/upload")]

    def uploads_on_their_way(self) -> list[int]:
        """Return the uploads, by ID, whose attempt was begun and has not ended."""
        query = f"""
            SELECT DISTINCT upload_id FROM clevertap_sync_attempt
            WHERE ended_at IS NULL AND upload_id IS NOT NULL
                AND integration_id = {self.integration.pk}
        """
        return [number for (number,) in self.stack.database.rows(query)]

    def is_open(self, upload_id: int) -> bool:
        """Say whether an upload has not got its verdicts, and is not replaced by parts."""
        query = f"SELECT state FROM clevertap_sync_upload WHERE id = {upload_id}"
        return self.stack.database.rows(query) == [("open",)]

    def dead_letters(self) -> dict[str, int]:
        """Return how many dead letters there are for each reason."""
        with self.ground.django(), insight.read_in_snapshot():
            found = insight.read_status(self.integration).as_json()
        return dict(found["dead_letters"])

    def refresh(self) -> Integration:
        """Return the integration as it is now."""
        with self.ground.django():
            self.integration.refresh_from_db()
        return self.integration

    def wait_for_hold(self, reason: str) -> None:
        """Wait until the integration is held for this reason."""
        wait_until(lambda: self.refresh().hold_reason == reason, PATIENCE_SECONDS)

    def wait_until(self, condition: Any) -> None:
        """Wait until `condition()` holds."""
        wait_until(condition, PATIENCE_SECONDS)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
