"""How much memory processes have had at the most, as /proc tells, or a piece of work."""

import re
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tests.harness.descent import descendants, pids

Made = TypeVar("Made")

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def peak_of_family(pid: int) -> int:
    """Return the most that a process, or one that it started, has had, in bytes."""
    return max(peaks_of({pid, *pids(descendants(pid))}))


def peaks_of(processes: Iterable[int]) -> list[int]:
    """Return the most that each process has had, in bytes; who has ended is left out."""
    found = []
    for pid in processes:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found += [int(kilobytes) * 1024 for kilobytes in _PEAK.findall(text)]
    return found


def measure_peak(work: Callable[[], Made]) -> tuple[Made, int]:
    """Do the work; return what it makes, and the most bytes that Python had for it."""
    tracemalloc.start()
    try:
        made = work()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return made, peak
