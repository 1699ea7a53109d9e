"""The older half of the log goes by retention while new events come and are delivered.

Twice: what the first round frees, the events before the second take up again. Each half has
as many events as the other that a worker delivered as they came, in small uploads, and all
of it lies where events were removed before. So a round begins with the same log as the one
before, and may leave no larger tables.
"""

import json
import subprocess
import threading
from dataclasses import dataclass
from typing import Final

import psycopg

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
#: How long a round is measured. What is left then goes without rests, and without callers.
MEASURED_SECONDS: Final = 60.0
#: How long new events come in each round: a little longer, as many in one as in the other.
CALLER_SECONDS: Final = 70.0
LONGEST_SECONDS: Final = 1_200
#: Of the one app that there is, so that an index serves them.
_HEAD: Final = """
    SELECT max(position) FROM referrals_referralevent
    WHERE app_id = (SELECT id FROM referrals_app)
"""
_COUNT: Final = """
    SELECT max(position) - min(position) + 1 FROM referrals_referralevent
    WHERE app_id = (SELECT id FROM referrals_app)
"""
#: When the first event came that stays, of those that the app has.
_CUTOFF: Final = """
    SELECT received_at FROM referrals_referralevent AS event, referrals_app AS app
    WHERE app_id = app.id AND position = {removed} + (
        SELECT min(position) FROM referrals_referralevent WHERE app_id = app.id)
"""
#: What `autovacuum_vacuum_cost_delay` is by default.
_GENTLY: Final = "-c vacuum_cost_delay=2ms"
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
    was there when all was removed, `in_all`, and vacuumed.
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
    callers = scale.seconds(CALLER_SECONDS, 20.0)
    with Ours(ground) as ours:
        before = _fill_log(ours, half, callers)
        rounds = [_carry_out(ours, half, callers)]
        _fill_up(ours, 2 * half)
        rounds.append(_carry_out(ours, half, callers))
        for each in rounds:
            if not 0.99 * half < each.in_all < 1.01 * half:
                message = f"Retention took {each.in_all:,} events in place of {half:,}."
                raise RuntimeError(message)
        _check_books(ours)
    return Findings([_table(half, before, rounds)], [_line(half, before, rounds)])


def _fill_log(ours: Ours, half: int, seconds: float) -> list[float]:
    """Start everything, and let the log have two halves that are alike, all delivered.

    They lie where as many events were removed: in pages of its own, PostgreSQL packs what comes
    in one go more closely than it ever will again. Returns how long each request took that
    brought the last of them.
    """
    ours.start()
    ours.work()
    ours.warm_up()
    progress(f"retention: {2 * half:,} events")
    _fill_up(ours, 2 * half)
    _remove_the_rest(ours, _find_cutoff(ours, 2 * half - 1))
    _vacuum(ours)
    coming = int(seconds * PER_SECOND)
    _fill_up(ours, half - coming)
    _bring_events(ours, seconds)
    _vacuum(ours)
    _fill_up(ours, 2 * half - coming)
    return _bring_events(ours, seconds)


def _vacuum(ours: Ours) -> None:
    """Vacuum while events come, at autovacuum's pace, as it does a minute later.

    Emptied pages of an index that no transaction went by meanwhile wait for the next time.
    """
    done = threading.Event()
    url = ours.ground.server.url_of(ours.database)

    def run() -> None:
        try:
            with psycopg.connect(url, autocommit=True, options=_GENTLY) as connection:
                connection.execute("VACUUM")
        finally:
            done.set()

    threading.Thread(target=run).start()
    while not done.is_set():
        _bring_events(ours, SLICE_SECONDS)


def _count(ours: Ours) -> int:
    """Return how many events the log has."""
    return int(ours.ask(_COUNT)[0][0])


def _fill_up(ours: Ours, size: int) -> None:
    """Let the log have `size` events, by adding what is delivered already."""
    load.wait_for(ours.is_settled, LONGEST_SECONDS, what="every upload settled")
    # A worker would deliver them.
    ours.stop_workers()
    head = int(ours.ask(_HEAD)[0][0])
    last = head + size - _count(ours)
    fill(ours, head + 1, last)
    fill_uploads(ours, last)
    # Filling in and vacuuming ten million events brings one of its own, sooner or later.
    ours.ground.ask("CHECKPOINT")
    ours.tally()
    ours.work()


def _bring_events(ours: Ours, seconds: float) -> list[float]:
    """Bring new events at a steady rate; return how long each request took from its time."""
    slices = range(round(seconds / SLICE_SECONDS))
    return [waited for _ in slices for waited in _bring_slice(ours)]


def _bring_slice(ours: Ours) -> list[float]:
    starts = [
        n * PER_REQUEST / PER_SECOND
        for n in range(int(SLICE_SECONDS * PER_SECOND / PER_REQUEST))
    ]
    run = f"kept-{int(ours.ask(_HEAD)[0][0]):08}"
    bodies = events.bodies(len(starts) * PER_REQUEST, PER_REQUEST, run=run)
    requests = ours.requests(bodies)
    sent = load.run(ours.port, requests, clients=CLIENTS, starts=starts)
    due = (sent.began + starts[number] for number in sent.numbers)
    return [at - due_at for due_at, at in zip(due, sent.answered_at, strict=True)]


def _carry_out(ours: Ours, half: int, seconds: float) -> Round:
    """Take the older half of the log, at first while events come in."""
    cutoff = _find_cutoff(ours, half)
    progress(f"retention: what came before {cutoff} goes")
    waited: list[float] = []
    brought = 0.0
    with _start_retention(ours, cutoff, str(MEASURED_SECONDS)) as remover:
        while remover.poll() is None:
            waited += _bring_events(ours, SLICE_SECONDS)
            brought += SLICE_SECONDS
        said = json.loads(remover.communicate()[0])
    _bring_events(ours, seconds - brought)
    in_all = said["events"] + (_remove_the_rest(ours, cutoff) if said["left"] else 0)
    _vacuum(ours)
    megabytes = float(ours.ask(_BYTES)[0][0]) / 1e6
    return Round(
        said["events"], said["seconds"], said["longest"], waited, in_all, megabytes
    )


def _find_cutoff(ours: Ours, removed: int) -> str:
    """Return the instant before which the log's first `removed` events came."""
    return str(ours.ask(_CUTOFF.format(removed=removed))[0][0].isoformat())


def _remove_the_rest(ours: Ours, cutoff: str) -> int:
    """Carry out retention to its end without rests; return how many events went."""
    with _start_retention(ours, cutoff, str(LONGEST_SECONDS), "--hurry") as remover:
        return int(json.loads(remover.communicate()[0])["events"])


def _start_retention(
    ours: Ours, cutoff: str, *arguments: str
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ours.python("benchmarks.retain", cutoff, *arguments),
        cwd=ROOT,
        env={
            **ours.env,
            "DJANGO_SETTINGS_MODULE": "integration_project.settings",
            "RETENTION_DAYS": "1",
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
                f"{each.megabytes:,.0f} ({times(each.megabytes / rounds[0].megabytes)})",
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
                "events, uploads, attempts, and their indexes, vacuumed after each round. "
                "The two halves are alike, as in a log that retention has kept for long: as many "
                "events of each as come in a round were delivered as they came, the others are "
                "filled in, in full uploads, and events are equally long. All lie where others were "
                "removed before. Keys ascend."
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
