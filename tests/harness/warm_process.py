"""The warm process: it has imported what the product's processes import, and forks them.

Most of a start is the import of libraries and of our modules. This process has imported
them, though no settings (see `tests.harness.warm_modules`), and forks at the word of a
test. What comes out is a process like any other: same arguments, own environment, own
settings, own process group.

It is run as a program by `tests.harness.nursery`, one for all of pytest's processes of a
run. Each connects to the socket that is its standard input, and is greeted as soon as it
may order. Its orders come, and what became of them goes back, as lines of JSON. What it
has ordered ends with its connection, and the warm process with the last one.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

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
    *("celery.__main__", "celery.apps.worker", "celery.bin.celery"),
    *("celery.app.control", "celery.app.log", "celery.backends.base"),
    *("celery.concurrency.thread", "celery.contrib.django.task"),
    *("celery.worker.autoscale", "celery.worker.components", "celery.worker.consumer"),
    *("celery.worker.loops", "celery.worker.strategy", "celery.worker.worker"),
    *("kombu.mixins", "kombu.transport.redis", "redis"),
    *("gunicorn.app.wsgiapp", "gunicorn.glogging", "gunicorn.workers.base"),
    *("uvicorn", "uvicorn.lifespan.off", "uvicorn.protocols.http.httptools_impl"),
    *("whitenoise.middleware", "environ"),
    *("django.contrib.admin", "django.contrib.auth", "django.core.management"),
    *("django.core.wsgi", "django.db.models", "django.db.models.sql.compiler"),
    *("django.db.backends.postgresql.base", "django.db.backends.sqlite3.base"),
    *("django.template.loaders.app_directories", "django.template.loaders.cached"),
    *("cryptography.fernet", "msgspec", "psycopg_pool", "requests", "sentry_sdk"),
    *("sentry_sdk.integrations.celery", "sentry_sdk.integrations.django"),
)
POLL_SECONDS: Final = 0.02
COLLECT_AFTER: Final = 50_000
#: What a starter gets first.
GREETING: Final = b"\n"


def main() -> None:
    """Fork at each order, until there is nobody left to give any."""
    for name in LIBRARIES:
        importlib.import_module(name)
    variables = warm_modules.import_modules()
    # The collector of a fork would write to the pages of all that it got from here, and
    # so copy them. It looks rarely, as a worker's does: a fifth of what migrations take.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    Brood(socket.socket(fileno=0), variables).serve()


class Brood:
    """The forks, and the connections of who has ordered them.

    `variables` is what a fork's environment has unless the order says otherwise.
    """

    def __init__(self, listener: socket.socket, variables: Mapping[str, str]) -> None:
        self._listener = listener
        self._variables = variables
        #: What each has sent of an order that is not whole yet.
        self._starters: dict[socket.socket, bytes] = {}
        self._forks: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Carry out orders from the first connection on, until none is left."""
        while True:
            asked = [self._listener, *self._starters]
            pause = POLL_SECONDS if self._forks else None
            for each in select.select(asked, [], [], pause)[0]:
                if each is self._listener:
                    self._welcome()
                elif data := _receive(each):
                    self._hear(each, data)
                else:
                    self._let_go(each)
            self._report()
            if not self._starters:
                return

    def _welcome(self) -> None:
        starter, _ = self._listener.accept()
        self._starters[starter] = b""
        _send(starter, GREETING)

    def _hear(self, starter: socket.socket, data: bytes) -> None:
        *lines, rest = (self._starters[starter] + data).split(b"\n")
        self._starters[starter] = rest
        for line in lines:
            order = json.loads(line)
            order["env"] = {**self._variables, **order["env"]}
            pid = _fork(order, self._starters)
            self._forks[pid] = starter
            _say(starter, pid=pid)

    def _let_go(self, starter: socket.socket) -> None:
        """End what a starter has ordered that is there no more."""
        starter.close()
        del self._starters[starter]
        for pid, other in self._forks.items():
            if other is starter:
                _kill_group(pid)

    def _report(self) -> None:
        for pid, starter in list(self._forks.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                # What it left behind goes too, as long as the number is surely its own.
                _kill_group(pid)
                _, status = os.waitpid(pid, 0)
                del self._forks[pid]
                if starter in self._starters:
                    _say(starter, pid=pid, status=os.waitstatus_to_exitcode(status))


def _receive(starter: socket.socket) -> bytes:
    """Return what has come; nothing where the starter is gone."""
    try:
        return starter.recv(65536)
    except ConnectionError:
        return b""


def _say(starter: socket.socket, **said: int) -> None:
    _send(starter, json.dumps(said).encode() + b"\n")


def _send(starter: socket.socket, data: bytes) -> None:
    # Who is gone is noticed as soon as it is heard again.
    with suppress(ConnectionError):
        starter.sendall(data)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _fork(order: Mapping[str, Any], connections: Iterable[socket.socket]) -> int:
    """Return the fork's process ID; the fork carries out the order and ends.

    It keeps none of the connections.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(reading)
        os.close(writing)
        for each in connections:
            each.close()
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
