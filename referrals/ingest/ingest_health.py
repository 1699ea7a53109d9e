"""Reads the counts of taken and refused events, for pages, metrics and findings.

Counts are by the hour: an hour counts if its newest event is not older than the instant
that is asked for. Counts of the last seconds may not be written yet.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from django.db.models import (
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Window,
)
from django.db.models.functions import Coalesce, RowNumber

from referrals.ingest.counter import (
    NO_APP,
    OF_EVENTS,
    REFUSALS,
    SAMPLES_PER_CAUSE,
    IngestOutcome,
    WayIn,
    find_hour,
)
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.keys import KEY_START
from referrals.models import WAY_OF_SOURCE, IngestCount, IngestSample

#: As many causes are read at most, those that were last first.
MOST_CAUSES: Final = 1_000

_TAKEN: Final = (IngestOutcome.ACCEPTED, IngestOutcome.DUPLICATE)
# An operator is present, and sees the refusals at once.
_ONCE: Final = (WayIn.IMPORT, WayIn.ADMIN)


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How often something was refused, since an instant, of one app, key and cause.

    `app_id` is None for a caller without a known API key. `reason` is the class of the answer,
    one of `counter.REFUSALS`; `code` the cause, one of `refusals.Code`. `key_prefix` is
    empty where no API key was shown. `sample` is the newest sample's sentence, which names
    no value; empty where there is none. `count` is in events, or in requests where a
    request was refused as a whole.
    """

    app_id: int | None
    reason: str
    code: str
    key_prefix: str
    count: int
    last_at: datetime
    sample: str


class AcceptedCount(NamedTuple):
    """How many events of an app came in since an instant, and since the app's own."""

    lately: int
    in_all: int


class IngestTraffic(NamedTuple):
    """The count of one outcome and code by one way, in two spans of time."""

    app_id: int
    way: str
    outcome: str
    code: str
    day: int
    week: int
    last_at: datetime


class SourceTotal(NamedTuple):
    """The count of one outcome and code of a source, since the beginning."""

    way: str
    outcome: str
    code: str
    number: int


class IngestTotal(NamedTuple):
    """The count of one outcome and code, since the beginning."""

    app_id: int
    outcome: str
    code: str
    number: int


def read_refusals_since(since: datetime) -> list[RefusalCount]:
    """Return the refusals since an instant, in all apps, the latest first.

    A cause without refusals since then has its earlier ones instead, as far back as hours
    are kept, unless an event that came the same way was taken after them. Calls that were
    not verified are left out: they belong to their source, and anybody can make them.
    """
    newest = IngestSample.objects.filter(
        app_id=OuterRef("app_id"),
        way=OuterRef("way"),
        outcome=OuterRef("outcome"),
        code=OuterRef("code"),
    ).order_by("-at", "-id")
    is_new = Q(hour__gte=find_hour(since), last_at__gte=since)
    refused = IngestCount.objects.filter(
        is_new | _is_last(), hour__gt=ALL_TIME_HOUR, outcome__in=REFUSALS
    ).exclude(outcome=IngestOutcome.UNAUTHORISED, way__startswith=WAY_OF_SOURCE)
    rows = (
        refused.values("app_id", "outcome", "code", "way")
        .annotate(
            # Where some are new, those alone.
            total=Coalesce(Sum("number", filter=is_new), Sum("number")),
            last=Max("last_at"),
            sample=Subquery(newest.values("detail")[:1]),
        )
        .order_by("-last", "app_id", "outcome", "code", "way")[:MOST_CAUSES]
    )
    return [
        RefusalCount(
            app_id=None if row["app_id"] == NO_APP else row["app_id"],
            reason=row["outcome"],
            code=row["code"],
            key_prefix=row["way"] if row["way"].startswith(KEY_START) else "",
            count=row["total"],
            last_at=row["last"],
            sample=row["sample"] or "",
        )
        for row in rows
    ]


def read_accepted_since(
    since: datetime, earlier: Mapping[int, datetime] | None = None
) -> dict[int, AcceptedCount]:
    """Return how many events came in since an instant, by app, duplicates included.

    `earlier` has instants of their own for some apps.
    """
    is_recent = Q(hour__gte=find_hour(since), last_at__gte=since)
    is_wanted = is_recent
    for app_id, instant in (earlier or {}).items():
        is_wanted |= Q(
            app_id=app_id, hour__gte=find_hour(instant), last_at__gte=instant
        )
    rows = IngestCount.objects.filter(is_wanted, outcome__in=_TAKEN).values_list(
        "app_id"
    )
    sums = rows.annotate(
        lately=Coalesce(Sum("number", filter=is_recent), 0), in_all=Sum("number")
    ).order_by()
    return {app_id: AcceptedCount(*numbers) for app_id, *numbers in sums}


def find_last_accepted_before(
    app_ids: Collection[int], instant: datetime, *, since: datetime
) -> dict[int, datetime]:
    """Return when an event last came in before an instant, by app, duplicates included.

    An hour counts with its newest event. An app without events since `since` is left out.
    """
    hours = IngestCount.objects.filter(
        app_id__in=app_ids,
        outcome__in=_TAKEN,
        hour__gte=find_hour(since),
        last_at__lt=instant,
    )
    return dict(hours.values_list("app_id").annotate(Max("last_at")).order_by())


def read_traffic(
    app_ids: Collection[int], *, day: datetime, week: datetime
) -> list[IngestTraffic]:
    """Return the counts by app, way, outcome and code, since `week` and since `day`.

    Of at most `MOST_CAUSES`, the latest first. Calls of sources, and what they ignored, are
    neither taken nor refused, and left out.
    """
    recent = Q(hour__gte=find_hour(day), last_at__gte=day)
    rows = (
        IngestCount.objects.filter(
            app_id__in=app_ids,
            outcome__in=OF_EVENTS,
            hour__gte=find_hour(week),
            last_at__gte=week,
        )
        .values_list("app_id", "way", "outcome", "code")
        .annotate(
            day=Coalesce(Sum("number", filter=recent), 0),
            week=Sum("number"),
            last=Max("last_at"),
        )
        .order_by("-last", "app_id", "way", "outcome", "code")
    )
    return [IngestTraffic(*row) for row in rows[:MOST_CAUSES]]


def read_samples(
    app_ids: Collection[int], since: datetime
) -> Mapping[tuple[int, str, str], list[IngestSample]]:
    """Return the newest samples by app, way and code, newest first."""
    place = Window(
        RowNumber(),
        partition_by=[F("app_id"), F("way"), F("code")],
        order_by=[F("at").desc(), F("id").desc()],
    )
    rows = IngestSample.objects.filter(app_id__in=app_ids, at__gte=since)
    kept = (
        rows.annotate(place=place)
        .filter(place__lte=SAMPLES_PER_CAUSE)
        .order_by("-at", "-id")
    )
    found: dict[tuple[int, str, str], list[IngestSample]] = {}
    for sample in kept[: MOST_CAUSES * SAMPLES_PER_CAUSE]:
        cause = (sample.app_id, sample.way, sample.code)
        found.setdefault(cause, []).append(sample)
    return found


def read_totals() -> list[IngestTotal]:
    """Return the counts of events since the beginning, by app. No number ever falls."""
    rows = IngestCount.objects.filter(hour=ALL_TIME_HOUR, way="")
    read = rows.order_by("app_id", "outcome", "code")
    return [
        IngestTotal(*row)
        for row in read.values_list("app_id", "outcome", "code", "number")
    ]


def read_source_totals() -> list[SourceTotal]:
    """Return the counts of sources since the beginning. No number ever falls."""
    rows = IngestCount.objects.filter(
        hour=ALL_TIME_HOUR, way__startswith=WAY_OF_SOURCE
    ).order_by("app_id", "way", "outcome", "code")
    return [
        SourceTotal(*row)
        for row in rows.values_list("way", "outcome", "code", "number")
    ]


def _is_last() -> Q:
    """Return the condition that a refusal is the last of what came the same way.

    A refusal ends when an event that came the same way is taken. An import or a refused key
    may have no next time, so any event that the app takes ends its refusals. An unknown
    API key belongs to no app: any event of any app ends its refusals. A caller without one
    of our keys never counts, for it does not wait to be let in.
    """
    taken = IngestCount.objects.filter(
        outcome__in=_TAKEN, code="", last_at__gt=OuterRef("last_at")
    )
    of_app = taken.filter(app_id=OuterRef("app_id"))
    by_way = of_app.filter(way=OuterRef("way"), hour__gte=OuterRef("hour"))
    is_strange = Q(app_id=NO_APP)
    is_once = Q(outcome=IngestOutcome.UNAUTHORISED) | Q(way__in=_ONCE)
    ends_by_way = Q(Exists(by_way))
    ends_by_app = Q(Exists(of_app.filter(way="", hour=ALL_TIME_HOUR)))
    ends_by_any = Q(Exists(taken.filter(hour=ALL_TIME_HOUR)))
    return (
        (~is_strange & ~is_once & ~ends_by_way)
        | (~is_strange & is_once & ~ends_by_app)
        | (is_strange & Q(way__startswith=KEY_START) & ~ends_by_any)
    )
