"""`make people`: how soon an install goes out once somebody says whose it is.

Installs are posted under an anonymous ID alone, and wait. Then as many links are put, at a
steady rate, with and without ordinary events beside them. Prints, for each database, what
share was at CleverTap within two seconds of its link's answer: `make people ARGS="--kind
sqlite"`. The stand-in for CleverTap is the benchmarks' sink, in a process of its own.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import events, load
from benchmarks.ground import Sink
from benchmarks.report import Row, Table, percentile
from tests.harness.databases import KINDS
from tests.harness.environment import Kind
from tests.harness.stack import Stack

SOON_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 600.0
CLIENTS: Final = 4
CALM_SECONDS: Final = 10.0
BODY_OF_INSTALLS: Final = 1_000
#: As in production, where a stack for tests is quicker.
SWEEP_SECONDS: Final = "5"
#: Whoever waits, and whoever was not looked up yet.
WAITING: Final = """
    SELECT count(*), count(CASE WHEN fresh THEN 1 END) FROM clevertap_sync_waitingrecord
"""
COLUMNS: Final = (
    "",
    "links/s",
    "within 2 s",
    "p50, ms",
    "p99",
    "slowest",
    "at CleverTap",
    "ordinary p50, ms",
    "p99",
    "balanced",
)


@dataclass
class Load:
    """What is sent: so many people, linked so many a second, so many in a request.

    `beside` is how many ordinary events a second go by, in requests of `ordinary_size`.
    """

    people: int
    rate: int
    size: int
    beside: int
    ordinary_size: int

    def starts(self) -> list[float]:
        """Return when each request with links goes out, in seconds."""
        return [n * self.size / self.rate for n in range(-(-self.people // self.size))]

    @property
    def seconds(self) -> float:
        """Return how long the links take."""
        return self.people / self.rate


@dataclass
class Seen:
    """How long records took from their request's answer to the sink, in seconds."""

    linked: list[float] = field(default_factory=list)
    ordinary: list[float] = field(default_factory=list)
    rate: float = 0.0


class Run:
    """One database's stack, with people and events that are numbered on."""

    def __init__(self, stack: Stack, sink: Sink, wanted: Load) -> None:
        self._stack = stack
        self._sink = sink
        self._load = wanted
        self._next_person = 0
        self._next_event = 1_000_000
        self._numbering = threading.Lock()
        self._port = int(stack.web_url.rpartition(":")[2])
        self._key = stack.keys["shop"]

    def warm_up(self) -> None:
        """Let everything have happened once."""
        self._link(self._post_installs(100), Seen(), count=100)
        self._pass_by(Seen(), 1.0, rate=50)

    def measure_calm(self) -> list[str]:
        """Measure ordinary events alone; return the row."""
        seen = Seen()
        self._sink.reset(traces=True)
        sent = self._pass_by(seen, CALM_SECONDS, rate=self._load.beside)
        return self._row("ordinary alone", seen, sent)

    def measure_more(self) -> list[str]:
        """Measure ordinary events beside more of their kind, as many as links; return the row.

        What links cost those beside them is what is more than this.
        """
        seen, sent = Seen(), []
        self._sink.reset(traces=True)

        def bring_more() -> None:
            sent.append(
                self._pass_by(
                    Seen(),
                    self._load.seconds,
                    rate=self._load.rate,
                    size=self._load.size,
                )
            )

        more = threading.Thread(target=bring_more)
        more.start()
        sent.append(self._pass_by(seen, self._load.seconds + 1, rate=self._load.beside))
        more.join()
        return self._row("ordinary beside ordinary", seen, sum(sent))

    def measure_links(self, *, beside: bool) -> list[str]:
        """Measure links, with ordinary events `beside` them or not; return the row."""
        first = self._post_installs(self._load.people)
        seen, sent = Seen(), [self._load.people]
        self._sink.reset(traces=True)

        def pass_by() -> None:
            sent.append(
                self._pass_by(seen, self._load.seconds + 1, rate=self._load.beside)
            )

        ordinary = threading.Thread(target=pass_by)
        if beside:
            ordinary.start()
        self._link(first, seen, count=self._load.people)
        if beside:
            ordinary.join()
        return self._row(
            "links beside ordinary" if beside else "links alone", seen, sum(sent)
        )

    def _post_installs(self, count: int) -> int:
        """Post installs, and return the first's number once all of them wait."""
        first, self._next_person = self._next_person, self._next_person + count
        requests = (
            load.post("/v1/events", body, key=self._key)
            for body in _build_installs(first, count)
        )
        load.run(self._port, requests)
        self._wait_for_waiting(count)
        return first

    def _wait_for_waiting(self, count: int) -> None:
        self._stack.wait_until(
            lambda: list(self._stack.database.rows(WAITING)) == [(count, 0)],
            SETTLE_SECONDS,
        )

    def _link(self, first: int, seen: Seen, *, count: int) -> None:
        size = self._load.size
        requests = (
            load.put("/v1/people", body, key=self._key)
            for body in _build_links(first, count, size)
        )
        starts = self._load.starts()[: -(-count // size)]
        sent = load.run(self._port, requests, clients=CLIENTS, starts=starts)
        self._wait_for_waiting(0)
        self._stack.wait_until_settled(SETTLE_SECONDS)
        seen.rate = count / sent.seconds
        arrivals = self._sink.arrivals()
        for number, answered_at in zip(sent.numbers, sent.answered_at, strict=True):
            begin = first + number * size
            seen.linked += [
                max(0.0, arrivals[f"late-{each}@example.com"] - answered_at)
                for each in range(begin, min(begin + size, first + count))
                if f"late-{each}@example.com" in arrivals
            ]

    def _pass_by(
        self, seen: Seen, seconds: float, *, rate: int, size: int | None = None
    ) -> int:
        """Send ordinary events for so long; return how many records they have."""
        size = size or self._load.ordinary_size
        count = int(rate * seconds) // size * size
        with self._numbering:
            first, self._next_event = self._next_event, self._next_event + count
        requests = (
            load.post("/v1/events", body, key=self._key)
            for body in events.bodies(count, size, run="beside", first=first)
        )
        starts = [n * size / rate for n in range(count // size)]
        sent = load.run(self._port, requests, clients=CLIENTS, starts=starts)
        self._stack.wait_until_settled(SETTLE_SECONDS)
        arrivals = self._sink.arrivals()
        for number, answered_at in zip(sent.numbers, sent.answered_at, strict=True):
            begin = first + number * size
            seen.ordinary += [
                max(0.0, arrivals[f"u{each}@example.com"] - answered_at)
                for each in range(begin, begin + size)
                if f"u{each}@example.com" in arrivals
            ]
        return events.records_in(first, count)

    def _row(self, name: str, seen: Seen, sent: int) -> list[str]:
        self._stack.wait_until_settled(SETTLE_SECONDS)
        soon = sum(each <= SOON_SECONDS for each in seen.linked)
        arrived = self._sink.stats()["records"]
        balanced = all(each["balanced"] for each in self._stack.status())
        return [
            name,
            f"{seen.rate:.0f}" if seen.linked else "",
            f"{soon / self._load.people:.2%}" if seen.linked else "",
            *_spell(seen.linked, 50, 99, 100),
            f"{arrived} of {sent}",
            *_spell(seen.ordinary, 50, 99),
            "yes" if balanced and arrived == sent else "NO",
        ]


def main(arguments: Sequence[str]) -> int:
    """Measure, and print a table for each database. The status is 0 if books balance."""
    options = _parse(arguments)
    wanted = Load(
        *(options.people, options.rate, options.size),
        *(options.beside, options.ordinary_size),
    )
    kinds = [options.kind] if options.kind else KINDS
    balanced = [_measure(kind, wanted) for kind in kinds]
    return int(not all(balanced))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make people", description=__doc__)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=1_000, help="links a second")
    parser.add_argument("--size", type=int, default=20, help="links in a request")
    parser.add_argument("--beside", type=int, default=500, help="events a second")
    parser.add_argument("--ordinary-size", type=int, default=10, help="in a request")
    return parser.parse_args(arguments)


def _measure(kind: Kind, wanted: Load) -> bool:
    """Return whether the books balance, and nothing arrived twice or never."""
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(Path(folder))
        try:
            with Stack(
                kind,
                Path(folder),
                CLEVERTAP_BASE_URL=sink.template,
                SWEEP_SECONDS=SWEEP_SECONDS,
            ) as stack:
                stack.web()
                stack.worker()
                stack.provision("shop", "--loose-ids", "anonymous_id")
                run = Run(stack, sink, wanted)
                run.warm_up()
                rows: list[Row] = [
                    run.measure_links(beside=False),
                    run.measure_calm(),
                    run.measure_more(),
                    run.measure_links(beside=True),
                ]
        finally:
            sink.process.stop()
    sys.stdout.write(f"{Table(kind, COLUMNS, rows).text()}\n\n")
    return all(row[-1] == "yes" for row in rows)


def _build_installs(first: int, count: int) -> Iterator[bytes]:
    for begin in range(first, first + count, BODY_OF_INSTALLS):
        installs = [
            {
                "id": f"install-{number}",
                "type": "app_install",
                "via": "smart_link",
                "user": {"identities": {"anonymous_id": f"anonymous-{number}"}},
            }
            for number in range(begin, min(begin + BODY_OF_INSTALLS, first + count))
        ]
        yield json.dumps({"events": installs}).encode()


def _build_links(first: int, count: int, size: int) -> Iterator[bytes]:
    for begin in range(first, first + count, size):
        people = [
            {
                "identities": {
                    "anonymous_id": f"anonymous-{number}",
                    "email": f"late-{number}@example.com",
                }
            }
            for number in range(begin, min(begin + size, first + count))
        ]
        yield json.dumps({"people": people}).encode()


def _spell(seconds: Sequence[float], *percents: int) -> list[str]:
    """Return percentiles in milliseconds."""
    return [
        f"{1000 * percentile(seconds, each):.0f}" if seconds else ""
        for each in percents
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
