"""Read the facts of all live sources, from the counts of `referrals.ingest`.

It takes one statement where there is no source, and two where all are well. Counts since the
beginning are a few rows of each source, so that it gets no slower with traffic; the hours are read of
those sources alone with which something is not well.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Final, NamedTuple

from django.db.models import Q, QuerySet, Sum

from clevertap_sync.insight.facts import LEAST_SILENCE, RECENTLY, SourceFacts
from referrals.encrypted_field import UnreadableSecret
from referrals.ingest.counter import IngestOutcome, find_hour
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount, IngestSample, Source
from referrals.source_address import SEGMENT

_HOUR: Final = timedelta(hours=1)
_COLUMNS: Final = (
    *("app_id", "name", "platform", "secret", "is_test", "created_at"),
    "first_call_at",
)

_Ways = Collection[str]


class _Sum(NamedTuple):
    number: int
    last_at: datetime


class _Readings(NamedTuple):
    """What was read of all sources, by way; some only of those that need it."""

    totals: Mapping[str, Mapping[tuple[str, str], _Sum]]
    lately: Mapping[tuple[str, str], int]
    since_good: Mapping[str, int]
    samples: Mapping[tuple[str, str], str]
    call_hours: Mapping[str, Sequence[datetime]]


def read_source_facts(now: datetime) -> dict[int, list[SourceFacts]]:
    """Return the facts of the sources that are not archived, by app."""
    rows = Source.objects.filter(archived_at=None, app__archived_at=None)
    sources = list(rows.only(*_COLUMNS).order_by("app_id", "name", "pk"))
    if not sources:
        return {}
    readings = _read_all(sources, now)
    found: defaultdict[int, list[SourceFacts]] = defaultdict(list)
    for source in sources:
        found[source.app_id].append(_make_facts(source, readings))
    return found


def _read_all(sources: Sequence[Source], now: datetime) -> _Readings:
    ways = {each.way for each in sources}
    app_ids = {each.app_id for each in sources}
    # By the primary key, which begins with the app.
    counts = IngestCount.objects.filter(app_id__in=app_ids).order_by()
    totals = _read_totals(ways)
    called = {way: _find_last(totals, way, IngestOutcome.CALL) for way in ways}
    refused = {way: _find_last(totals, way, IngestOutcome.UNAUTHORISED) for way in ways}
    lost = {way: _find_last(totals, way, IngestOutcome.LOST) for way in ways}
    failing = {way: called[way] for way in ways if _is_later(refused[way], called[way])}
    silent = [way for way, at in called.items() if at and now - at >= LEAST_SILENCE]
    ailing = [
        way
        for way in ways
        if any(at and now - at < RECENTLY for at in (refused[way], lost[way]))
    ]
    return _Readings(
        totals=totals,
        lately=_read_lately(counts, ailing, now),
        since_good=_count_unverified(counts, failing),
        samples=_read_samples(app_ids, {*failing, *ailing}),
        call_hours=_read_call_hours(counts, silent),
    )


def _make_facts(source: Source, readings: _Readings) -> SourceFacts:
    way = source.way
    totals = readings.totals.get(way, {})

    def find_last(outcome: str) -> datetime | None:
        return _find_last(readings.totals, way, outcome)

    taken = (IngestOutcome.ACCEPTED, IngestOutcome.DUPLICATE)
    return SourceFacts(
        pk=source.pk,
        name=source.name,
        created_at=source.created_at,
        is_test=source.is_test,
        is_unreadable=isinstance(source.secret, UnreadableSecret),
        has_secret=bool(source.secret) or source.platform == SEGMENT,
        first_call_at=source.first_call_at,
        called_at=find_last(IngestOutcome.CALL),
        calls_lately=readings.lately.get((way, IngestOutcome.CALL), 0),
        unverified_at=find_last(IngestOutcome.UNAUTHORISED),
        unverified=readings.since_good.get(way, 0),
        unverified_lately=readings.lately.get((way, IngestOutcome.UNAUTHORISED), 0),
        why_unverified=readings.samples.get((way, IngestOutcome.UNAUTHORISED), ""),
        has_taken=any(outcome in taken for outcome, _ in totals),
        ignored={
            code: found.number
            for (outcome, code), found in totals.items()
            if outcome == IngestOutcome.IGNORED
        },
        spooled_at=find_last(IngestOutcome.SPOOLED),
        # What is lost there waits no more, either.
        drained_at=max(
            filter(
                None, (find_last(IngestOutcome.DRAINED), find_last(IngestOutcome.LOST))
            ),
            default=None,
        ),
        lost_lately=readings.lately.get((way, IngestOutcome.LOST), 0),
        why_lost=readings.samples.get((way, IngestOutcome.LOST), ""),
        call_hours=readings.call_hours.get(way, ()),
    )


def _read_totals(ways: _Ways) -> Mapping[str, Mapping[tuple[str, str], _Sum]]:
    found: defaultdict[str, dict[tuple[str, str], _Sum]] = defaultdict(dict)
    # By the index of hours: a source has a few of these rows, and thousands of others.
    rows = IngestCount.objects.filter(hour=ALL_TIME_HOUR, way__in=ways)
    for way, outcome, code, number, last_at in rows.values_list(
        "way", "outcome", "code", "number", "last_at"
    ):
        found[way][outcome, code] = _Sum(number, last_at)
    return found


def _read_lately(
    counts: QuerySet[IngestCount], ways: _Ways, now: datetime
) -> dict[tuple[str, str], int]:
    if not ways:
        return {}
    since = now - RECENTLY
    rows = counts.filter(
        way__in=ways,
        outcome__in=(
            IngestOutcome.CALL,
            IngestOutcome.UNAUTHORISED,
            IngestOutcome.LOST,
        ),
        hour__gte=find_hour(since),
        last_at__gte=since,
    )
    sums = rows.values_list("way", "outcome").annotate(Sum("number"))
    return {(way, outcome): number for way, outcome, number in sums}


def _count_unverified(
    counts: QuerySet[IngestCount], failing: Mapping[str, datetime | None]
) -> dict[str, int]:
    """Return how many calls were not verified since the last good one's hour, by way."""
    if not failing:
        return {}
    # The hours since the beginning, or since the last good call.
    is_since = [
        Q(
            way=way,
            hour__gte=find_hour(called_at) if called_at else ALL_TIME_HOUR + _HOUR,
        )
        for way, called_at in failing.items()
    ]
    rows = counts.filter(reduce(or_, is_since), outcome=IngestOutcome.UNAUTHORISED)
    return dict(rows.values_list("way").annotate(Sum("number")))


def _read_samples(app_ids: Collection[int], ways: _Ways) -> dict[tuple[str, str], str]:
    """Return the newest sentence of each way about what was not verified, and what was lost."""
    if not ways:
        return {}
    rows = IngestSample.objects.filter(
        app_id__in=app_ids,
        way__in=ways,
        outcome__in=(IngestOutcome.UNAUTHORISED, IngestOutcome.LOST),
    )
    return {
        (way, outcome): detail
        for way, outcome, detail in rows.order_by("at", "id").values_list(
            "way", "outcome", "detail"
        )
    }


def _read_call_hours(
    counts: QuerySet[IngestCount], ways: _Ways
) -> dict[str, list[datetime]]:
    if not ways:
        return {}
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    rows = counts.filter(
        way__in=ways, outcome=IngestOutcome.CALL, hour__gt=ALL_TIME_HOUR
    )
    for way, hour in rows.order_by("hour").values_list("way", "hour"):
        found[way].append(hour)
    return found


def _find_last(
    totals: Mapping[str, Mapping[tuple[str, str], _Sum]], way: str, wanted: str
) -> datetime | None:
    found = totals.get(way, {}).items()
    return max(
        (each.last_at for (outcome, _), each in found if outcome == wanted),
        default=None,
    )


def _is_later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)
