"""What this process takes of its machine: memory, CPU time, threads, open files. Pure."""

import os
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

_LOADED_AT: Final = time.monotonic()
# Reference: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
# Numbered from what follows the program's name in brackets.
_THREADS: Final = 17
_START_TICKS: Final = 19
_RESIDENT_PAGES: Final = 21


class Vitals(NamedTuple):
    """What the process took up to now. `open_files` is None where nothing tells it."""

    resident_bytes: int
    cpu_seconds: float
    threads: int
    open_files: int | None
    #: Since its start.
    age_seconds: float


def read_vitals() -> Vitals:
    """Return the vitals of this process. Elsewhere than on Linux some are approximate."""
    try:
        text = Path("/proc/self/stat").read_text("ascii", "replace")
    except OSError:
        return _estimate_vitals()
    # The name may have any character.
    columns = text.rpartition(")")[2].split()
    started = int(columns[_START_TICKS]) / os.sysconf("SC_CLK_TCK")
    return Vitals(
        int(columns[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE"),
        time.process_time(),
        int(columns[_THREADS]),
        _count_open_files("/proc/self/fd"),
        max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started),
    )


def _estimate_vitals() -> Vitals:
    """Return what any Unix tells: the most memory that it had, and the threads of Python."""
    import resource  # noqa: PLC0415 - there is none on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Vitals(
        most if os.uname().sysname == "Darwin" else most * 1024,
        time.process_time(),
        threading.active_count(),
        _count_open_files("/dev/fd"),
        time.monotonic() - _LOADED_AT,
    )


def _count_open_files(folder: str) -> int | None:
    try:
        # One of them is the look itself.
        return len(os.listdir(folder)) - 1  # noqa: PTH208 - a path for each would cost more
    except OSError:
        return None
