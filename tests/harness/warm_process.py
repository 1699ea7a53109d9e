"""Starts the product's processes in a fraction of their time: forks of one that is warm.

Most of a start is the import of libraries and of our modules. A warm process has
imported them, though no settings (see `tests.harness.warm_modules`), and forks at the
word of a test. What comes out is a process like any other: same arguments, own
environment, own settings, own process group.

Run as a program, this file is the warm process: orders come by its standard input, and
what became of them goes by its standard output, as lines of JSON.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from tests.harness import warm_modules

#: What the commands of the Procfile run.
PROGRAMS: Final = {
    "celery": ("celery.__main__", "main"),
    "gunicorn": ("gunicorn.app.wsgiapp", "run"),
}
#: What is run as a script, from the folder that the order names.
SCRIPTS: Final = ("manage.py",)
#: What they import of others, as far as that needs no settings.
LIBRARIES: Final = (
    *("celery.apps.worker", "celery.bin.celery", "celery.concurrency.thread"),
    *("celery.worker.worker", "kombu.transport.redis", "redis"),
    *("gunicorn.app.wsgiapp", "gunicorn.workers.base", "whitenoise.middleware"),
    *("uvicorn", "uvicorn.protocols.http.httptools_impl"),
    *("django.contrib.admin", "django.contrib.auth", "django.db.models"),
    *("django.core.management", "django.db.backends.sqlite3.base", "environ"),
    *("cryptography.fernet", "msgspec", "psycopg_pool", "requests", "sentry_sdk"),
    *("sentry_sdk.integrations.celery", "sentry_sdk.integrations.django"),
)
POLL_SECONDS: Final = 0.02


class Forked:
    """A forked process, to its starter like a `subprocess.Popen`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.ended = threading.Event()
        #: Called once it has ended: from then on its number may be another's.
        self.at_end: Callable[[], object] = lambda: None

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, or raise `subprocess.TimeoutExpired`."""
        if not self.ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)


class Nursery:
    """The warm process's starter. It ends with this process, its forks do not."""

    def __init__(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=Path(__file__).resolve().parent.parent.parent,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._orders: IO[str] = process.stdin
        self._forks: dict[int, Forked] = {}
        self._born = threading.Condition()
        self._newest: Forked | None = None
        threading.Thread(
            target=self._listen, args=(process.stdout,), daemon=True
        ).start()

    def start(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        errors: Path | None = None,
        read: Path | None = None,
    ) -> Forked:
        """Start a command of the Procfile, or manage.py, as a shell would with `exec`.

        It prints into `log`, its errors too unless they have a file, and reads `read`.
        """
        order = {
            "arguments": list(arguments),
            "env": dict(env),
            "cwd": str(cwd),
            "log": str(log),
            "errors": str(errors or log),
            "read": str(read or os.devnull),
        }
        with self._born:
            self._newest = None
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
            if not self._born.wait_for(lambda: self._newest, 60):
                message = "The warm process did not fork."
                raise RuntimeError(message)
            assert self._newest is not None
            return self._newest

    def close(self) -> None:
        """End the warm process."""
        self._orders.close()
        self._process.wait(10)

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            said = json.loads(line)
            pid = said["pid"]
            with self._born:
                if "status" not in said:
                    self._forks[pid] = self._newest = Forked(pid)
                    self._born.notify_all()
                    continue
            fork = self._forks.pop(pid)
            fork.returncode = said["status"]
            fork.ended.set()
            fork.at_end()


@functools.cache
def nursery() -> Nursery:
    """Return this process's nursery, started when first needed."""
    made = Nursery()
    atexit.register(made.close)
    return made


# The warm process


def main() -> None:
    """Fork at each order, until there is nobody left to give any."""
    for name in LIBRARIES:
        importlib.import_module(name)
    variables = warm_modules.import_modules()
    # The collector of a fork would write to the pages of all that it got from here, and
    # so copy them.
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    buffer = b""
    while True:
        ready, _, _ = select.select([0], [], [], POLL_SECONDS if children else None)
        if ready:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                order["env"] = variables | order["env"]
                pid = _fork(order)
                children.add(pid)
                _say(pid=pid)
        _report(children)


def _report(children: set[int]) -> None:
    for pid in list(children):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            # What it left behind goes too, as long as the number is surely its own.
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            children.discard(pid)
            _say(pid=pid, status=os.waitstatus_to_exitcode(status))


def _say(**said: int) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


def _fork(order: Mapping[str, Any]) -> int:
    """Return the fork's process ID; the fork carries out the order and ends."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(reading)
        os.close(writing)
        _live(order)
    os.close(writing)
    # Its own group first: a signal to the group must not come too early.
    os.read(reading, 1)
    os.close(reading)
    return pid


def _live(order: Mapping[str, Any]) -> NoReturn:
    """Carry out the order, and end as a program does that was started for it.

    What Python takes apart last, module by module, takes it longer than most orders, and
    nobody sees it; whoever a process forks ends here, too.
    """
    status: object = 1
    try:
        _become(order)
        status = None
    except SystemExit as ending:
        status = ending.code
    except KeyboardInterrupt:
        traceback.print_exc()
        status = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status or 0)


def _become(order: Mapping[str, Any]) -> None:
    writing = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for target, path, flags in (
        (0, order["read"], os.O_RDONLY),
        (1, order["log"], writing),
        (2, order["errors"], writing),
    ):
        source = os.open(path, flags, 0o644)
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    time.tzset()
    sys.argv = list(order["arguments"])
    if sys.argv[0] in SCRIPTS:
        runpy.run_path(str(Path(sys.argv[0]).absolute()), run_name="__main__")
        return
    module, function = PROGRAMS[sys.argv[0]]
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    main()
