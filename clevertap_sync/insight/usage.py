"""Usage: records and people of each event type and side, among the newest events.

CleverTap bills by active users, so each side that is switched on costs money. Computed from
the newest events when a person opens the settings; nothing is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referrals.log import LoggedEvent
from referrals.schema import Event, Person, find_sides

DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class SideUsage:
    """Records of one event type and side, and the people they are about."""

    records: int
    people: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts by keys such as "app_open:generated".

    `events` of the last 30 days were counted; `is_partial`: there are more of these days.
    """

    by_key: dict[str, SideUsage]
    events: int
    is_partial: bool


def measure_usage(newest: Sequence[LoggedEvent], now: datetime) -> Usage:
    """Count the newest events of the last 30 days. Test events cost nothing and are left out."""
    since = now - timedelta(days=DAYS)
    recent = [logged.event for logged in newest if logged.received_at >= since]
    records: Counter[str] = Counter()
    people: defaultdict[str, set[frozenset[tuple[str, str]]]] = defaultdict(set)
    for key, person in _list_sides(recent):
        records[key] += 1
        people[key].add(frozenset(person.identities.items()))
    return Usage(
        {key: SideUsage(count, len(people[key])) for key, count in records.items()},
        events=len(recent),
        # The oldest one is recent, and not the log's first: so there may be more.
        is_partial=len(recent) == len(newest) > 0 and newest[0].position > 1,
    )


def _list_sides(events: Sequence[Event]) -> Iterator[tuple[str, Person]]:
    for event in events:
        if event.test:
            continue
        for side, person in find_sides(event):
            yield f"{event.type}:{side}", person
