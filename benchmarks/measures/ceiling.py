"""Against CleverTap's own ceiling: 15 requests in flight, each answered after 200 ms.

That is 75,000 records a second, and no client can have more of one account.
"""

import itertools
from typing import Final

from benchmarks import events, load
from benchmarks.fill import fill
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.measures.end_to_end import upload_body
from benchmarks.ours import Ours
from benchmarks.report import Findings, Highlight, Row, Table, number, progress

DELAY: Final = 0.2
IN_FLIGHT: Final = 15
RECORDS: Final = 1_000
CEILING: Final = IN_FLIGHT * RECORDS / DELAY
EVENTS: Final = 400_000
#: Half of a worker's threads may serve one integration.
THREADS: Final = 2 * IN_FLIGHT + 2
LONGEST_SECONDS: Final = 120


def measure(ground: Ground, scale: Scale) -> Findings:
    """Drain a backlog into a sink that behaves like CleverTap."""
    loop = _loop(ground, scale)
    rows: list[Row] = [
        ("a loop that only posts", number(loop), f"{loop / CEILING:.0%}", "", "")
    ]
    rates = {}
    for workers in (1, 2):
        rate, row = _ours(ground, scale, workers)
        rates[workers] = rate
        rows.append(row)
    table = Table(
        f"Against CleverTap's ceiling of {CEILING:,.0f} records/s",
        ("", "records/s", "of the ceiling", "cores used", "most in flight"),
        rows,
        [
            (
                f"The sink answers after {DELAY * 1000:.0f} ms, at most {IN_FLIGHT} requests "
                "at a time, as CleverTap allows an account. Cores used: by worker, database, "
                "broker and sink, of all that the machine has."
            )
        ],
    )
    lines = [
        Highlight(
            f"One CleverTap account, {count} worker{'s' * (count > 1)}, records/s",
            number(rate),
            f"CleverTap's ceiling: {CEILING:,.0f}",
            f"{rate / CEILING:.0%}",
        )
        for count, rate in rates.items()
    ]
    return Findings([table], lines)


def _ours(ground: Ground, scale: Scale, workers: int) -> tuple[float, tuple[str, ...]]:
    count = scale.of(EVENTS)
    progress(f"ceiling: {workers} worker(s), {count:,} events")
    with Ours(ground) as ours:
        fill(ours, 1, count)
        ours.allow_in_flight(IN_FLIGHT)
        ground.sink.reset(delay=DELAY, limit=IN_FLIGHT)
        for _ in range(workers):
            ours.work(WORKER_THREADS=str(THREADS))
        # Until all are at work: processes start one after the other.
        ours.wait_for_records(events.records_in(1, count) // 10, LONGEST_SECONDS)
        with ours.meter() as meter:
            first = ground.sink.stats()
            ours.wait_for_records(events.records_in(1, count), LONGEST_SECONDS)
            last = ground.sink.stats()
    seconds = last["last_at"] - first["last_at"]
    rate = (last["records"] - first["records"]) / seconds
    shares = ", ".join(
        f"{kind} {meter.cpu[kind] / meter.wall:.1f}"
        for kind in ("worker", "database", "broker", "sink")
    )
    name = f"{workers} worker process{'es' * (workers > 1)}"
    return rate, (
        name,
        number(rate),
        f"{rate / CEILING:.0%}",
        shares,
        str(last["most_in_flight"]),
    )


def _loop(ground: Ground, scale: Scale) -> float:
    ground.sink.reset(delay=DELAY, limit=IN_FLIGHT)
    request = load.post("/eu1/1/upload", upload_body(RECORDS))
    seconds = scale.seconds(5.0, 2.0)
    sent = load.run(
        ground.sink.port,
        itertools.repeat(request),
        clients=IN_FLIGHT,
        seconds=seconds,
    )
    return len(sent.numbers) * RECORDS / sent.seconds
