"""What is known of the processes and of the database that they share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from clevertap_sync.insight.growth import Growth

#: While one release takes over from another, both are there: that passes.
SETTLED_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """A web process or a worker that is at work."""

    name: str
    started_at: datetime
    #: By how much its host's clock is ahead of the database's.
    clock_offset_seconds: float

    @property
    def host(self) -> str:
        """Return the host's name, without the process's number."""
        return self.name.rpartition(":")[0] or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """The newest look at the database, and what the looks of the last days say together.

    None stands for what is not known.
    """

    seen_at: datetime
    size_bytes: int
    capacity_bytes: int | None
    #: The most that were open at once within the last two hours.
    connections: int | None
    connection_limit: int | None
    oldest_event_at: datetime | None
    growth: Growth | None


def count_settled(processes: Sequence[ProcessFacts], now: datetime) -> int:
    """Return how many processes have been at work for longer than a swap of releases takes."""
    return sum(now - each.started_at >= SETTLED_AFTER for each in processes)
