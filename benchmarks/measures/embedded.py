"""On one small machine: SQLite in PostgreSQL's place."""

from typing import Final

from benchmarks import events, load
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.ours import Ours
from benchmarks.report import (
    Findings,
    Highlight,
    Table,
    milliseconds,
    number,
    percentile,
    progress,
)

EVENTS: Final = 100_000
CLIENTS: Final = 4
LONGEST_SECONDS: Final = 240


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure end to end, and single events."""
    count = scale.of(EVENTS)
    progress(f"embedded: {count:,} events")
    with Ours(ground, embedded=True) as ours:
        ours.start()
        ours.work()
        ours.warm_up()
        bodies = list(ours.requests(events.bodies(count)))
        ground.sink.reset()
        with ours.meter() as meter:
            sent = load.run(ours.port, bodies, clients=CLIENTS)
            ours.wait_for_records(events.records_in(0, count), LONGEST_SECONDS)
            load.wait_for(ours.is_settled, 30, what="every upload settled")
        seconds = ground.sink.stats()["last_at"] - sent.began
        rate = events.records_in(0, count) / seconds
        single = ours.requests(events.bodies(20_000, 1, run="single"))
        ones = load.run(
            ours.port, single, clients=CLIENTS, seconds=scale.seconds(4.0, 1.5)
        )
    took = ones.latencies()
    table = Table(
        "Embedded: SQLite and Valkey on one machine",
        ("", "", ""),
        [
            ("end to end, records/s", number(rate), ""),
            ("ingest meanwhile, events/s", number(count / sent.seconds), ""),
            ("CPU s per million events", number(meter.total / count * 1e6), ""),
            (
                "single events/s while delivering them, p50 / p99",
                number(len(took) / ones.seconds),
                " / ".join(milliseconds(percentile(took, p)) for p in (50, 99)),
            ),
        ],
    )
    line = Highlight("Embedded (SQLite), end to end, records/s", number(rate), "", "")
    return Findings([table], [line])
