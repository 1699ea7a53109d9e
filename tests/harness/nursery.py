"""Starts the product's processes in a fraction of their time: forks of one that is warm.

All processes of a run share the warm one (see `tests.harness.warm_process`): who needs it
first starts it.
"""

import fcntl
import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.harness import warm_process
from tests.harness.forked import Forked
from tests.harness.process import PATIENCE_SECONDS, shared_folder

ROOT: Final = Path(__file__).resolve().parent.parent.parent


class Nursery:
    """A connection to the warm process, which ends with the last one.

    What was started by a connection ends with it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._forks: dict[int, Forked] = {}
        self._born = threading.Condition()
        self._newest: Forked | None = None
        threading.Thread(target=self._listen, daemon=True).start()

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
            try:
                self._connection.sendall(json.dumps(order).encode() + b"\n")
            except OSError as error:
                message = "The connection to the warm process has ended."
                raise RuntimeError(message) from error
            if not self._born.wait_for(lambda: self._newest, PATIENCE_SECONDS):
                message = "The warm process did not fork."
                raise RuntimeError(message)
            assert self._newest is not None
            return self._newest

    def close(self) -> None:
        """End the connection, as the end of this process would."""
        self._connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._connection, self._connection.makefile("rb") as lines:
            for line in lines:
                self._note(json.loads(line))

    def _note(self, said: Mapping[str, int]) -> None:
        pid = said["pid"]
        with self._born:
            if "status" not in said:
                self._forks[pid] = self._newest = Forked(pid)
                self._born.notify_all()
                return
        fork = self._forks.pop(pid)
        fork.returncode = said["status"]
        fork.ended.set()
        fork.at_end()


@functools.cache
def nursery() -> Nursery:
    """Return this process's connection to the warm process, made when first needed."""
    return connect()


def connect() -> Nursery:
    """Return a new connection to the run's warm process, which is started where none runs."""
    folder = shared_folder()
    address = str(folder / "nursery")
    with (folder / "nursery.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return Nursery(_connect(address) or _start(address))


def _connect(address: str) -> socket.socket | None:
    """Return a connection to the warm process; None where none runs, or it just ends."""
    connection = socket.socket(socket.AF_UNIX)
    with suppress(FileNotFoundError, ConnectionError):
        connection.connect(address)
        if _is_greeted(connection):
            return connection
    connection.close()
    return None


def _start(address: str) -> socket.socket:
    """Start the warm process, and return the first connection to it."""
    Path(address).unlink(missing_ok=True)
    connection = socket.socket(socket.AF_UNIX)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        # Before there is anybody to end for want of a connection, or to wait for one.
        connection.connect(address)
        _warm_processes.append(
            subprocess.Popen(
                [sys.executable, "-m", warm_process.__name__],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd=ROOT,
            )
        )
    if not _is_greeted(connection):
        connection.close()
        message = "The warm process has ended, as is written above."
        raise RuntimeError(message)
    return connection


def _is_greeted(connection: socket.socket) -> bool:
    with suppress(ConnectionError):
        return connection.recv(len(warm_process.GREETING)) == warm_process.GREETING
    return False


#: It ends with the run, perhaps long after this process: nobody waits for it.
_warm_processes: Final[list[subprocess.Popen[bytes]]] = []
