"""Counts events by type, channel, status and day, and people by referrer.

Pure. The caller chooses the events: a bounded range of the log.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from referrals.schema import Event, Person
from referrals.vocabulary import TITLES, EventType, FraudStatus, Via

#: The types by which a referrer has brought a person.
BRINGING_TYPES: Final = frozenset({EventType.APP_INSTALL, EventType.WEB_SIGN_UP})
#: Up to so many hours, a column is an hour; up to so many days, a day; else a month.
MOST_HOURS: Final = 48
MOST_DAYS: Final = 62
_HOUR: Final = timedelta(hours=1)
_LINK: Final = "Marketing link"
_NO_CHANNEL: Final = "No channel"

Statuses = Counter[FraudStatus]


class ReceivedEvent(Protocol):
    """An event with the instant of its receipt."""

    @property
    def received_at(self) -> datetime:
        """When it was received."""

    @property
    def event(self) -> Event:
        """What happened."""


@dataclass(frozen=True, slots=True)
class StatisticsLine:
    """One line of a table. `percent` is its share of all, `doubtful` that of its own."""

    name: str
    count: int
    percent: int
    doubtful: int


@dataclass(frozen=True, slots=True)
class Referrer:
    """A referrer's identity, the number of people brought, and of all events."""

    identity: str
    brought: int
    events: int
    doubtful: int


@dataclass(slots=True)
class ReferralCounts:
    """The counts of some events. Test events count as tests only."""

    events: int = 0
    tests: int = 0
    statuses: Statuses = field(default_factory=Counter)
    types: dict[str, Statuses] = field(default_factory=lambda: defaultdict(Counter))
    channels: dict[str, Statuses] = field(default_factory=lambda: defaultdict(Counter))
    hours: dict[datetime, Statuses] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    _referrers: list[tuple[Person, Event]] = field(default_factory=list)

    @property
    def doubtful(self) -> int:
        """Return the percentage of events that are suspicious or rejected."""
        return _doubtful_percent(self.statuses)

    def add(self, received_at: datetime, event: Event) -> None:
        """Count one event."""
        if event.test:
            self.tests += 1
            return
        self.events += 1
        title = TITLES.get(event.type, event.name)
        for counted in (
            self.statuses,
            self.types[title],
            self.channels[_channel(event)],
            self.hours[_begin(received_at)],
        ):
            counted[event.status] += 1
        if event.referrer is not None and event.referrer.identities:
            self._referrers.append((event.referrer, event))

    def referrers(self) -> list[Referrer]:
        """Return the referrers; the one that brought most people is first.

        A referrer is named by the identity provider that most referrers have, else by
        the first of their own.
        """
        carried = Counter(p for person, _ in self._referrers for p in person.identities)
        best = carried.most_common(1)[0][0] if carried else ""
        groups: dict[str, list[Event]] = defaultdict(list)
        for person, event in self._referrers:
            provider = best if best in person.identities else min(person.identities)
            groups[person.identities[provider]].append(event)
        found = [
            _count_referrer(identity, events) for identity, events in groups.items()
        ]
        return sorted(found, key=lambda r: (-r.brought, -r.events, r.identity))


def count_referral_events(logged: Iterable[ReceivedEvent]) -> ReferralCounts:
    """Return the counts of these events."""
    counts = ReferralCounts()
    for each in logged:
        counts.add(each.received_at, each.event)
    return counts


def list_statistics_lines(
    counted: Mapping[str, Statuses], total: int
) -> list[StatisticsLine]:
    """Return a table's lines, the largest first."""
    rows = [
        StatisticsLine(
            name,
            statuses.total(),
            round(100 * statuses.total() / max(1, total)),
            _doubtful_percent(statuses),
        )
        for name, statuses in counted.items()
    ]
    return sorted(rows, key=lambda line: (-line.count, line.name))


def list_periods(
    hours: Mapping[datetime, Statuses],
) -> list[tuple[str, Mapping[str, int]]]:
    """Return the counts over time, oldest first and without gaps, in UTC.

    By hour, by day or by month, so that there are neither too few columns nor too many.
    """
    if not hours:
        return []
    first, last = min(hours), max(hours)
    length = (last - first) // _HOUR + 1
    if length <= MOST_HOURS:
        every = (first + number * _HOUR for number in range(length))
        return [
            (f"{hour:%-d %b, %H}:00", _count_by_name(hours.get(hour))) for hour in every
        ]
    days: dict[date, Statuses] = defaultdict(Counter)
    for hour, statuses in hours.items():
        days[hour.date()] += statuses
    return _list_days(days)


def _list_days(days: Mapping[date, Statuses]) -> list[tuple[str, Mapping[str, int]]]:
    first, last = min(days), max(days)
    length = (last - first).days + 1
    if length > MOST_DAYS:
        return _list_months(days)
    every = (first + timedelta(days=number) for number in range(length))
    return [(f"{day:%-d %b}", _count_by_name(days.get(day))) for day in every]


def _list_months(days: Mapping[date, Statuses]) -> list[tuple[str, Mapping[str, int]]]:
    months: dict[date, Statuses] = defaultdict(Counter)
    for day, statuses in days.items():
        months[day.replace(day=1)] += statuses
    month, last = min(months), max(months)
    found: list[tuple[str, Mapping[str, int]]] = []
    while month <= last:
        found.append((f"{month:%b %Y}", _count_by_name(months.get(month))))
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def _count_by_name(statuses: Statuses | None) -> dict[str, int]:
    return {status.value: count for status, count in (statuses or {}).items()}


def _begin(instant: datetime) -> datetime:
    """Return when the instant's hour began."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _channel(event: Event) -> str:
    if not event.channel:
        return _LINK if event.via is Via.SMART_LINK else _NO_CHANNEL
    return event.channel if event.via is Via.SMART_LINK else event.channel.casefold()


def _doubtful_percent(statuses: Statuses) -> int:
    doubts = statuses[FraudStatus.SUSPICIOUS] + statuses[FraudStatus.REJECTED]
    return round(100 * doubts / max(1, statuses.total()))


def _count_referrer(identity: str, events: Sequence[Event]) -> Referrer:
    return Referrer(
        identity,
        brought=sum(event.type in BRINGING_TYPES for event in events),
        events=len(events),
        doubtful=_doubtful_percent(Counter(event.status for event in events)),
    )
