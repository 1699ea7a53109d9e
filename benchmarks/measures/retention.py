"""Half of the log goes by retention while new events come and are delivered.

Twice: what the first round frees, the events before the second take up again. So a round
begins with as many events as the one before, and may leave no larger tables.
"""

import json
import subprocess
import threading
from dataclasses import dataclass
from typing import Final

from benchmarks import events, load
from benchmarks.fill import fill, fill_uploads
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

LARGE, HUGE = 1_000_000, 10_000_000
#: The new events, and how they come.
PER_SECOND: Final = 500
PER_REQUEST: Final = 10
CLIENTS: Final = 8
SLICE_SECONDS: Final = 2.0
BEFORE_SECONDS: Final = 30.0
#: How long a round is measured. What is left then goes without rests, and without callers.
MEASURED_SECONDS: Final = 60.0
LONGEST_SECONDS: Final = 1_200
#: How many days ago each half was received, and for how many days each round keeps events.
AGES: Final = (40, 30)
KEPT_DAYS: Final = (35, 25)
#: Of the one app that there is, so that an index serves them.
_HEAD: Final = """
    SELECT max(position) FROM referrals_referralevent
    WHERE app_id = (SELECT id FROM referrals_app)
"""
_COUNT: Final = """
    SELECT max(position) - min(position) + 1 FROM referrals_referralevent
    WHERE app_id = (SELECT id FROM referrals_app)
"""
_AGE: Final = """
    UPDATE referrals_referralevent SET received_at = received_at - {days} * interval '1 day'
"""
_BYTES: Final = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relname IN ('referrals_referralevent', 'clevertap_sync_upload',
                      'clevertap_sync_attempt')
"""


@dataclass(frozen=True)
class Round:
    """What a round came to.

    `removed` events went while it was measured, in `seconds`, in chunks of which the longest
    took `longest`. `waited` is how long each request took from its time; `megabytes` is what
    was there when all was removed, `in_all`.
    """

    removed: int
    seconds: float
    longest: float
    waited: list[float]
    in_all: int
    megabytes: float


def measure(ground: Ground, scale: Scale) -> Findings:
    """Remove half of a full log, fill it up again, and remove half of it again."""
    half = scale.of(HUGE if scale.growth else LARGE, 10) // 2
    with Ours(ground) as ours:
        _fill_log(ours, half)
        before = _bring_events(ours, scale.seconds(BEFORE_SECONDS, 6.0))
        full = _count(ours)
        first = _carry_out(ours, KEPT_DAYS[0])
        _vacuum(ours)
        _add(ours, full - _count(ours))
        rounds = [first, _carry_out(ours, KEPT_DAYS[1])]
        for each in rounds:
            if not 0.99 * half < each.in_all < 1.01 * half:
                message = f"Retention took {each.in_all:,} events in place of {half:,}."
                raise RuntimeError(message)
        _check_books(ours)
    return Findings([_table(half, before, rounds)], [_line(half, before, rounds)])


def _fill_log(ours: Ours, half: int) -> None:
    """Start everything, and let twice `half` events be there, delivered long ago."""
    ours.start()
    ours.work()
    ours.warm_up()
    load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
    # What comes first in a log is its oldest.
    ours.ask(_AGE.format(days=AGES[0] + 1))
    progress(f"retention: {2 * half:,} events")
    for days in AGES:
        _add(ours, half, days=days)


def _vacuum(ours: Ours) -> None:
    """Vacuum while events come, as autovacuum does a minute later.

    In a database in which nothing happens, emptied pages of an index wait for the next time.
    """
    done = threading.Event()

    def run() -> None:
        try:
            ours.ask("VACUUM")
        finally:
            done.set()

    threading.Thread(target=run).start()
    while not done.is_set():
        _bring_events(ours, SLICE_SECONDS)


def _count(ours: Ours) -> int:
    """Return how many events the log has."""
    return int(ours.ask(_COUNT)[0][0])


def _add(ours: Ours, count: int, *, days: int = 0) -> None:
    """Add events that are delivered already, received so many days ago."""
    load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
    # A worker would deliver them.
    ours.stop_workers()
    head = int(ours.ask(_HEAD)[0][0])
    fill(ours, head + 1, head + count, days=days)
    fill_uploads(ours, head + count)
    ours.tally()
    ours.work()


def _bring_events(ours: Ours, seconds: float) -> list[float]:
    """Bring new events at a steady rate; return how long each request took from its time."""
    starts = [
        n * PER_REQUEST / PER_SECOND
        for n in range(int(seconds * PER_SECOND / PER_REQUEST))
    ]
    run = f"kept-{ours.ask(_HEAD)[0][0]}"
    bodies = events.bodies(len(starts) * PER_REQUEST, PER_REQUEST, run=run)
    requests = ours.requests(bodies)
    sent = load.run(ours.port, requests, clients=CLIENTS, starts=starts)
    due = (sent.began + starts[number] for number in sent.numbers)
    return [at - due_at for due_at, at in zip(due, sent.answered_at, strict=True)]


def _carry_out(ours: Ours, kept_days: int) -> Round:
    """Carry out retention to its end, at first while events come in."""
    progress(f"retention: what is older than {kept_days} days goes")
    waited: list[float] = []
    with _start_retention(ours, kept_days, str(MEASURED_SECONDS)) as remover:
        while remover.poll() is None:
            waited += _bring_events(ours, SLICE_SECONDS)
        said = json.loads(remover.communicate()[0])
    in_all = said["events"]
    if said["left"]:
        with _start_retention(
            ours, kept_days, str(LONGEST_SECONDS), "--hurry"
        ) as remover:
            in_all += json.loads(remover.communicate()[0])["events"]
    megabytes = float(ours.ask(_BYTES)[0][0]) / 1e6
    return Round(
        said["events"], said["seconds"], said["longest"], waited, in_all, megabytes
    )


def _start_retention(
    ours: Ours, kept_days: int, *arguments: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ours.python("benchmarks.retain", *arguments),
        cwd=ROOT,
        env={
            **ours.env,
            "DJANGO_SETTINGS_MODULE": "integration_project.settings",
            "RETENTION_DAYS": str(kept_days),
        },
        stdout=subprocess.PIPE,
    )


def _check_books(ours: Ours) -> None:
    load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
    done = manage("delivery_status", "--json", env=ours.env, check=False)
    if imbalances := json.loads(done.stdout)[0].get("imbalances"):
        message = f"The books do not balance: {imbalances}"
        raise RuntimeError(message)


def _table(half: int, before: list[float], rounds: list[Round]) -> Table:
    rows: list[Row] = [
        ("before", "", "", *_spell(before, before), ""),
        *(
            (
                f"round {n}",
                number(each.removed / each.seconds),
                milliseconds(each.longest),
                *_spell(each.waited, before),
                f"{each.megabytes:,.0f}",
            )
            for n, each in enumerate(rounds, 1)
        ),
    ]
    return Table(
        f"Retention takes {half:,} of {2 * half:,} events, twice",
        (
            *("", "events removed/s", "the longest chunk"),
            *("p50 of a request", "p99", "MB afterwards"),
        ),
        rows,
        [
            (
                f"{PER_SECOND} new events a second come meanwhile, {PER_REQUEST} in a request, "
                "and are delivered. Retention works here as a worker does it, but for the moment "
                "between two calls: each chunk is followed by a rest of four times as long at "
                "least, and 5,000 events go in a second at most. A round is measured for "
                f"{MEASURED_SECONDS:.0f} seconds, then what is left goes without rests. MB: "
                "events, uploads, attempts, and their indexes; vacuumed once, between the rounds."
            )
        ],
    )


def _spell(waited: list[float], before: list[float]) -> tuple[str, str]:
    p99, usual = percentile(waited, 99), percentile(before, 99)
    shown = f"{milliseconds(p99)} ({times(p99 / usual)})"
    return milliseconds(percentile(waited, 50)), shown


def _line(half: int, before: list[float], rounds: list[Round]) -> Highlight:
    worst = max(percentile(each.waited, 99) for each in rounds)
    usual = percentile(before, 99)
    return Highlight(
        f"p99 of a request while retention takes {half:,} of {2 * half:,} events",
        milliseconds(worst),
        f"without: {milliseconds(usual)}",
        times(worst / usual),
    )
