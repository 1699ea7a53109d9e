"""A system under measurement: its processes, its database, its broker."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import redis

from benchmarks import events, load
from benchmarks.ground import Ground
from benchmarks.report import progress
from benchmarks.usage import Meter
from tests.harness.commands import ROOT, production
from tests.harness.process import Process, free_port, listening
from tests.harness.valkey import Valkey

#: Everyone's: one per core, as the Procfile has it without WEB_CONCURRENCY.
WEB_PROCESSES: Final = 2
WEB_THREADS: Final = 8
#: Redis is somebody's only queue, so it keeps its log on disk for all.
KEPT: Final = ("--appendonly", "yes", "--appendfsync", "everysec")
START_SECONDS: Final = 90
#: How much of its log a process shows when its measurement failed.
LOG_CHARACTERS: Final = 3_000


class System:
    """Whatever takes events over HTTP and delivers records to the sink.

    `name` is what the tables call it. `start` brings the web processes up, `work` adds
    a worker; `close` ends everything and drops the database.
    """

    name: ClassVar[str] = ""
    path: ClassVar[str] = "/v1/events"

    def __init__(self, ground: Ground, *, broker: bool = True) -> None:
        self.ground = ground
        self.broker = Valkey(*KEPT) if broker else None
        self.port = free_port()
        self.key = ""
        self.webs: list[Process] = []
        self.workers: list[Process] = []
        self.database = self.make_database()
        self.env = production(**self.environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, fault: object, *_: object) -> None:
        if fault:
            for process in (*self.webs, *self.workers):
                progress(f"{process.log_path.name}: {process.log[-LOG_CHARACTERS:]}")
        self.close()

    # What each kind of system says of itself

    def make_database(self) -> str:
        """Make a fresh database and return its name."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the variables of its processes."""
        raise NotImplementedError

    def web_command(self) -> Sequence[str | Path]:
        """Return what starts the web process on `self.port`."""
        raise NotImplementedError

    def worker_command(self) -> Sequence[str | Path]:
        """Return what starts one worker."""
        raise NotImplementedError

    # Processes

    def start(self) -> None:
        """Start the web processes, and wait until they answer."""
        web = self.run("web", self.web_command())
        web.wait_until_ready(listening(self.port), START_SECONDS)
        self.webs.append(web)

    def work(self, **env: str) -> Process:
        """Start one more worker."""
        worker = self.run("worker", self.worker_command(), **env)
        self.workers.append(worker)
        return worker

    def run(self, name: str, command: Sequence[str | Path], **env: str) -> Process:
        """Start a process in the system's environment; its output goes to a file."""
        log = self.ground.folder / f"{type(self).__name__}-{name}-{free_port()}.log"
        return Process(command, log=log, env={**self.env, **env}, cwd=ROOT)

    def stop_workers(self) -> None:
        """End the workers as a platform does."""
        while self.workers:
            self.workers.pop().stop()

    def stop_all(self) -> None:
        """End workers and web processes as a platform does."""
        self.stop_workers()
        while self.webs:
            self.webs.pop().stop()

    def close(self) -> None:
        """End every process and drop the database."""
        self.stop_all()
        if self.broker:
            self.broker.stop()
        self.drop_database()

    def drop_database(self) -> None:
        """Remove what `make_database` made."""
        self.ground.server.drop(self.database)

    # Events

    def requests(self, bodies: Iterable[bytes]) -> Iterator[bytes]:
        """Return whole requests that bring `bodies`."""
        return (load.post(self.path, body, key=self.key) for body in bodies)

    def warm_up(self) -> None:
        """Open connections and import what is imported late, before the clock runs.

        Where a worker runs, waits until what was sent has arrived.
        """
        count, first = 400, 5_000_000
        self.ground.sink.reset()
        bodies = events.bodies(count, 20, run="warm", first=first)
        load.run(self.port, self.requests(bodies), clients=WEB_THREADS)
        if self.workers:
            self.wait_for_records(events.records_in(first, count))

    def wait_for_records(self, count: int, seconds: float = 60) -> None:
        """Wait until so many records have arrived at the sink since its reset."""
        load.wait_for(
            lambda: self.ground.sink.stats()["records"] >= count,
            seconds,
            what=f"{self.name}: {count} records at the sink",
        )

    # Costs

    def meter(self) -> Meter:
        """Return a meter of everything that the system runs on."""
        groups = {
            "web": [process.pid for process in self.webs],
            "worker": [process.pid for process in self.workers],
            "database": [self.ground.server.process.pid],
            "broker": [self.broker.process.pid] if self.broker else [],
            "sink": [self.ground.sink.process.pid],
        }
        return Meter(groups)

    def commands_of_broker(self) -> int:
        """Return how many commands Valkey has carried out, our own look excluded."""
        if self.broker is None:
            return 0
        with redis.Redis.from_url(self.broker.url) as client:
            done: Mapping[str, Any] = client.info("commandstats")
        own = {"cmdstat_info", "cmdstat_hello", "cmdstat_client", "cmdstat_config"}
        return sum(
            row["calls"]
            for name, row in done.items()
            if own.isdisjoint({name.partition("|")[0]})
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query finds in the system's database."""
        return self.ground.ask(query, database=self.database)


def programs(python: Path = Path(sys.executable)) -> str:
    """Return a PATH that begins with an environment's programs."""
    return f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
