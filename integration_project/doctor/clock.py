"""The clocks of the hosts, beside the database's.

Whether one is wrong is for the finding `clock_skewed` to say; what it speaks of is not well here.
"""

from collections.abc import Iterator, Sequence

from clevertap_sync.insight.findings.machinery import SKEWED_SECONDS
from clevertap_sync.insight.machinery import ProcessFacts
from clevertap_sync.insight.machinery_queries import read_processes
from clevertap_sync.process import clock
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_count


def examine_clock() -> Iterator[Check]:
    """Say by how much the clocks differ."""
    yield describe_clocks(read_processes(clock.read_now()))


def describe_clocks(processes: Sequence[ProcessFacts]) -> Check:
    """Return the largest difference that a process at work has measured."""
    if not processes:
        return Check(
            area=Area.CLOCK,
            code="clocks_unknown",
            state=State.INFO,
            sentence="No process at work has compared its clock with the database's yet.",
        )
    worst = max(processes, key=lambda each: abs(each.clock_offset_seconds))
    hosts = len({each.host for each in processes})
    seconds = worst.clock_offset_seconds
    return Check(
        area=Area.CLOCK,
        code="clocks",
        state=State.OK if abs(seconds) < SKEWED_SECONDS else State.INFO,
        sentence=f"The clocks of {format_count(hosts, 'host')} differ from the database's by "
        f"{abs(seconds):.1f} s at most.",
        values={"hosts": hosts, "largest_offset_seconds": seconds},
    )
