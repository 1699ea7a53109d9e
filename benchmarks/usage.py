"""What processes use: CPU seconds and memory, read from Linux's /proc.

CPU seconds tell what a system costs even on a machine that others use too; wall time
does not.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
#: After the name, which is the only field that can hold blanks: parent, user, system,
#: and both of children that have ended. Reference: man 5 proc_pid_stat
PARENT, FIRST_TIME, AFTER_LAST_TIME = 1, 11, 15
MEGABYTE: Final = 1024


def is_known() -> bool:
    """Return whether this system tells."""
    return (PROC / "self/stat").exists()


def family(pid: int) -> set[int]:
    """Return the process and all that descend from it, alive now."""
    children: dict[int, list[int]] = {}
    for child, fields in _all():
        children.setdefault(int(fields[PARENT]), []).append(child)
    found, queue = set(), [pid]
    while queue:
        found.add(now := queue.pop())
        queue.extend(children.get(now, ()))
    return found


def cpu_seconds(pid: int) -> float:
    """Return what the process and its descendants have used, ended children included."""
    members = family(pid)
    ticks = sum(
        sum(map(int, fields[FIRST_TIME:AFTER_LAST_TIME]))
        for member, fields in _all()
        if member in members
    )
    return ticks / TICKS


def megabytes(pids: Iterable[int]) -> float:
    """Return the memory of the processes and their descendants, shared pages shared out."""
    members = set().union(*map(family, pids))
    return sum(map(_proportional_kilobytes, members)) / MEGABYTE


@dataclass
class Meter:
    """Measures named groups of processes over a time: `with Meter(...) as meter`."""

    pids: dict[str, list[int]]
    wall: float = 0.0

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._before = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.monotonic() - self._began
        after = self._now()
        self.cpu = {k: after[k] - self._before[k] for k in after}

    @property
    def total(self) -> float:
        """Return the CPU seconds of all groups but the sink and the load."""
        return sum(v for k, v in self.cpu.items() if k not in ("sink", "load"))

    def _now(self) -> dict[str, float]:
        seconds = {k: sum(map(cpu_seconds, pids)) for k, pids in self.pids.items()}
        return {**seconds, "load": time.process_time()}


def _all() -> Iterable[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            yield int(entry.name), text.rpartition(")")[2].split()


def _proportional_kilobytes(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
