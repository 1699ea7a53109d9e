"""Who started whom on this machine, as /proc tells: for tests of what is left behind."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Running(NamedTuple):
    """A process of this machine. Its number alone may be another's one day."""

    pid: int
    started_at: int


def parents() -> dict[Running, int]:
    """Return the parent's number of every process of this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[Running(int(path.parent.name), int(fields[19]))] = int(fields[1])
    return found


def descendants(pid: int) -> set[Running]:
    """Return the processes that `pid` started, and those that they started."""
    found: set[Running] = set()
    children: dict[int, list[Running]] = {}
    for each, parent in parents().items():
        children.setdefault(parent, []).append(each)
    newest = [pid]
    while newest:
        born = [child for parent in newest for child in children.get(parent, ())]
        found.update(born)
        newest = [child.pid for child in born]
    return found


def pids(processes: Iterable[Running]) -> set[int]:
    """Return their numbers."""
    return {each.pid for each in processes}


def are_gone(processes: set[Running]) -> bool:
    """Say whether none of them runs any more."""
    return not processes & parents().keys()


def command_of(pid: int) -> list[bytes]:
    """Return the words of the process's command line; none where it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
