"""How much an integration delivered, hour by hour, and how long its events waited.

Both are read from tallies and from the newest uploads, never from the log's events one by
one, so that they cost the same however long the log is.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce, TruncHour

from clevertap_sync.models import Integration, Tally, Upload
from referrals import log

HOURS: Final = 24
#: The waits are those of the newest uploads: this many, of one day at most.
UPLOADS: Final = 200
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DeliveredHour:
    """The records that settled in one hour, replays included."""

    began_at: datetime
    delivered: int
    dead: int


def read_hours(integration: Integration, now: datetime) -> list[DeliveredHour]:
    """Return the last 24 hours, the present one last."""
    present = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    began = [present - timedelta(hours=ago) for ago in reversed(range(HOURS))]
    sums = dict.fromkeys(began, (0, 0))
    for hour, delivered, dead in (
        *_read_tallied_hours(integration, began[0]),
        *_sum_untallied_hours(integration),
    ):
        if hour in sums:
            before = sums[hour]
            sums[hour] = (before[0] + delivered, before[1] + dead)
    return [DeliveredHour(hour, *sums[hour]) for hour in began]


def measure_usual_wait(integration: Integration, now: datetime) -> float | None:
    """Return the seconds within which 95 % of records were delivered, from their arrival.

    Each record counts as old as its upload's oldest event, so the true wait is never longer.
    None: no upload was delivered in the last day.
    """
    leaves = Upload.objects.leaves().filter(integration=integration, replay=None)
    oldest = log.select_received_at(integration.app_id, OuterRef("first"))
    newest = leaves.order_by("-pk").annotate(received_at=oldest)
    rows = newest.values_list("received_at", "settled_at", "delivered")
    return _find_weighted_percentile(
        ((settled_at - received_at).total_seconds(), delivered)
        for received_at, settled_at, delivered in rows[:UPLOADS]
        if received_at and settled_at and delivered and settled_at >= now - _DAY
    )


def _read_tallied_hours(
    integration: Integration, since: datetime
) -> Iterable[tuple[datetime, int, int]]:
    tallies = Tally.objects.filter(integration=integration, hour__gte=since)
    return tallies.values_list("hour", F("delivered") + F("replayed"), "dead")


def _sum_untallied_hours(
    integration: Integration,
) -> Iterable[tuple[datetime, int, int]]:
    """Sum up the uploads that are not tallied yet, by hour."""
    leaves = Upload.objects.leaves().filter(
        integration=integration, pk__gt=integration.tallied_to
    )
    hour = TruncHour("settled_at", tzinfo=UTC)
    # A replay's dead letters fell out before: they are counted where they did.
    dead = Coalesce(Sum("dead", filter=Q(replay=None)), 0)
    by_hour = leaves.annotate(hour=hour).values_list("hour")
    return by_hour.annotate(n=Sum("delivered"), fell_out=dead).order_by()


def _find_weighted_percentile(waits: Iterable[tuple[float, int]]) -> float | None:
    """Return the shortest wait that 95 % of the weight does not exceed."""
    ordered = sorted(waits)
    left = math.ceil(0.95 * sum(weight for _, weight in ordered))
    for wait, weight in ordered:
        left -= weight
        if left <= 0:
            return max(0.0, wait)
    return None
