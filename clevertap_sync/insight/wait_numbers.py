"""What waits for a person to be known, what became of what waited, and how far learning is.

None of these numbers gets slower with the length of the log. A record that waits, or waited
in vain, is a dead letter in a state of its own, and in no other number of dead letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from clevertap_sync.insight.integration_query import ask_about
from clevertap_sync.models import DeadLetter, Integration
from referrals import log
from referrals.models import PeopleProgress

_WEEK: Final = timedelta(days=7)
_RECENTLY: Final = timedelta(minutes=5)
#: The newest so many of each outcome stand for a week that has more.
MOST_READ: Final = 5_000
#: Where the buckets of waits end, in seconds.
BUCKETS: Final = (1, 10, 60, 600, 3_600, 86_400, 604_800)

_State = DeadLetter.State

_ENDED: Final = """
    SELECT i.id,
        (SELECT count(*) FROM clevertap_sync_deadletter d WHERE d.integration_id = i.id
            AND d.state = 'delivered' AND d.linked_at IS NOT NULL),
        (SELECT count(*) FROM clevertap_sync_deadletter d WHERE d.integration_id = i.id
            AND d.state = 'expired')
    FROM clevertap_sync_integration i WHERE i.id IN ({ids})
"""


@dataclass(frozen=True, slots=True)
class EndedWaits:
    """The records that waited and wait no more, since the integration began."""

    revived: int
    expired: int


@dataclass(frozen=True, slots=True)
class WaitsOfWeek:
    """The records whose waiting ended within a week, or the newest ones of a busy week.

    `percent` of them were delivered; None where none ended. Half of those whose person
    became known waited for `median_seconds` at most.
    """

    percent: int | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class LearningStanding:
    """How far an app's log was learned from: the oldest event beyond, and conflicts."""

    app: str
    lag_seconds: float
    conflicts: int


def find_end_of_wait(letter: DeadLetter) -> datetime:
    """Return until when a record that waits may wait."""
    return letter.created_at + timedelta(days=settings.WAIT_DAYS)


def count_ended_waits(integrations: Sequence[Integration]) -> dict[int, EndedWaits]:
    """Return what became of all that waited, what retention removed included, by ID."""
    rows = ask_about([each.pk for each in integrations], _ENDED)
    counts = {key: (revived, expired) for key, revived, expired in rows}
    return {
        each.pk: EndedWaits(
            counts[each.pk][0] + each.removed_revived,
            counts[each.pk][1] + each.removed_expired,
        )
        for each in integrations
    }


def measure_waits_of_week(integration: Integration, now: datetime) -> WaitsOfWeek:
    """Return what became of the records whose waiting ended in the last week."""
    since = now - _WEEK
    linked = _read_linked(integration, since)
    expired = _read_expired(integration, since)
    # Where one of them was read in part, both count from there on.
    for instants in ([row[0] for row in linked], expired):
        if len(instants) == MOST_READ:
            since = max(since, instants[-1])
    ended = [row for row in linked if row[0] >= since]
    delivered = sum(state == _State.DELIVERED for *_, state in ended)
    total = len(ended) + sum(instant >= since for instant in expired)
    waits = [_measure_wait(began, known) for known, began, _ in ended]
    return WaitsOfWeek(
        delivered * 100 // total if total else None, median(waits) if waits else None
    )


def count_recent_waits(integration: Integration, now: datetime) -> dict[str, int]:
    """Count the waits that ended in the last five minutes, as the buckets of a histogram.

    Each bucket, named by its end in seconds, has the shorter waits as well.
    """
    known = _select_letters(integration).filter(linked_at__gte=now - _RECENTLY)
    rows = known.order_by("-linked_at").values_list("created_at", "linked_at")
    waits = [_measure_wait(*row) for row in rows[:MOST_READ]]
    counts = {str(end): sum(wait <= end for wait in waits) for end in BUCKETS}
    return counts | {"+Inf": len(waits)}


def read_learning(now: datetime) -> list[LearningStanding]:
    """Return the standing of each app that learns of people, by its short name."""
    rows = PeopleProgress.objects.select_related("app").order_by("app__slug")
    return [
        LearningStanding(row.app.slug, _measure_lag(row, now), row.shared)
        for row in rows
        if row.app.learns_of_people
    ]


def _select_letters(integration: Integration) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(integration=integration)


def _read_linked(
    integration: Integration, since: datetime
) -> list[tuple[datetime, datetime, str]]:
    """Return when each became known, when it began to wait, and its state; newest first."""
    # What is under way has no outcome yet.
    settled = _select_letters(integration).filter(
        linked_at__gte=since, state__in=(_State.DELIVERED, _State.OPEN)
    )
    rows = settled.order_by("-linked_at").values_list(
        "linked_at", "created_at", "state"
    )
    return [
        (linked, began, state)
        for linked, began, state in rows[:MOST_READ]
        if linked is not None
    ]


def _read_expired(integration: Integration, since: datetime) -> list[datetime]:
    expired = _select_letters(integration).filter(
        state=_State.EXPIRED, changed_at__gte=since
    )
    rows = expired.order_by("-changed_at").values_list("changed_at", flat=True)
    return list(rows[:MOST_READ])


def _measure_wait(began: datetime, known: datetime | None) -> float:
    """Return the seconds of a wait; who was known before waited for nothing."""
    return max(0.0, (known - began).total_seconds()) if known else 0.0


def _measure_lag(progress: PeopleProgress, now: datetime) -> float:
    """Return the age in seconds of the oldest event that was not learned from, else 0."""
    if progress.cursor >= log.read_head(progress.app_id):
        return 0.0
    # While people are learned anew, the cursor may be long before what the log still has.
    next_one = max(progress.cursor + 1, log.find_tail(progress.app_id))
    events = log.read_positions(progress.app_id, [next_one])
    if not events:
        return 0.0
    return max(0.0, (now - events[0].received_at).total_seconds())
