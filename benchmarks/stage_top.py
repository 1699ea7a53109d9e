"""Where a stage's CPU time goes, by package, told by samples of what is carried out.

A profiler that notes each call makes calls look dear. Linux interrupts a process after every
so many milliseconds of its own CPU time: whoever is at work then is counted. What is in C, or
in Python's own library, counts as its caller's. The database's own time is not in it.
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from benchmarks.report import Row, Table

LINES: Final = 10
#: Before anything is counted: connections, plans, and what Python learns of its own code.
WARM: Final = 50
#: CPU of one stage: some two thousand samples, so that a share of a tenth is known to within
#: a hundredth.
SECONDS: Final = 8.0
#: Asked for; Linux's clock ticks more rarely, often every four milliseconds.
EVERY_SECONDS: Final = 0.001
#: Of these, packages within are told apart; any other library is one line.
TOLD_APART: Final = ("referrals", "clevertap_sync", "integration_project", "django")
HARNESS: Final = "benchmarks"

Step = Callable[[], object]


def measure_top(name: str, prepare: Callable[[], Step]) -> Table:
    """Take a stage's step again and again, and return the packages that take most of it."""
    for _ in range(WARM):
        prepare()()
    steps, spent = 0, 0.0
    with sampling() as samples:
        while spent < SECONDS:
            step = prepare()
            began = time.process_time()
            with samples.counting():
                step()
            spent += time.process_time() - began
            steps += 1
    milliseconds = spent / steps * 1000
    title = f"{name}: {milliseconds:.2f} ms of CPU, without the database's"
    return Table(title, ("", "share", "ms"), list_shares(samples.counts, milliseconds))


class Samples:
    """How often each package was at work, while `counting`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._counts_now = False

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count who is at work meanwhile."""
        self._counts_now = True
        yield
        self._counts_now = False

    def note(self, _: int, frame: FrameType | None) -> None:
        """Count whose work a frame is, if it is the time to."""
        if self._counts_now:
            self.counts[find_package(frame)] += 1


@contextmanager
def sampling() -> Iterator[Samples]:
    """Let the clock interrupt this process.

    It goes on between steps, each of which may be shorter than it takes to tick.
    """
    samples = Samples()
    before = signal.signal(signal.SIGPROF, samples.note)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def find_package(frame: FrameType | None) -> str:
    """Return the package on whose behalf a frame is at work."""
    while frame is not None:
        root, *rest = frame.f_globals.get("__name__", "").split(".")
        if root not in sys.stdlib_module_names:
            return ".".join([root, *rest[:1]]) if root in TOLD_APART else root
        frame = frame.f_back
    return "Python"


def list_shares(counts: Counter[str], milliseconds: float) -> list[Row]:
    """Return those at work most often, each with its share of the whole, and all others.

    What the benchmark does itself is no part of the whole.
    """
    known = Counter({name: count for name, count in counts.items() if name != HARNESS})
    total, top = known.total(), known.most_common(LINES)
    others = total - sum(count for _, count in top)
    return [
        (package, f"{count / total:.1%}", f"{milliseconds * count / total:.3f}")
        for package, count in [*top, ("all others", others)]
    ]
