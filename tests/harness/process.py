"""A real process of a test: its own group, its log in a file, its end for certain."""

import atexit
import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, Self, TypedDict

from tests.harness.forked import Forked
from tests.harness.reaper import reaper

#: How long anything may take before it counts as hanging. No test is about how long it
#: takes, and a machine may have other things to do.
PATIENCE_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.03
#: What asks for a fifth of the time leaves the rest to what is waited for.
_PAUSES_PER_ASKING: Final = 4
_LONGEST_PAUSE_SECONDS: Final = 0.5
#: Names the folder that the processes of a run share.
SHARED: Final = "TEST_SHARED_FOLDER"
#: Below those that a kernel gives to connections by itself.
PORTS: Final = range(20_000, 32_000)


@atexit.register
def finish() -> None:
    """End what still runs, last started first, and remove what is left."""
    for process in reversed(list(_running.values())):
        process.finish()
    for claim in _claims:
        claim.close()
    reaper().close()


class Process:
    """A started process. It leads a process group of its own, so `pid` names both.

    `user` runs it as that user (only root can). `last_signal` is what ends it when the
    test run itself dies. `started` is given where it runs already. It inherits `pass_fds`.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        last_signal: signal.Signals = signal.SIGKILL,
        started: subprocess.Popen[bytes] | Forked | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = Path(arguments[0]).name
        self.log_path = log
        self._last_signal = last_signal
        with log.open("ab") as output:
            self._popen = started or subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
                pass_fds=pass_fds,
                **credentials(user),
            )
        self.pid = self._popen.pid
        reaper().watch_process(self.pid, last_signal)
        _running[self.pid] = self
        if isinstance(self._popen, Forked):
            # It is waited for by another process, whenever it ends.
            self._popen.at_end = lambda: self.returncode
            self._popen.at_end()

    @property
    def log(self) -> str:
        """Everything that the process has printed so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def returncode(self) -> int | None:
        """The exit status (negative: the signal's number), or None while it runs."""
        status = self._popen.poll()
        if status is not None:
            self._forget()
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its children."""
        self._popen.send_signal(number)

    def children(self) -> list[int]:
        """Return the process IDs of its own children (on Linux)."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()]

    def kill(self) -> None:
        """`kill -9` the process and its children at once, and wait for the end."""
        if self.returncode is None:
            self._kill_group()
            self.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """Stop the process and its children in their tracks (SIGSTOP)."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return the exit status, or raise `subprocess.TimeoutExpired`."""
        status = self._popen.wait(seconds)
        self._forget()
        return status

    def stop(
        self,
        number: signal.Signals = signal.SIGTERM,
        seconds: float = STOP_SECONDS,
    ) -> int:
        """Ask the process to end, insist after `seconds`, and return its exit status."""
        if self.returncode is not None:
            return self.wait()
        self.thaw()
        self.send(number)
        try:
            status = self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait()
        # What it started and left behind.
        self._kill_group()
        return status

    def _kill_group(self) -> None:
        """Kill the process's group, while its number is surely its own.

        That is so until shortly after its end: later the number may be another's.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _forget(self) -> None:
        """Leave the number alone from now on: the process was waited for."""
        if _running.get(self.pid) is self:
            del _running[self.pid]
            reaper().forget_process(self.pid)

    def finish(self) -> None:
        """End the process at the end of the run."""
        self.stop(self._last_signal)

    def wait_until_ready(
        self, ready: Callable[[], bool], seconds: float = PATIENCE_SECONDS
    ) -> Self:
        """Return once `ready()` holds; fail with the log if the process ends or is late."""
        try:
            wait_until(lambda: ready() or self.returncode is not None, seconds)
        except TimeoutError:
            self._fail(f"was not ready after {seconds} seconds")
        if self.returncode is not None:
            self._fail("has ended")
        return self

    def _fail(self, what: str) -> NoReturn:
        self.stop()
        message = f"{self.name} {what}; its output:\n{self.log}"
        raise RuntimeError(message)


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE_SECONDS
) -> None:
    """Return once `condition()` holds. Raise `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now > deadline:
            message = f"Still not so after {seconds} seconds."
            raise TimeoutError(message)
        pause = max(POLL_SECONDS, _PAUSES_PER_ASKING * (now - began))
        time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))


class Credentials(TypedDict, total=False):
    """The keywords by which `subprocess` runs a command as another user."""

    user: int
    group: int
    extra_groups: list[int]


def credentials(user: str | None) -> Credentials:
    """Return what makes `subprocess` run a command as `user`; nothing for None."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on, and nobody else gets now.

    The kernel gives none of these to a connection, and other runs leave alone what this
    one has claimed.
    """
    while True:
        port = _dice.choice(PORTS)
        if _claim(port) and _can_be_bound(port):
            return port


def _claim(port: int) -> bool:
    """Claim a port among all test runs of this machine, for a good while.

    By a name that goes with the process, however it ends. Where there are no such names,
    chance has to do. Reference: https://man7.org/linux/man-pages/man7/unix.7.html
    """
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0referrals-test-port-{port}")
    except OSError:
        claim.close()
        return False
    if len(_claims) == _claims.maxlen:
        _claims[0].close()
    _claims.append(claim)
    return True


def _can_be_bound(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listening(port: int) -> Callable[[], bool]:
    """Return a function that says whether somebody accepts connections on `port`."""

    def ready() -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", port)) == 0

    return ready


def temporary_folder(name: str) -> Path:
    """Return a new folder that is removed at the end of the run, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"referrals-{name}-"))
    reaper().watch_folder(folder)
    return folder


def shared_folder() -> Path:
    """Return a folder that the processes of this run share; it goes with the first one."""
    if SHARED not in os.environ:
        os.environ[SHARED] = str(temporary_folder("shared"))
    return Path(os.environ[SHARED])


_running: Final[dict[int, Process]] = {}
_claims: Final[deque[socket.socket]] = deque(maxlen=100)
_dice: Final = random.SystemRandom()
