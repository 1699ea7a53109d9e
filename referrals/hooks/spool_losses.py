"""What was put into the spool and is not there any more: counted as lost, once.

Web processes count what they put in, workers what they take out. While the spool is empty,
both numbers are the same, but for counts that a process has not written yet. A difference
that stands for a minute is what Redis has lost; or, below zero, counts that died with their
process, which are added without a word.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Final, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q, Sum

from referrals.hooks.spool import LossReason
from referrals.ingest.counter import (
    OUTCOMES_OF_SPOOL,
    CountKey,
    HourlyKey,
    IngestCounts,
    IngestOutcome,
    find_hour,
)
from referrals.ingest.writing import ALL_TIME_HOUR, take_lock, write_counts
from referrals.models import IngestCount

#: How often of the time that a difference has to stand it is looked for.
_LOOKS: Final = 6
# Sets this lock apart from others in the same database.
_LOSSES_LOCK: Final = 0x53504F4F4C

logger: Final = logging.getLogger(__name__)


class SourceKey(NamedTuple):
    """A source as `ingest` counts it."""

    app_id: int
    way: str


class SourceLoss(NamedTuple):
    """How many events of a source were lost for one reason, a `LossReason`, and when last."""

    app_id: int
    way: str
    reason: str
    number: int
    last_at: datetime


class LossWatch:
    """Knows since when a difference stands. Pure."""

    def __init__(self) -> None:
        self._standing: dict[SourceKey, tuple[int, float]] = {}

    def find_standing(
        self, differences: Mapping[SourceKey, int], now: float, seconds: float
    ) -> dict[SourceKey, int]:
        """Return the differences that have been the same for so many seconds."""
        since: dict[SourceKey, tuple[int, float]] = {}
        for key, difference in differences.items():
            before = self._standing.get(key)
            is_same = before is not None and before[0] == difference
            since[key] = before if before and is_same else (difference, now)
        self._standing = since
        return {
            key: difference
            for key, (difference, began) in since.items()
            if now - began >= seconds
        }

    def forget(self) -> None:
        """Begin anew: something waits in the spool."""
        self._standing = {}


class _Looking:
    """What this process remembers."""

    watch = LossWatch()
    next_at = 0.0


def watch_losses(*, is_empty: bool) -> None:
    """Count as lost what has been missing for `SPOOL_LOST_AFTER_SECONDS`.

    Call it again and again. Raises a database's errors.
    """
    if not is_empty:
        _Looking.watch.forget()
        return
    now, seconds = monotonic(), settings.SPOOL_LOST_AFTER_SECONDS
    if now < _Looking.next_at:
        return
    _Looking.next_at = now + seconds / _LOOKS
    standing = _Looking.watch.find_standing(read_differences(), now, seconds)
    for key, difference in standing.items():
        settle_difference(key, difference)


def clear_losses() -> None:
    """Clear what this process remembers."""
    _Looking.watch.forget()
    _Looking.next_at = 0.0


def read_differences(app_id: int | None = None) -> dict[SourceKey, int]:
    """Return by source how many events more were put into the spool than left it.

    Sources without a difference are left out.
    """
    rows = IngestCount.objects.filter(
        Q(code="") | Q(code=LossReason.SPOOL_LOST),
        hour=ALL_TIME_HOUR,
        outcome__in=OUTCOMES_OF_SPOOL,
    )
    if app_id is not None:
        rows = rows.filter(app_id=app_id)
    differences: dict[SourceKey, int] = {}
    for owner, way, outcome, number in rows.values_list(
        "app_id", "way", "outcome", "number"
    ):
        sign = 1 if outcome == IngestOutcome.SPOOLED else -1
        key = SourceKey(owner, way)
        differences[key] = differences.get(key, 0) + sign * number
    return {key: difference for key, difference in differences.items() if difference}


def settle_difference(key: SourceKey, difference: int) -> bool:
    """Count the difference, if it is still the same; return whether it was.

    Whatever number of workers calls this, it is counted once.
    """
    with transaction.atomic():
        take_lock(_LOSSES_LOCK)
        if read_differences(key.app_id).get(key) != difference:
            return False
        is_lost = difference > 0
        now = datetime.now(UTC)
        count_key = CountKey(
            *key,
            IngestOutcome.LOST if is_lost else IngestOutcome.SPOOLED,
            LossReason.SPOOL_LOST if is_lost else "",
        )
        counts = IngestCounts(now, abs(difference))
        write_counts({HourlyKey(find_hour(now), count_key): counts})
    if is_lost:
        logger.error(
            "%s events of %s were in the spool, and Redis has them no more",
            difference,
            key.way,
        )
    return True


def read_losses(since: datetime) -> list[SourceLoss]:
    """Return what sources have lost since an instant, by reason, the latest first."""
    rows = IngestCount.objects.filter(
        hour__gte=find_hour(since), last_at__gte=since, outcome=IngestOutcome.LOST
    )
    sums = rows.values_list("app_id", "way", "code").annotate(
        number=Sum("number"), last=Max("last_at")
    )
    return [SourceLoss(*row) for row in sums.order_by("-last", "app_id", "way", "code")]
