"""The installations in which causes are planted, each looked at until its causes are named."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from clevertap_sync.clevertap.locations import Location
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
_NUMBER: Final = re.compile(r"(?<=[/=])\d+")


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
        {"PAUSE_HOURS": SOON},
        broker=True,
    ),
    # Where an app is quiet so soon none is well for long: what is planted here is worse.
    "impatient": Build("sqlite", {"QUIET_HOURS": SOON}),
    "without a worker": Build(
        "sqlite", {"ALERTS_TO_PRIVATE_ADDRESSES": "true"}, worker=False
    ),
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
    #: Where the finding's link leads.
    page: Page


class Site:
    """One installation. `plant` causes in it, then `wait_for` each to be named."""

    def __init__(self, build: Build, folder: Path) -> None:
        self.stack = Stack(
            build.kind, folder, broker=build.broker, warm=True, **build.environment
        )
        self.sandbox = self.stack.sandbox
        self.named: dict[Cause, Named] = {}
        #: Each colour that the overview ever had for an app, by what people call the app.
        self.colours: defaultdict[str, set[str]] = defaultdict(set)
        self._first_shown: dict[str, float] = {}
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
        findings = self.findings_of(app)
        (url,) = (str(each["url"]) for each in findings if each["code"] == code)
        return url

    def delivered_of(self, app: str) -> list[str]:
        """Return the identities of the app's people whom CleverTap has in the usual place."""
        known = self.sandbox.counts(Location.EU1)
        return [who for who, _ in known if who.endswith(f"@{app}.example")]

    # Planting, and looking

    def plant(self, cause: Cause) -> None:
        """Plant a cause, and look at the overview. What goes wrong is for its test."""
        try:
            cause.plant(self, cause.app or "")
        except Exception as error:
            self._failed[cause] = error
        else:
            self._planted[cause] = time.monotonic()
            self._overview()

    def wait_for(self, cause: Cause) -> Named:
        """Return how a cause is named, in `delivery_status` and on the overview alike."""
        if cause in self._failed:
            raise self._failed[cause]
        # Since all are planted: so many that are not named take no longer than one.
        left = max(self._planted.values()) + PATIENCE_SECONDS - time.monotonic()
        with suppress(TimeoutError):
            wait_until(lambda: self._is_named(cause), max(0.0, left))
        assert cause in self.named, (
            f"Not named: {cause.name}. Instead, its row has "
            f"{self.findings_of(cause.app)}, and the overview leads to "
            f"{self._overview().fixes()}."
        )
        return self.named[cause]

    def look(self) -> None:
        """Compare `delivery_status` with the overview, and note what both name by now."""
        rows, overview = self.stack.status(), self._overview()
        for cause in self._planted.keys() - self.named.keys():
            self._note(cause, rows, overview)

    def findings_of(self, app: str | None) -> list[dict[str, Any]]:
        """Return what `delivery_status` finds now; without an app, of the installation."""
        return _of_app(self.stack.status(), app)

    def _overview(self) -> Page:
        """Return the overview, and note since when it shows what is not well."""
        overview, at = self.person.open(OVERVIEW), time.monotonic()
        for url in overview.fixes():
            self._first_shown.setdefault(url, at)
        for title, (colour, _) in overview.lights().items():
            self.colours[title].add(colour)
        return overview

    def _is_named(self, cause: Cause) -> bool:
        """Say whether a cause is named by now, after one more look where it was not.

        What the overview does not lead to is not named: a page costs less than a command.
        """
        if cause not in self.named and cause.fix in map(
            without_numbers, self._overview().fixes()
        ):
            self.look()
        return cause in self.named

    def _note(
        self, cause: Cause, rows: Sequence[Mapping[str, Any]], overview: Page
    ) -> None:
        findings = _of_app(rows, cause.app)
        said = [(each["code"], each["count"]) for each in findings]
        if (cause.code, cause.count) not in said:
            return
        place = said.index((cause.code, cause.count))
        finding, before = findings[place], [code for code, _ in said[:place]]
        url = finding["url"]
        if _is_green(overview, cause.app) or url not in overview.fixes():
            return
        seconds = max(0.0, self._first_shown[url] - self._planted[cause])
        self.named[cause] = Named(seconds, finding, before, self.person.open(url))


def without_numbers(url: str) -> str:
    """Return an address with N for each number in it."""
    return _NUMBER.sub("N", url)


def title_of(app: str) -> str:
    """Return what people call an app of which nobody said more than its short name."""
    return app.replace("-", " ").title()


def _of_app(rows: Sequence[Mapping[str, Any]], app: str | None) -> list[dict[str, Any]]:
    return [finding for row in rows if row["app"] == app for finding in row["findings"]]


def _is_green(overview: Page, app: str | None) -> bool:
    """Say whether the app's light is green. What has no integration has no light."""
    lights = overview.lights()
    return (
        app is not None
        and title_of(app) in lights
        and lights[title_of(app)][0] == "good"
    )
