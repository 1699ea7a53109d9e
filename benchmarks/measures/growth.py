"""Flat as it grows: the same requests on a log of 10⁴, 10⁶ and 10⁷ events.

In between, a worker catches up on a long backlog while new events keep coming; and at
the end everything is asked once more while some transaction stays open, so that no
dead row can be removed.
"""

import itertools
import json
import subprocess
import threading
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, Self

import psycopg

from benchmarks import events, load, usage
from benchmarks.fill import fill, fill_letters
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.ours import Ours
from benchmarks.report import (
    Findings,
    Highlight,
    Row,
    Table,
    milliseconds,
    number,
    percentile,
    progress,
    times,
)
from tests.harness.commands import ROOT, manage

SMALL, LARGE, HUGE = 10_000, 1_000_000, 10_000_000
#: An hour's hold at 500 events a second.
BACKLOG: Final = 1_800_000
NEW_PER_SECOND: Final = 500
ASKED: Final = 200
CLAIMED: Final = 60
OPEN_SECONDS: Final = 15.0
LONGEST_SECONDS: Final = 600
_ALL_HANDED_OUT: Final = """
    UPDATE clevertap_sync_integration
    SET cursor = (SELECT max(position) FROM referrals_referralevent)
"""
KINDS: Final = (
    "append one",
    "append a hundred",
    "GET /v1/events/{id}",
    "claim",
)
#: What must stay flat: these, and one page of the admin's.
GROWING: Final = (*KINDS, "overview")
#: The admin's pages, and where they are.
PAGES: Final = {
    "overview": "",
    "events": "events/",
    "events of one type and channel": "events/?type=app_open&channel=sms",
    "search by an identity": "events/?q=nobody%40example.com",
    "one event": "events/{app}/5000/",
    "problems": "problems/",
    "uploads": "clevertap_sync/upload/",
    "attempts": "clevertap_sync/attempt/",
    "dead letters": "clevertap_sync/deadletter/",
}
PAGE_TIMES: Final = 9
LETTERS: Final = 100_000
ADMIN: Final = """
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
user = get_user_model().objects.create_superuser("bench", password="bench")
request = HttpRequest()
request.session = SessionStore()
login(request, user)
request.session.save()
print(request.session.session_key)
"""


def measure(ground: Ground, scale: Scale) -> Findings:
    """Ask at each size, with a backlog as long as the log, and once all is delivered."""
    large = scale.of(LARGE, 10)
    backlog = scale.of(BACKLOG, 10)
    found: dict[str, dict[str, float]] = {}
    with Ours(ground) as ours:
        ours.start()
        asker = _Asker(ours)
        found[f"{SMALL:,} events"] = asker.at(SMALL)
        found[f"{large:,} events"] = asker.at(large)
        caught_up = _catch_up(ours, backlog)
        ours.tally()  # as a worker does every minute
        found[f"{backlog:,}, all delivered"] = asker.ask()
        if scale.growth:
            found[f"{HUGE:,} events"] = asker.at(HUGE)
            fill_letters(ours, LETTERS)
            found[f"{HUGE:,}, and {LETTERS:,} dead letters"] = asker.ask()
            ours.ask(
                _ALL_HANDED_OUT
            )  # its delivery would take longer than all the rest
        opened = _with_open_transaction(ours, asker, scale)
        found["the same, with an open transaction"] = opened.pop("after")
    return Findings(
        [_sizes(found), _pages(found), caught_up, _held_open(opened)],
        [_growth_line(found), _backlog_line(backlog, caught_up)],
    )


class _Asker:
    """Asks the same things of one system again and again."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        self._runs = itertools.count()
        self._cookie = manage(
            "shell", "-v", "0", "-c", ADMIN, env=ours.env
        ).stdout.strip()
        ours.warm_up()

    def at(self, size: int) -> dict[str, float]:
        """Grow the log to `size` events, none of them delivered, and ask."""
        progress(f"growth: {size:,} events")
        grow(self._ours, size)
        return self.ask()

    def ask(self) -> dict[str, float]:
        """Return the median seconds of each kind of request."""
        run = f"grown-{next(self._runs)}"
        single = events.bodies(ASKED, 1, run=run)
        many = events.bodies(ASKED * 20, 100, run=run, first=ASKED)
        known = [f"/v1/events/{run}-{n}" for n in range(ASKED)]
        key = f"Authorization: Bearer {self._ours.key}"
        cookie = f"Cookie: sessionid={self._cookie}"
        asked: list[list[float]] = [
            self._times(self._ours.requests(single)),
            self._times(self._ours.requests(many)),
            self._times(load.get(path, key) for path in known),
            _claims(self._ours),
        ]
        app = self._ours.ask("SELECT slug FROM referrals_app")[0][0]
        for address in PAGES.values():
            page = f"/admin/{address.format(app=app)}"
            asked.append(self._times(load.get(page, cookie) for _ in range(PAGE_TIMES)))
        medians = (percentile(taken, 50) for taken in asked)
        return dict(zip((*KINDS, *PAGES), medians, strict=True))

    def _times(self, requests: Iterable[bytes]) -> list[float]:
        return load.run(self._ours.port, requests).latencies()


def grow(ours: Ours, size: int) -> None:
    """Add events until the log has `size`."""
    head = int(ours.ask("SELECT max(position) FROM referrals_referralevent")[0][0] or 0)
    if head < size:
        fill(ours, head + 1, size)


def _claims(ours: Ours) -> list[float]:
    done = subprocess.run(
        ours.python("benchmarks.claims", str(CLAIMED)),
        cwd=ROOT,
        env={**ours.env, "DJANGO_SETTINGS_MODULE": "integration_project.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    taken: list[float] = json.loads(done.stdout)
    return taken[5:]  # the first ones prepare statements and fill caches


def _catch_up(ours: Ours, backlog: int) -> Table:
    """Let a worker catch up while new events keep coming."""
    cursor = int(ours.ask("SELECT cursor FROM clevertap_sync_integration")[0][0])
    grow(ours, cursor + backlog)
    progress(f"catching up on {backlog:,} events")
    ours.ground.sink.reset()
    worker = ours.work()
    ours.wait_for_records(1)
    with _Background(ours) as background:
        memory = [usage.megabytes([worker.pid])]
        load.wait_for(
            lambda: _is_behind_by(ours, memory, worker.pid) < NEW_PER_SECOND,
            LONGEST_SECONDS,
            what="the backlog to be delivered",
            pause=1.0,
        )
        stats = ours.ground.sink.stats()
    load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
    ours.stop_workers()
    seconds = stats["last_at"] - stats["first_at"]
    halves = _halves(stats["slices"])
    return Table(
        f"Catching up on {backlog:,} events, {NEW_PER_SECOND} new ones a second meanwhile",
        ("", ""),
        [
            ("seconds", number(seconds)),
            ("records/s", number(stats["records"] / seconds)),
            ("second half ÷ first half", number(halves)),
            ("new events that came in meanwhile", f"{background.sent:,}"),
            ("worker's memory at the start", f"{memory[0]:.0f} MB"),
            ("worker's memory at most", f"{max(memory):.0f} MB"),
        ],
    )


def _is_behind_by(ours: Ours, memory: list[float], pid: int) -> int:
    memory.append(usage.megabytes([pid]))
    query = """
        SELECT max(position) - (SELECT cursor FROM clevertap_sync_integration)
        FROM referrals_referralevent
    """
    return int(ours.ask(query)[0][0])


def _halves(slices: dict[str, int]) -> float:
    """Return how the second half's rate compares with the first's."""
    first, last = min(map(int, slices)), max(map(int, slices))
    middle = (first + last) / 2
    early = sum(count for at, count in slices.items() if int(at) < middle)
    return (sum(slices.values()) - early) / max(early, 1)


class _Background:
    """A caller who brings new events, fifty in each request, until told to stop."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        size, client = 50, load.Client(self._ours.port)
        bodies = events.bodies(HUGE, size, run="meanwhile")
        for request in self._ours.requests(bodies):
            if self._stopped.wait(size / NEW_PER_SECOND):
                break
            status, _ = client.ask(request)
            self.sent += size if status == HTTPStatus.ACCEPTED else 0
        client.close()


def _with_open_transaction(
    ours: Ours, asker: _Asker, scale: Scale
) -> dict[str, dict[str, float]]:
    """Deliver single events while a transaction stays open; return rates and times."""
    progress("the same, with an open transaction")
    ours.work()
    url = ours.ground.server.url_of(ours.database)
    with psycopg.connect(url) as open_transaction:
        open_transaction.execute("SELECT txid_current()")
        seconds = scale.seconds(OPEN_SECONDS, 4.0)
        bodies = events.bodies(200_000, 1, run="while-open")
        sent = load.run(ours.port, ours.requests(bodies), clients=4, seconds=seconds)
        load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
        ours.stop_workers()
        after = asker.ask()
    rates = _rates(sent.answered_at, sent.began, seconds)
    return {"rates": rates, "after": after}


def _rates(
    answered_at: Sequence[float], began: float, seconds: float
) -> dict[str, float]:
    """Return events per second in the first and in the last third."""
    third = seconds / 3
    first = sum(at - began < third for at in answered_at)
    last = sum(2 * third <= at - began < seconds for at in answered_at)
    return {"first": first / third, "last": last / third}


def _sizes(found: dict[str, dict[str, float]]) -> Table:
    small = next(iter(found.values()))
    rows: list[Row] = [
        (name, *(_beside(taken[kind], small[kind]) for kind in GROWING))
        for name, taken in found.items()
    ]
    return Table(
        "As the log grows: median times, and how they compare with the first line's",
        ("", *GROWING),
        rows,
        ["Where it does not say otherwise, the whole log waits to be delivered."],
    )


def _pages(found: dict[str, dict[str, float]]) -> Table:
    return Table(
        "The admin's pages as the log grows: median times",
        ("", *found),
        [
            (page, *(milliseconds(taken[page]) for taken in found.values()))
            for page in PAGES
        ],
    )


def _beside(seconds: float, small: float) -> str:
    return f"{milliseconds(seconds)} ({times(seconds / small)})"


def _held_open(opened: dict[str, dict[str, float]]) -> Table:
    rates = opened["rates"]
    return Table(
        "Single events, accepted and delivered while a transaction stays open",
        ("", "events/s"),
        [
            ("first third", number(rates["first"])),
            ("last third", number(rates["last"])),
        ],
    )


def _growth_line(found: dict[str, dict[str, float]]) -> Highlight:
    sizes = [name for name in found if name.endswith(" events")]
    small, last = found[sizes[0]], found[sizes[-1]]
    ratios: dict[str, float] = {kind: last[kind] / small[kind] for kind in GROWING}
    slowest = max(ratios, key=lambda kind: ratios[kind])
    return Highlight(
        f"What grows most from {sizes[0]} to {sizes[-1]}",
        milliseconds(last[slowest]),
        f"{slowest}: {milliseconds(small[slowest])} at first",
        times(ratios[slowest]),
    )


def _backlog_line(backlog: int, caught_up: Table) -> Highlight:
    seconds, rate, halves, _, _, memory = (row[1] for row in caught_up.rows)
    return Highlight(
        f"Catching up on {backlog:,} events while {NEW_PER_SECOND} new ones come each second",
        f"{seconds} s, {rate} records/s",
        f"worker's memory at most {memory}",
        f"{halves} × from half to half",
    )
