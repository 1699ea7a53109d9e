"""When it is quiet: from the answer `accepted` to the record's arrival at the sink.

Single events from eight callers, evenly spread but for some chance: fifty a second, and
two a second, where every event finds the worker asleep.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks import events, load
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.others import Outbox, PerRecordThreads
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
)
from benchmarks.system import System

MANY, FEW = 50, 2
CLIENTS: Final = 8
SWEEP_SECONDS: Final = 5


@dataclass(frozen=True)
class Quiet:
    """What single events took: from answer to arrival, from request to arrival, of CPU."""

    accepted: list[float]
    begun: list[float]
    cpu: float

    def texts(self) -> Row:
        """Return medians and 99th percentiles, and milliseconds of CPU per event."""
        return (
            *(milliseconds(percentile(self.accepted, p)) for p in (50, 99)),
            *(milliseconds(percentile(self.begun, p)) for p in (50, 99)),
            number(self.cpu * 1000),
        )


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure us with and without the doorbell, and two others."""

    def quiet(make: Callable[[], System], rate: int, longest: float) -> Quiet:
        return _quiet(make(), rate, scale.seconds(longest, longest / 4))

    def deaf() -> Ours:
        return Ours(ground, broker=False)

    found = {
        f"{Ours.name}, {MANY}/s": quiet(lambda: Ours(ground), MANY, 20),
        f"{Ours.name}, {FEW}/s": quiet(lambda: Ours(ground), FEW, 24),
        f"{Ours.name}, no doorbell, {MANY}/s": quiet(deaf, MANY, 20),
        f"{Ours.name}, no doorbell, {FEW}/s": quiet(deaf, FEW, 40),
        f"{Outbox.name}, {MANY}/s": quiet(lambda: Outbox(ground), MANY, 20),
        f"{PerRecordThreads.name}, {MANY}/s": quiet(
            lambda: PerRecordThreads(ground), MANY, 20
        ),
    }
    rows: list[Row] = [(name, *one.texts()) for name, one in found.items()]
    columns = ("p50", "p99", "p50 from sent", "p99", "CPU ms per event")
    note = (
        f"Without the doorbell a worker looks every {SWEEP_SECONDS} seconds, and goes on "
        "for as long as it finds something."
    )
    table = Table("From accepted to arrived", ("", *columns), rows, [note])
    ours, beside = (found[f"{name}, {MANY}/s"] for name in (Ours.name, Outbox.name))
    line = Highlight(
        f"Accepted → arrived at {MANY} events/s, p50 / p99",
        " / ".join(ours.texts()[:2]),
        f"{Outbox.name}: {' / '.join(beside.texts()[:2])}",
        "",
    )
    return Findings([table], [line])


def _quiet(system: System, rate: int, seconds: float) -> Quiet:
    progress(f"latency: {system.name}, {rate} events/s for {seconds:.0f} s")
    count = int(rate * seconds)
    chance = random.Random(7)
    starts = [(n + chance.random()) / rate for n in range(count)]
    with system:
        system.start()
        system.work()
        system.warm_up()
        system.ground.sink.reset(traces=True)
        bodies = system.requests(events.bodies(count, 1, run="quiet"))
        with system.meter() as meter:
            sent = load.run(system.port, bodies, clients=CLIENTS, starts=starts)
            system.wait_for_records(events.records_in(0, count))
        arrivals = system.ground.sink.arrivals()
    arrived = [arrivals[events.first_identity(number)] for number in sent.numbers]
    accepted = zip(arrived, sent.answered_at, strict=True)
    begun = zip(arrived, sent.sent_at, strict=True)
    return Quiet(
        [max(0.0, a - b) for a, b in accepted],
        [a - b for a, b in begun],
        meter.total / count,
    )
