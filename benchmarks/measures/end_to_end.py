"""HTTP ingest in thousands → delivered at the sink: us, four others, and the limit.

The same run tells what each costs: CPU, rows, WAL, bytes, commands and requests.
"""

import itertools
import time
from dataclasses import dataclass, field
from typing import Final

from benchmarks import events, load
from benchmarks.fill import fill
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.others import Batches, Outbox, PerRecord, PerRecordThreads
from benchmarks.ours import Ours
from benchmarks.report import Findings, Highlight, Row, Table, number, progress, times
from benchmarks.system import System
from benchmarks.usage import Meter

CLIENTS: Final = 4
#: So many that each takes some ten seconds.
EVENTS: Final[dict[type[System], int]] = {
    Ours: 200_000,
    Outbox: 40_000,
    Batches: 16_000,
    PerRecord: 6_000,
    PerRecordThreads: 4_000,
}
BACKLOG: Final = 200_000
LONGEST_SECONDS: Final = 240
LIMIT_SECONDS: Final = 6.0
#: PostgreSQL's processes that are idle tell their counts of rows within ten, and at their end.
COUNTS_SECONDS: Final = 10.5


@dataclass
class Run:
    """One system's way from the first request to the last record."""

    name: str
    events: int
    records: int
    seconds: float
    ingest_seconds: float
    meter: Meter
    requests: int
    costs: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Return records per second."""
        return self.records / self.seconds


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure end to end, then the drain of a backlog."""
    runs = [run_whole(kind(ground), scale.of(count)) for kind, count in EVENTS.items()]
    limit = _limit(ground, scale)
    drains = _drains(ground, scale.of(BACKLOG))
    return Findings(
        [_throughput(runs, limit), _drained(drains), _costs(runs)],
        [*_highlights(runs, limit), *map(_drain_highlight, drains)],
    )


def run_whole(system: System, count: int) -> Run:
    """Post `count` events and wait until every record has arrived."""
    progress(f"end to end: {system.name}, {count:,} events")
    with system:
        system.start()
        system.work()
        system.warm_up()
        ground, wanted = system.ground, events.records_in(0, count)
        bodies = list(system.requests(events.bodies(count)))
        ground.ask("CHECKPOINT")
        time.sleep(COUNTS_SECONDS)
        before = costs_now(system)
        ground.sink.reset()
        with system.meter() as meter:
            sent = load.run(system.port, bodies, clients=CLIENTS)
            system.wait_for_records(wanted, LONGEST_SECONDS)
            if isinstance(system, Ours):
                load.wait_for(system.is_settled, 30, what="every upload settled")
        stats = ground.sink.stats()
        system.stop_all()
        after = costs_now(system)
        if stats["records"] != wanted:
            message = f"{system.name} sent {stats['records']} records for {wanted}."
            raise RuntimeError(message)
    return Run(
        system.name,
        count,
        wanted,
        stats["last_at"] - sent.began,
        sent.seconds,
        meter,
        stats["requests"],
        {name: after[name] - before[name] for name in after},
    )


def costs_now(system: System) -> dict[str, float]:
    """Return the counters of the system's database and broker."""
    rows = system.ask(
        "SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables"
    )[0]
    size = system.ask("SELECT pg_database_size(current_database())")[0][0]
    wal = system.ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")[0][0]
    inserted, updated, deleted = (float(value or 0) for value in rows)
    return {
        "inserted": inserted,
        "updated": updated,
        "deleted": deleted,
        "wal": float(wal),
        "stored": float(size),
        "commands": float(system.commands_of_broker()),
    }


def _throughput(runs: list[Run], limit: float) -> Table:
    ours = runs[0].rate
    rows: list[Row] = [
        (
            run.name,
            number(run.rate),
            times(ours / run.rate),
            number(run.meter.total / run.events * 1e6),
            _shares(run.meter),
        )
        for run in runs
    ]
    rows.append(
        ("the limit: bodies made before", number(limit), times(ours / limit), "", "")
    )
    return Table(
        "End to end",
        ("", "records/s", "ours ÷ it", "CPU s per million events", "of which"),
        rows,
        ["From the first request to the last record at the sink."],
    )


def _shares(meter: Meter) -> str:
    kinds = ("web", "worker", "database", "broker")
    used = {kind: meter.cpu[kind] / (meter.total or 1) for kind in kinds}
    return ", ".join(f"{kind} {share:.0%}" for kind, share in used.items())


def _costs(runs: list[Run]) -> Table:
    rows: list[Row] = []
    for run in runs:
        thousand = run.events / 1000
        of = {name: value / thousand for name, value in run.costs.items()}
        rows.append(
            (
                run.name,
                number(of["inserted"]),
                number(of["updated"]),
                number(of["wal"] / 1024),
                number(of["stored"] / 1024),
                number(of["commands"]),
                number(run.requests / thousand),
            )
        )
    return Table(
        "What a thousand events cost",
        (
            "",
            "rows inserted",
            "rows updated",
            "KB of WAL",
            "KB stored",
            "Redis commands",
            "requests to CleverTap",
        ),
        rows,
    )


def _highlights(runs: list[Run], limit: float) -> list[Highlight]:
    ours = runs[0].rate
    lines = [
        Highlight(
            "End to end, records/s",
            number(ours),
            f"{run.name}: {number(run.rate)}",
            times(ours / run.rate),
        )
        for run in runs[1:]
    ]
    beside = f"nothing but requests, made before: {number(limit)}"
    return [
        *lines,
        Highlight("End to end, records/s", number(ours), beside, times(ours / limit)),
    ]


@dataclass(frozen=True)
class Drain:
    """Records per second and CPU seconds per million, of each system with its workers."""

    workers: int
    ours: tuple[float, float]
    outbox: tuple[float, float]

    @property
    def words(self) -> str:
        """Say how many workers there are."""
        return "1 worker" if self.workers == 1 else f"{self.workers} workers"


def _drains(ground: Ground, count: int) -> list[Drain]:
    return [
        Drain(
            workers,
            _drain(Ours(ground), count, workers),
            _drain(Outbox(ground), count, workers),
        )
        for workers in (1, 2)
    ]


def _drained(drains: list[Drain]) -> Table:
    rows: list[Row] = []
    for drain in drains:
        for name, (rate, cpu) in (
            (Ours.name, drain.ours),
            (Outbox.name, drain.outbox),
        ):
            beside = times(drain.ours[0] / rate), times(cpu / drain.ours[1])
            rows.append((f"{name}, {drain.words}", number(rate), number(cpu), *beside))
    columns = (
        "",
        "records/s",
        "CPU s per million records",
        "ours ÷ it",
        "its CPU ÷ ours",
    )
    return Table("A backlog is drained", columns, rows)


def _drain_highlight(drain: Drain) -> Highlight:
    return Highlight(
        f"Draining a backlog, {drain.words}, records/s",
        number(drain.ours[0]),
        f"{Outbox.name}: {number(drain.outbox[0])}",
        times(drain.ours[0] / drain.outbox[0]),
    )


def _drain(system: Ours | Outbox, count: int, workers: int) -> tuple[float, float]:
    """Return records per second, and CPU seconds per million records."""
    progress(f"a backlog of {count:,} events, {workers} of: {system.name}")
    with system:
        if isinstance(system, Outbox):
            system.start()  # makes the tables
        fill(system, 1, count)
        system.ground.sink.reset()
        wanted = events.records_in(1, count)
        for _ in range(workers):
            system.work()
        system.wait_for_records(1)
        with system.meter() as meter:
            first = system.ground.sink.stats()
            system.wait_for_records(wanted, LONGEST_SECONDS)
            last = system.ground.sink.stats()
    seconds = last["last_at"] - first["last_at"]
    arrived = last["records"] - first["records"]
    return arrived / seconds, meter.total / arrived * 1e6


def _limit(ground: Ground, scale: Scale) -> float:
    """Return the records per second of a loop that only posts what was made before."""
    body = upload_body()
    request = load.post("/eu1/1/upload", body)
    ground.sink.reset()
    seconds = scale.seconds(LIMIT_SECONDS, 2.0)
    sent = load.run(
        ground.sink.port, itertools.repeat(request), clients=2, seconds=seconds
    )
    records: int = ground.sink.stats()["records"]
    return records / sent.seconds


def upload_body(records: int = 1_000) -> bytes:
    """Return a request of ours, as CleverTap gets it."""
    made = (
        f'{{"identity":"u{n}@example.com","ts":1795428900,"type":"event","evtName":'
        '"Referred App Install","evtData":{"Channel":"whatsapp","Content":"spring-7",'
        '"Status":"valid"}}'
        for n in range(records)
    )
    return f'{{"d":[{",".join(made)}]}}'.encode()
