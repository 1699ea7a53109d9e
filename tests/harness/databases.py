"""A fresh, migrated database for each test that runs real processes.

A run migrates one of each kind. All others are copies of it, in a fiftieth of the time.
"""

import fcntl
import functools
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg

from tests.harness import postgres
from tests.harness.commands import manage, production
from tests.harness.environment import Kind
from tests.harness.process import PATIENCE_SECONDS, shared_folder

KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


class Database(Protocol):
    """One database with the product's tables in it."""

    url: str

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Return what a query finds, read beside the running processes."""

    def execute(self, statement: str) -> None:
        """Change what is stored, beside the running processes."""

    def drop(self) -> None:
        """Remove the database, whoever is still connected to it."""


class SQLite:
    """A file of its own."""

    def __init__(self, path: Path, *, is_migrated: bool = True) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        if is_migrated:
            shutil.copyfile(_sqlite_template(), path)

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Return what a query finds, read beside the running processes."""
        with closing(
            sqlite3.connect(self.path, timeout=PATIENCE_SECONDS)
        ) as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        """Change what is stored, beside the running processes."""
        # Who writes is waited for, however long that takes.
        with (
            closing(sqlite3.connect(self.path, timeout=PATIENCE_SECONDS)) as connection,
            connection,
        ):
            connection.execute(statement)

    def drop(self) -> None:
        """Remove the file and its companions."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()


class PostgreSQL:
    """A database of its own on the server of this run, or on another `server`."""

    def __init__(
        self, server: postgres.Server | None = None, *, is_migrated: bool = True
    ) -> None:
        self._server = server or postgres.server()
        template = _postgresql_template(self._server) if is_migrated else "template0"
        self.name = self._server.create(template=template)
        self.url = self._server.url_of(self.name)
        self._reader: psycopg.Connection[tuple[Any, ...]] | None = None
        self._reading = threading.Lock()

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Return what a query finds, read beside the running processes.

        One connection is kept for all queries: to make one costs the server seventy times
        what a query does, and who waits asks again and again.
        """
        with self._reading:
            if self._reader:
                with suppress(psycopg.OperationalError):
                    return self._reader.execute(query.encode()).fetchall()
                # The server was restarted since, or has ended the connection.
                self._reader.close()
            self._reader = None
            self._reader = psycopg.connect(self.url, autocommit=True)
            return self._reader.execute(query.encode()).fetchall()

    def execute(self, statement: str) -> None:
        """Change what is stored, beside the running processes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def drop(self) -> None:
        """Drop the database, whoever is still connected to it."""
        with self._reading:
            if self._reader:
                self._reader.close()
        self._server.drop(self.name)


def fresh(kind: Kind, folder: Path, *, is_migrated: bool = True) -> Database:
    """Return a database that nobody else uses, without a table if it is not migrated."""
    if kind == "postgresql":
        return PostgreSQL(is_migrated=is_migrated)
    return SQLite(folder / "db.sqlite3", is_migrated=is_migrated)


@functools.cache
def _sqlite_template() -> Path:
    path = shared_folder() / "db.sqlite3"
    _make_once("sqlite", lambda: _migrate(f"sqlite:///{path}"))
    return path


@functools.cache
def _postgresql_template(server: postgres.Server) -> str:
    name = f"template_{shared_folder().name.rpartition('-')[2].lower()}"

    def make() -> None:
        server.create(name)
        if _is_another_of_ours(server):
            _copy_tables(postgres.server(), server, name)
        else:
            _migrate(server.url_of(name))

    _make_once(f"postgresql-{urlsplit(server.url).port}", make)
    return name


def _is_another_of_ours(server: postgres.Server) -> bool:
    """Say whether this run has a server of its own, and this is one more."""
    is_the_run_s = server.url == postgres.server().url
    return not is_the_run_s and postgres.find_socket_folder() is not None


def _copy_tables(source: postgres.Server, target: postgres.Server, name: str) -> None:
    """Fill the empty database `name` with what the source's template has."""
    programs = postgres.find_programs()
    dumped = subprocess.run(
        [programs / "pg_dump", "--dbname", source.url_of(_postgresql_template(source))],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [
            *(programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1"),
            *("--no-psqlrc", "--dbname", target.url_of(name)),
        ],
        input=dumped.stdout,
        check=True,
        capture_output=True,
    )


def _make_once(name: str, make: Callable[[], None]) -> None:
    """Call `make` in the first process of the run that comes here; others wait for it."""
    with (shared_folder() / f"{name}.made").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size == 0:
            make()
            file.write(b"yes")


def _migrate(url: str) -> None:
    manage("migrate", "--verbosity", "0", env=production(DATABASE_URL=url), warm=True)
