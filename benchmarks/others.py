"""The peers' processes, each in its best reasonable configuration."""

import functools
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from benchmarks.load import HERE
from benchmarks.system import WEB_PROCESSES, WEB_THREADS, System, programs
from tests.harness.commands import ROOT

ENVIRONMENT: Final = ROOT / ".venv-bench"
PINNED: Final = ROOT / "benchmarks" / "requirements-peers.txt"
STAMP: Final = ENVIRONMENT / ".requirements-peers"


@functools.cache
def peers_python() -> Path:
    """Return the interpreter of the peers' environment, made when it is missing or old."""
    python = ENVIRONMENT / "bin" / "python"
    if not STAMP.exists() or STAMP.read_bytes() != PINNED.read_bytes():
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        subprocess.run(
            [
                *(str(python), "-m", "pip", "install", "--quiet"),
                *("--disable-pip-version-check", "--require-hashes", "-r", str(PINNED)),
            ],
            check=True,
        )
        STAMP.write_bytes(PINNED.read_bytes())
    return python


class Peer(System):
    """A way of doing it in Django: `view` takes the events, `tasks` are Celery's."""

    view: ClassVar[str]
    tasks: ClassVar[str] = ""
    #: In an environment of its own, where it wants other versions than we do.
    apart: ClassVar[bool] = False
    #: How many messages Celery takes ahead per process or thread; 0: no limit.
    prefetch: ClassVar[int] = 32

    @property
    def python(self) -> Path:
        """Return the interpreter that its processes run on."""
        return peers_python() if self.apart else Path(sys.executable)

    def make_database(self) -> str:
        """Make a database with the peers' tables."""
        return self.ground.server.create()

    def environment(self) -> dict[str, str]:
        """Return the variables of its processes."""
        return {
            "PATH": programs(self.python),
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings",
            "DATABASE_URL": self.ground.server.url_of(self.database),
            "REDIS_URL": self.broker.url if self.broker else "",
            "CLEVERTAP_BASE_URL": self.ground.sink.template,
            "PEER_VIEW": f"benchmarks.peers.{self.view}",
            "PEER_PREFETCH": str(self.prefetch),
            "PEER_TASKS": f"benchmarks.peers.{self.tasks}" if self.tasks else "",
        }

    def start(self) -> None:
        """Make the tables, then start the web processes."""
        migrate = [str(self.python), "-m", "django", "migrate", "--run-syncdb"]
        self.run("migrate", migrate).wait(60)
        super().start()

    def web_command(self) -> Sequence[str | Path]:
        """Return gunicorn with as many processes and threads as ours has."""
        return [
            *(self.python, "-m", "gunicorn", "--bind", f"{HERE}:{self.port}"),
            *("--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS)),
            *("--config", ROOT / "benchmarks" / "peers" / "gunicorn_conf.py"),
            "benchmarks.peers.wsgi",
        ]

    def celery(self, *options: str) -> Sequence[str | Path]:
        """Return a Celery worker with these options and no idle talk."""
        return [
            *(self.python, "-m", "celery", "--quiet"),
            *("--app", "benchmarks.peers.celery_app", "worker", "--loglevel", "ERROR"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", *options),
        ]


class PerRecord(Peer):
    """One task per record, one POST per task, in processes."""

    name = "one Celery task per record (prefork)"
    view = "view_tasks"
    tasks = "per_record"

    def worker_command(self) -> Sequence[str | Path]:
        """Return a pool with more processes than cores, because each waits for the sink."""
        return self.celery("--concurrency=4", "-O", "fair")


class PerRecordThreads(PerRecord):
    """The same in threads."""

    name = "one Celery task per record (threads)"

    def worker_command(self) -> Sequence[str | Path]:
        """Return a pool of threads."""
        return self.celery("--pool=threads", "--concurrency=16")


class Batches(Peer):
    """celery-batches: one task per record, one POST for up to a thousand."""

    name = "celery-batches"
    view = "view_tasks"
    tasks = "batches"
    prefetch = 0
    apart = True

    def worker_command(self) -> Sequence[str | Path]:
        """Return two processes; as its documentation asks, nothing limits the prefetch."""
        return self.celery("--concurrency=2")


class Outbox(Peer):
    """A row per delivery, claimed with SKIP LOCKED, a thousand to a request."""

    name = "a row per delivery (SKIP LOCKED)"
    view = "view_outbox"
    threads: ClassVar[int] = 4

    def worker_command(self) -> Sequence[str | Path]:
        """Return one process of threads, as our worker is one."""
        return [self.python, "-m", "benchmarks.peers.outbox", str(self.threads)]


class Framework(Peer):
    """Django REST framework with `bulk_create(ignore_conflicts=True)`. Delivers nothing."""

    name = "Django REST framework"
    view = "view_drf"
    apart = True


class DecodeOnly(Peer):
    """An endpoint that decodes the events and stores nothing."""

    name = "decode and forget"
    view = "view_decode"
