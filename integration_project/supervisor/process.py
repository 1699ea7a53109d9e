"""One child: what to run, and the process that runs it now."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from integration_project.supervisor.process_guard import BARE_PYTHON, SCRIPTS

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
#: A child that lived this long is well: its next restart is quick again.
SETTLED_SECONDS = 30.0
_DOUBLINGS = 10  # far beyond the longest backoff, far below a float's end
_READ_BYTES = 65536


@dataclass(frozen=True)
class Child:
    """One command to keep running.

    Children of a later `stage` are stopped once those of the earlier ones are gone.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0


def choose_restart_delay(failures: int) -> float:
    """Return the seconds before a restart after `failures` quick ends in a row."""
    doubled = FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, _DOUBLINGS)
    return min(LONGEST_BACKOFF_SECONDS, doubled)


def describe_end(returncode: int) -> str:
    """Say in words how a process ended."""
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"


class Process:
    """A child as it is now: running, or waiting for its (re)start.

    All instants are those of one monotonic clock, passed in.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self.failures = 0
        self.start_at: float | None = 0.0
        self._started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self.output = -1

    @property
    def pid(self) -> int | None:
        """The process ID, also that of its group; None while nothing runs."""
        return self._popen.pid if self._popen else None

    def start(self, guard: int, now: float) -> None:
        """Start the command; the process tells the guard about itself."""
        self._started_at, self.start_at = now, None
        self.output, write = os.pipe()
        os.set_blocking(self.output, False)
        self._popen = subprocess.Popen(  # noqa: S603 - our own commands
            [
                *BARE_PYTHON,
                str(SCRIPTS / "launch_script.py"),
                str(guard),
                *self.child.command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.child.environment},
            pass_fds=(guard,),
            start_new_session=True,
        )
        os.close(write)

    def read(self) -> bytes:
        """Return what the child printed; empty when there is nothing now, or ever."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.output, _READ_BYTES)
        return b""

    def returncode(self) -> int | None:
        """Return how the child ended, if it did."""
        return self._popen.poll() if self._popen else None

    def note_end(self, now: float) -> float:
        """Note that the process ended; return the seconds until the next start."""
        well = now - self._started_at >= SETTLED_SECONDS
        self.failures = 1 if well else self.failures + 1
        delay = choose_restart_delay(self.failures)
        self._popen, self.start_at = None, now + delay
        os.close(self.output)
        return delay

    def terminate(self) -> None:
        """Ask the child to end. How its own processes end is its business."""
        if self._popen:
            self._popen.terminate()

    def kill(self) -> None:
        """Kill the child and all processes of its group, also after the child itself ended."""
        if self._popen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
