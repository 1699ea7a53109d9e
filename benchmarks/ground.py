"""What all systems stand on: one PostgreSQL with fsync, and the sink in CleverTap's place."""

import json
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from benchmarks.load import HERE, Client, get
from tests.harness import postgres
from tests.harness.commands import ROOT, production
from tests.harness.process import Process, free_port, listening, temporary_folder

#: Of PostgreSQL's own settings only this one is changed, for everyone: with 1 GB a
#: checkpoint would fall into one measurement and not into the next.
WAL_BEFORE_CHECKPOINT: Final = "8GB"


class Sink:
    """The sink, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.template = f"http://{HERE}:{self.port}/{{location}}"
        self.process = Process(
            [sys.executable, "-m", "benchmarks.sink", str(self.port)],
            log=folder / "sink.log",
            env=production(),
            cwd=ROOT,
        ).wait_until_ready(listening(self.port))

    def reset(
        self, *, delay: float = 0.0, limit: int = 0, traces: bool = False
    ) -> None:
        """Count from nothing; answer after `delay` seconds, at most `limit` at a time."""
        self._ask(f"reset?delay={delay}&limit={limit}&traces={int(traces)}")

    def stats(self) -> dict[str, Any]:
        """Return what arrived since the last reset."""
        return self._ask("stats")

    def arrivals(self) -> Mapping[str, float]:
        """Return when each identity's first record arrived, where it was told to note it."""
        return self._ask("arrivals")

    def _ask(self, what: str) -> dict[str, Any]:
        client = Client(self.port)
        try:
            status, body = client.ask(get(f"/sink/{what}"))
        finally:
            client.close()
        if status != HTTPStatus.OK:
            message = f"The sink answered {status} to {what}."
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(body)
        return answer


class Ground:
    """The database server and the sink of one run; `close` ends both."""

    def __init__(self) -> None:
        self.folder = temporary_folder("benchmark")
        self.server = postgres.PostgreSQL(durable=True)
        self.sink = Sink(self.folder)
        self.ask(f"ALTER SYSTEM SET max_wal_size = '{WAL_BEFORE_CHECKPOINT}'")
        self.ask("SELECT pg_reload_conf()")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.process.stop()
        self.server.stop()

    def ask(self, query: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Return what one statement of our own finds, outside any transaction."""
        url = self.server.url_of(database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []
