"""Ingest alone: events/s and times of requests, by batch size and number of clients."""

from dataclasses import dataclass
from itertools import count
from typing import Final

from benchmarks import events, load
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.others import DecodeOnly, Framework
from benchmarks.ours import Ours
from benchmarks.report import (
    Findings,
    Highlight,
    Table,
    milliseconds,
    number,
    percentile,
    progress,
    times,
)
from benchmarks.system import System

SIZES: Final = (1, 10, 100, 1_000)
CLIENTS: Final = (1, 4, 16)
#: The numbers of clients with which others are measured; the first stands in short.
BESIDE: Final = (4, 16)
LONGEST_SECONDS: Final = 4.0
#: More than any system here takes in the time that a cell is given, by batch size.
ENOUGH: Final = {1: 24_000, 10: 100_000, 100: 300_000, 1_000: 400_000}


@dataclass
class Cell:
    """One batch size and number of clients."""

    rate: float
    p50: float
    p99: float
    cpu: float

    def texts(self) -> tuple[str, str, str, str]:
        """Return events/s, p50, p99 and CPU seconds per million events."""
        return (
            number(self.rate),
            milliseconds(self.p50),
            milliseconds(self.p99),
            number(self.cpu),
        )


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure our whole grid, then the others' with some of the numbers of clients."""
    seconds = scale.seconds(LONGEST_SECONDS, 1.0)
    clients = (1, 4) if scale.quick else CLIENTS
    beside = tuple(callers for callers in BESIDE if callers in clients)
    ours = _grid(Ours(ground), clients, seconds)
    signals = _signals(ground, seconds)
    theirs = {
        kind.name: _grid(kind(ground), beside, seconds)
        for kind in (Framework, DecodeOnly)
    }
    columns = ("events/s", "p50", "p99", "CPU s per million events")
    table = Table("Ingest", ("", *columns))
    for (size, callers), cell in ours.items():
        name = f"in {size:,}s, {callers} client{'s' * (callers > 1)}"
        table.rows.append((name, *cell.texts()))
    table.rows.append(("in 1,000s, installs with fraud signals", *signals.texts()))
    table.notes.append(
        "Answered after the commit. No worker runs; the doorbell rings into the void."
    )
    compared = Table("Ingest, side by side", ("", *columns, "ours ÷ it"))
    for name, grid in theirs.items():
        for (size, callers), cell in grid.items():
            ratio = times(ours[size, callers].rate / cell.rate)
            what = f"{name}, in {size:,}s, {callers} clients"
            compared.rows.append((what, *cell.texts(), ratio))
    return Findings([table, compared], _highlights(ours, theirs))


def _grid(
    system: System, clients: tuple[int, ...], seconds: float
) -> dict[tuple[int, int], Cell]:
    progress(f"ingest: {system.name}")
    with system:
        system.start()
        system.warm_up()
        return {
            (size, callers): _cell(system, size, callers, seconds)
            for size in SIZES
            for callers in clients
        }


def _signals(ground: Ground, seconds: float) -> Cell:
    with Ours(ground) as ours:
        ours.start()
        ours.warm_up()
        return _cell(ours, 1_000, BESIDE[0], seconds, signals=True)


def _cell(
    system: System, size: int, callers: int, seconds: float, *, signals: bool = False
) -> Cell:
    made = events.bodies(
        int(ENOUGH[size] * seconds / LONGEST_SECONDS),
        size,
        run=f"ingest-{next(_runs)}",
        signals=signals,
    )
    requests = list(system.requests(made))
    with system.meter() as meter:
        sent = load.run(system.port, requests, clients=callers, seconds=seconds)
    took = sent.latencies()
    stored = len(took) * size
    return Cell(
        stored / sent.seconds,
        percentile(took, 50),
        percentile(took, 99),
        meter.total / stored * 1e6,
    )


def _highlights(
    ours: dict[tuple[int, int], Cell], theirs: dict[str, dict[tuple[int, int], Cell]]
) -> list[Highlight]:
    lines = []
    for size, what in ((1_000, "in thousands"), (1, "one by one")):
        for name, grid in theirs.items():
            mine, other = ours[size, BESIDE[0]].rate, grid[size, BESIDE[0]].rate
            lines.append(
                Highlight(
                    f"Ingest {what}, events/s",
                    number(mine),
                    f"{name}: {number(other)}",
                    times(mine / other),
                )
            )
    return lines


_runs: Final = count(1)
