"""Findings about what the installation runs on: its database, and the clocks of its hosts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from clevertap_sync.insight.findings.finding import Link, Severity
from clevertap_sync.insight.findings.installation_finding import (
    InstallationFacts,
    InstallationFinding,
)
from clevertap_sync.insight.growth import Growth
from clevertap_sync.insight.machinery import count_settled
from referrals.words import format_bytes, format_count, format_span

#: A larger plan is a matter of days.
SOON: Final = timedelta(days=14)
#: Whatever the growth: a day's import may take the rest.
NEARLY_FULL: Final = 0.95
#: So small a share of the connections is none left.
FEW_LEFT: Final = 0.05
#: What commands take beside the processes.
FOR_COMMANDS: Final = 2
#: A clock that anything sets is right to a tenth of that.
SKEWED_SECONDS: Final = 5.0

_LINK: Final = Link("See the machinery", "index", place="machinery")


@dataclass(frozen=True, kw_only=True)
class DatabaseFullSoon(InstallationFinding):
    """The database's room is nearly used up, or will be within two weeks."""

    code = "database_full_soon"
    severity = Severity.WARNING
    word = "Database full soon"
    started = "the database is full soon"
    ended = "the database has room again"

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield it where the room is known, and is or will be short."""
        database = facts.database
        if database is None or database.capacity_bytes is None:
            return
        lasts = database.growth.lasts if database.growth else None
        is_nearly_full = database.size_bytes >= NEARLY_FULL * database.capacity_bytes
        if not is_nearly_full and (lasts is None or lasts > SOON):
            return
        yield cls(
            sentence=f"The database has {format_bytes(database.size_bytes)}, and room for "
            f"{format_bytes(database.capacity_bytes)}{describe_end(database.growth)}. A full "
            "one takes no event.",
            remedy="Give it more room (and say so in DATABASE_GIGABYTES, where that is set), or "
            "lower RETENTION_DAYS. What an integration on hold needs is kept: mend that first.",
            link=_LINK,
            seconds=None if lasts is None else lasts.total_seconds(),
        )


def describe_end(growth: Growth | None) -> str:
    """Return a clause about the growth, and when the room is used up; "" where neither is known."""
    if growth is None or growth.per_day <= 0:
        return ""
    measured = format_count(max(1, growth.basis.days), "day")
    grows = (
        f"; it grows by {format_bytes(growth.per_day)} a day, measured over {measured}"
    )
    if growth.lasts is None:
        return grows
    if growth.lasts <= timedelta():
        return f"{grows}, and is full"
    return f"{grows}, and is full in about {format_span(growth.lasts.total_seconds())}"


@dataclass(frozen=True, kw_only=True)
class ConnectionsShort(InstallationFinding):
    """The processes may need more database connections than are allowed, or nearly did."""

    code = "connections_short"
    severity = Severity.WARNING
    word = "Connections short"
    started = "database connections are short"
    ended = "there are enough database connections again"

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield it where nearly all were in use, or all processes together may want more."""
        database = facts.database
        limit = database.connection_limit if database else None
        if database is None or limit is None:
            return
        used = database.connections or 0
        processes = count_settled(facts.processes, facts.now)
        wanted = facts.pool * processes + FOR_COMMANDS
        if limit - used <= limit * FEW_LEFT:
            sentence = (
                f"{used} of the {format_count(limit, 'connection')} that the database allows "
                "were open at once within the last two hours."
            )
        elif facts.pool and wanted > limit:
            sentence = (
                f"{format_count(processes, 'process', 'processes')} may open {facts.pool} "
                f"database connections each, which makes {wanted} with {FOR_COMMANDS} for "
                f"commands, and the database allows {limit}."
            )
        else:
            return
        yield cls(
            sentence=f"{sentence} Without a free one for five seconds, requests are answered "
            "503.",
            remedy=_advise_pool(limit, processes, facts.pool),
            link=_LINK,
            count=max(used, wanted),
        )


def _advise_pool(limit: int, processes: int, pool: int) -> str:
    fits = (limit - FOR_COMMANDS) // processes if processes else 0
    lower = f"Set DATABASE_POOL to {fits}, run" if 0 < fits < pool else "Run"
    return f"{lower} fewer processes, or get more connections from the database's host."


@dataclass(frozen=True, kw_only=True)
class ClockSkewed(InstallationFinding):
    """The clock of a host differs from the database's by seconds."""

    code = "clock_skewed"
    severity = Severity.WARNING
    word = "Clock wrong"
    started = "a host's clock is wrong"
    ended = "the hosts' clocks are right again"

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield it once, about the host whose clock is furthest off."""
        wrong = [
            each
            for each in facts.processes
            if abs(each.clock_offset_seconds) >= SKEWED_SECONDS
        ]
        if not wrong:
            return
        worst = max(wrong, key=lambda each: abs(each.clock_offset_seconds))
        hosts = len({each.host for each in wrong})
        others = (
            f" (and of {format_count(hosts - 1, 'other host')})" if hosts > 1 else ""
        )
        seconds = abs(worst.clock_offset_seconds)
        side = "ahead of" if worst.clock_offset_seconds > 0 else "behind"
        yield cls(
            sentence=f"The clock of {worst.host}{others} is {format_span(seconds)} {side} the "
            "database's. Leases and holds go by the database's; times of receipt and the "
            "signatures of platforms' calls go by the host's.",
            remedy="Have the host's clock set by NTP (chrony, systemd-timesyncd); a container "
            "has that of its machine. Where every host differs alike, it is the database's.",
            link=_LINK,
            count=hosts,
            seconds=seconds,
        )
