"""Sees to it that nothing outlives a test run, not even one that was killed.

A small process of its own reads from a pipe what the run has started and made. When the
pipe ends, however the run ended, it ends what is left and removes it. It runs from this
file alone, so it imports the standard library only.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

GRACE_SECONDS: Final = 5.0


class Reaper:
    """The run's end of the pipe. What it was told of goes when this process goes."""

    def __init__(self) -> None:
        # A session of its own: a Ctrl-C, or a kill of our whole process group, must
        # not take the reaper along before it has done its work.
        process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert process.stdin is not None
        self._process = process
        self._pipe: IO[str] = process.stdin

    def watch_process(self, pid: int, last_signal: signal.Signals) -> None:
        """End the process group `pid` with `last_signal` if this process goes first."""
        self._tell("process", pid, int(last_signal))

    def forget_process(self, pid: int) -> None:
        """Leave `pid` alone: it has ended, and its number may be another's soon."""
        self._tell("ended", pid)

    def watch_folder(self, folder: Path) -> None:
        """Remove `folder` if this process goes first."""
        self._tell("folder", folder)

    def close(self) -> None:
        """End what is left, and wait until that is done."""
        self._pipe.close()
        self._process.wait(GRACE_SECONDS * 3)

    def _tell(self, *words: object) -> None:
        self._pipe.write("\t".join(map(str, words)) + "\n")
        self._pipe.flush()


@functools.cache
def reaper() -> Reaper:
    """Return this process's reaper, started when first needed."""
    return Reaper()


def watch(lines: IO[str]) -> None:
    """Note what `lines` tell of until they end, then end and remove what is left."""
    processes: dict[int, int] = {}
    folders: list[Path] = []
    for line in lines:
        match line.rstrip("\n").split("\t"):
            case ["process", pid, number]:
                processes[int(pid)] = int(number)
            case ["ended", pid]:
                processes.pop(int(pid), None)
            case ["folder", path]:
                folders.append(Path(path))
    _end(processes)
    _remove(folders)


def _end(processes: dict[int, int]) -> None:
    for pid, number in processes.items():
        _signal(pid, number)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(map(_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in filter(_alive, processes):
        _signal(pid, signal.SIGKILL)


def _remove(folders: list[Path]) -> None:
    """Remove the folders, also those that others still write into for a moment."""
    deadline = time.monotonic() + GRACE_SECONDS
    while left := [folder for folder in folders if folder.exists()]:
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.stdin)
