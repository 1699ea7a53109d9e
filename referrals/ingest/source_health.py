"""Reads what the calls of sources came to, for pages and commands.

A day is the present hour and the 23 before it; a month is today, by UTC, and the 29 days
before it. So the numbers are the sums of the bars. Counts of the last seconds may not be
written yet.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import TruncDay

from referrals.ingest.counter import DETAILS, IngestOutcome, find_hour
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount, IngestSample, Source, name_way
from referrals.refusals import Code
from referrals.sources.mapping.rules import Reason

HOURS: Final = 24
DAYS: Final = 30
#: Anybody who knows a source's address can make a call that fails its check: fewer than so
#: many, where a good one came before, mean nothing.
FEW_UNVERIFIED: Final = 3

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What the calls of a source came to in a span of time. Numbers of items but for calls.

    `duplicates` has those with other content in it, which `other_content` counts. The
    mappings are by reason, code, check, provider and name, most first. `unverified` is in
    calls, none of which is among `calls`. `unreferred` is among accepted and duplicates.
    """

    calls: int = 0
    accepted: int = 0
    duplicates: int = 0
    other_content: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    unverified: Mapping[str, int] = field(default_factory=dict)
    spooled: int = 0
    drained: int = 0
    lost: int = 0
    identities: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    unreferred: int = 0

    @property
    def taken(self) -> int:
        """Return how many became events, or were events already."""
        return self.accepted + self.duplicates

    @property
    def items(self) -> int:
        """Return how many items there were, whatever became of them."""
        return self.taken + sum(self.ignored.values()) + sum(self.refused.values())

    @property
    def percent_unreferred(self) -> int | None:
        """Return the share of items in which nobody is named who invited; None of none.

        Of those that were taken and those that were ignored for that.
        """
        ignored = self.ignored.get(Reason.NO_REFERRER, 0)
        of = self.taken + ignored
        return round(100 * (self.unreferred + ignored) / of) if of else None


class SourceBar(NamedTuple):
    """One hour, or one day by UTC, which is named by its first instant."""

    at: datetime
    calls: int
    accepted: int
    duplicates: int
    ignored: int
    refused: int
    unverified: int


class UnverifiedCall(NamedTuple):
    """A call that did not pass a check; `detail` is a sentence for the owner."""

    at: datetime
    check: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentHealth:
    """What the calls of a source came to lately; `hours` add up to `day`.

    `last_call_at` is of verified calls, since the beginning. No sample of ours counts.
    """

    day: SourceCounts
    #: Oldest first, without a gap: `HOURS` of them.
    hours: Sequence[SourceBar]
    last_call_at: datetime | None = None
    last_unverified: UnverifiedCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth(RecentHealth):
    """The same, and what they came to in a month; `days` add up to it."""

    month: SourceCounts
    #: Oldest first, without a gap: `DAYS` of them.
    days: Sequence[SourceBar]


class _Count(NamedTuple):
    outcome: str
    code: str
    at: datetime
    number: int


def read_recent_health(
    source_ids: Collection[int], now: datetime
) -> dict[int, RecentHealth]:
    """Return the recent health of each source, in three statements, whatever their number."""
    if not source_ids:
        return {}
    ways = {name_way(pk): pk for pk in source_ids}
    hour = find_hour(now)
    by_hour = _read_hours(ways, hour - (HOURS - 1) * _HOUR)
    last_calls, unverified = _read_last_calls(ways), _read_last_unverified(ways)
    return {
        pk: RecentHealth(
            day=sum_counts(by_hour[pk]),
            hours=_draw_bars(by_hour[pk], hour, _HOUR, HOURS),
            last_call_at=last_calls.get(pk),
            last_unverified=unverified.get(pk),
        )
        for pk in source_ids
    }


def read_source_health(
    source_ids: Collection[int], now: datetime
) -> dict[int, SourceHealth]:
    """Return the health of each source, in four statements, whatever their number.

    The month is by far the longest to read: a list of sources does without it.
    """
    recent = read_recent_health(source_ids, now)
    if not recent:
        return {}
    today = _find_day(now)
    ways = {name_way(pk): pk for pk in source_ids}
    by_day = _read_days(ways, today - (DAYS - 1) * _DAY)
    return {
        pk: SourceHealth(
            day=each.day,
            month=sum_counts(by_day[pk]),
            hours=each.hours,
            days=_draw_bars(by_day[pk], today, _DAY, DAYS),
            last_call_at=each.last_call_at,
            last_unverified=each.last_unverified,
        )
        for pk, each in recent.items()
    }


def sum_counts(counts: Iterable[_Count]) -> SourceCounts:
    """Return the sums of counts."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in counts:
        sums[each.outcome][each.code] += each.number
    by_code = {outcome: dict(found.most_common()) for outcome, found in sums.items()}
    total = {outcome: found.total() for outcome, found in sums.items()}
    return SourceCounts(
        calls=total.get(IngestOutcome.CALL, 0),
        accepted=total.get(IngestOutcome.ACCEPTED, 0),
        duplicates=total.get(IngestOutcome.DUPLICATE, 0),
        other_content=sums[IngestOutcome.DUPLICATE][Code.CONFLICT],
        ignored=by_code.get(IngestOutcome.IGNORED, {}),
        refused=by_code.get(IngestOutcome.REJECTED, {}),
        unverified=by_code.get(IngestOutcome.UNAUTHORISED, {}),
        spooled=total.get(IngestOutcome.SPOOLED, 0),
        drained=total.get(IngestOutcome.DRAINED, 0),
        lost=total.get(IngestOutcome.LOST, 0),
        identities=by_code.get(IngestOutcome.IDENTITY, {}),
        seen=by_code.get(IngestOutcome.SEEN, {}),
        unreferred=total.get(IngestOutcome.UNREFERRED, 0),
    )


def _read_hours(
    ways: Mapping[str, int], since: datetime
) -> Mapping[int, Sequence[_Count]]:
    rows = _list_counts(ways).filter(hour__gte=since)
    return _group(rows.values_list("way", "outcome", "code", "hour", "number"), ways)


def _read_days(
    ways: Mapping[str, int], since: datetime
) -> Mapping[int, Sequence[_Count]]:
    rows = _list_counts(ways).filter(hour__gte=since).order_by()
    days = rows.annotate(day=TruncDay("hour", tzinfo=UTC))
    sums = days.values("way", "outcome", "code", "day").annotate(total=Sum("number"))
    return _group(sums.values_list("way", "outcome", "code", "day", "total"), ways)


def _group(
    rows: Iterable[tuple[str, str, str, datetime, int]], ways: Mapping[str, int]
) -> Mapping[int, Sequence[_Count]]:
    found: defaultdict[int, list[_Count]] = defaultdict(list)
    for way, outcome, code, at, number in rows:
        found[ways[way]].append(_Count(outcome, code, at, number))
    return found


def _read_last_calls(ways: Mapping[str, int]) -> dict[int, datetime]:
    # By the index of hours.
    rows = IngestCount.objects.filter(
        way__in=ways, outcome=IngestOutcome.CALL, hour=ALL_TIME_HOUR
    )
    last = rows.values_list("way").annotate(Max("last_at")).order_by()
    return {ways[way]: at for way, at in last}


def _read_last_unverified(ways: Mapping[str, int]) -> dict[int, UnverifiedCall]:
    rows = IngestSample.objects.filter(
        app_id__in=_list_apps(ways),
        way__in=ways,
        outcome=IngestOutcome.UNAUTHORISED,
    ).order_by("at", "id")
    return {
        ways[way]: UnverifiedCall(at, check, detail)
        for way, at, check, detail in rows.values_list("way", "at", "code", "detail")
    }


def _list_counts(ways: Mapping[str, int]) -> QuerySet[IngestCount]:
    # By the primary key, which begins with the app.
    return IngestCount.objects.filter(app_id__in=_list_apps(ways), way__in=ways)


def _list_apps(ways: Mapping[str, int]) -> QuerySet[Source, Any]:
    return Source.objects.filter(pk__in=ways.values()).order_by().values("app_id")


def _draw_bars(
    counts: Iterable[_Count], last: datetime, step: timedelta, number: int
) -> Sequence[SourceBar]:
    by_time: defaultdict[datetime, list[_Count]] = defaultdict(list)
    for each in counts:
        if each.outcome not in DETAILS:
            by_time[each.at].append(each)
    times = [last - step * place for place in reversed(range(number))]
    return [_draw_bar(at, sum_counts(by_time.get(at, ()))) for at in times]


def _draw_bar(at: datetime, sums: SourceCounts) -> SourceBar:
    return SourceBar(
        at,
        calls=sums.calls,
        accepted=sums.accepted,
        duplicates=sums.duplicates,
        ignored=sum(sums.ignored.values()),
        refused=sum(sums.refused.values()),
        unverified=sum(sums.unverified.values()),
    )


def _find_day(instant: datetime) -> datetime:
    return find_hour(instant).replace(hour=0)
