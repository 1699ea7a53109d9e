"""The installations in which causes are planted, each looked at until its causes are named."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from clevertap_sync.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests.harness import commands
from tests.harness.environment import Kind
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.harness.stack import Stack
from tests.planted.person import NAME, OVERVIEW, PASSWORD, Page, Person

#: The least that the settings take: 3.6 seconds.
SOON: Final = "0.001"
#: The app with which all is well, wherever there is one.
WELL: Final = "well"


@dataclass(frozen=True)
class Build:
    """How an installation is built: what it runs on, and with which settings."""

    kind: Kind
    environment: dict[str, Any]
    broker: bool = False
    worker: bool = True


BUILDS: Final = {
    "patient": Build(
        "postgresql",
        {"PAUSE_HOURS": SOON, "ALERTS_TO_PRIVATE_ADDRESSES": "true"},
        broker=True,
    ),
    # Where an app is quiet so soon none is well for long: what is planted here is worse.
    "impatient": Build("sqlite", {"QUIET_HOURS": SOON}),
    "without a worker": Build("sqlite", {}, worker=False),
    "with a dead worker": Build("sqlite", {}),
}


@dataclass(frozen=True)
class Cause:
    """One misconfiguration: how it is planted, and what the product has to say to it.

    `fix` is where the link leads, with N for each number of the address. `count` is the
    finding's. `app` is the slug of the app that it is about, or None where it is the
    installation's.
    """

    name: str
    site: str
    plant: Callable[["Site", str], object]
    app: str | None
    code: str
    fix: str
    count: int | None


@dataclass(frozen=True)
class Named:
    """What the product said to a cause, and how long after it was planted."""

    seconds: float
    finding: dict[str, Any]
    #: The codes that stand before it in the same row.
    before: Sequence[str]
    #: The page to which the finding's link leads, and the place on it; "" is its top.
    page: Page
    place: str


class Site:
    """One installation. `plant` causes in it, then `wait_for` each to be named."""

    def __init__(self, build: Build, folder: Path) -> None:
        self.stack = Stack(
            build.kind, folder, broker=build.broker, warm=True, **build.environment
        )
        self.sandbox = self.stack.sandbox
        self.named: dict[Cause, Named] = {}
        #: What every look found of each app: its light, and the codes of its findings.
        self.seen: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._planted: dict[Cause, float] = {}
        self._failed: dict[Cause, Exception] = {}
        self._has_worker = build.worker

    def __enter__(self) -> Self:
        self.stack.__enter__()
        self.stack.web()
        if self._has_worker:
            self.worker = self.stack.worker()
        self.stack.manage(
            *("createsuperuser", "--no-input", "--username", NAME),
            *("--email", "ann@example.com"),
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        self.person = Person(self.stack.web_url)
        self.person.log_in()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    # What its people do

    def provision(
        self,
        app: str,
        *options: str,
        location: Location = Location.EU1,
        account_id: str = "",
        passcode: str = "",
        identity_provider: str = "email",
        **env: str,
    ) -> str:
        """Run `provision` with the right credentials, or others; return its warnings."""
        account = ACCOUNTS[location]
        done = commands.manage(
            *("provision", app, "--account-id", account_id or account.account_id),
            *("--identity-provider", identity_provider, "--location", location),
            *("--passcode-stdin", "--json", *options),
            env={**self.stack.env, **env},
            stdin=passcode or account.passcode,
            warm=True,
        )
        self.stack.keep_key(app, done.stdout)
        return done.stderr

    def send(
        self, app: str, events: Sequence[dict[str, Any]], *, refused: int = 0
    ) -> None:
        """POST events with the app's key, of which so many are to be refused."""
        answer = self.stack.post(events, app=app).json()
        taken = [each for each in answer["results"] if each["status"] == "accepted"]
        assert len(taken) == len(events) - refused, answer

    def address_of(self, app: str) -> str:
        """Return the address of the app's integration in the admin."""
        _, address = self.person.open(OVERVIEW).lights()[title_of(app)]
        return address.removesuffix("change/")

    def link_of(self, app: str, code: str) -> str:
        """Return where the link of a finding leads that is there already."""
        findings = self._findings(self.stack.status(), app)
        (url,) = (str(each["url"]) for each in findings if each["code"] == code)
        return url

    def delivered_of(self, app: str) -> list[str]:
        """Return the identities of the app's people whom CleverTap has in the usual place."""
        known = self.sandbox.counts(Location.EU1)
        return [who for who, _ in known if who.endswith(f"@{app}.example")]

    # Planting, and looking

    def plant(self, cause: Cause) -> None:
        """Plant a cause, and look what is named by then. What goes wrong is its test's."""
        try:
            cause.plant(self, cause.app or "")
        except Exception as error:  # noqa: BLE001 - `wait_for` raises it
            self._failed[cause] = error
        else:
            self._planted[cause] = time.monotonic()
            self.look()

    def wait_for(self, cause: Cause) -> Named:
        """Return how a cause is named, in `delivery_status` and on the overview alike."""
        if cause in self._failed:
            raise self._failed[cause]
        left = self._planted[cause] + PATIENCE_SECONDS - time.monotonic()
        with suppress(TimeoutError):
            wait_until(lambda: self._is_named(cause), max(0.0, left))
        assert cause in self.named, (
            f"Not named: {cause.name}. Instead, its row has "
            f"{self._findings(self.stack.status(), cause.app)}, and the overview "
            f"{self.person.open(OVERVIEW).lights().get(title_of(cause.app or ''))}."
        )
        return self.named[cause]

    def look(self) -> None:
        """Read `delivery_status` and the overview once, and note what is named by now."""
        rows, overview = self.stack.status(), self.person.open(OVERVIEW)
        at, lights = time.monotonic(), overview.lights()
        for row in rows:
            if colours := lights.get(title_of(row["app"] or "")):
                codes = (each["code"] for each in row["findings"])
                self.seen[row["app"]].add((colours[0], *codes))
        for cause, planted_at in self._planted.items():
            if cause not in self.named:
                self._note(cause, rows, overview, at - planted_at)

    def _is_named(self, cause: Cause) -> bool:
        """Say whether a cause is named by now, after one more look where it was not."""
        if cause not in self.named:
            self.look()
        return cause in self.named

    def _note(
        self, cause: Cause, rows: list[dict[str, Any]], overview: Page, seconds: float
    ) -> None:
        findings = self._findings(rows, cause.app)
        wanted = (cause.code, cause.count)
        before = []
        for finding in findings:
            if (finding["code"], finding["count"]) == wanted:
                break
            before.append(finding["code"])
        else:
            return
        if not _is_shown(overview, cause.app, finding):
            return
        page = self.person.open(finding["url"])
        place = urlsplit(finding["url"]).fragment
        self.named[cause] = Named(seconds, finding, before, page, place)

    def _findings(
        self, rows: list[dict[str, Any]], app: str | None
    ) -> list[dict[str, Any]]:
        return [
            finding for row in rows if row["app"] == app for finding in row["findings"]
        ]


def title_of(app: str) -> str:
    """Return what people call an app of which nobody said more than its short name."""
    return app.replace("-", " ").title()


def _is_shown(overview: Page, app: str | None, finding: dict[str, Any]) -> bool:
    """Say whether the overview links to the fix, and is not green there."""
    if app is None:
        return finding["url"] in overview.fixes()
    colour, _ = overview.lights()[title_of(app)]
    return colour in {"bad", "busy"} and finding["url"] in overview.links
