"""Removes counts and samples: by age, and when a person is erased."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from referrals.ingest.counter import DETAILS
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount, IngestSample

#: How long hours and samples are kept: what a page shows of a source's month, and a day more.
KEEP_COUNTS_FOR: Final = timedelta(days=31)
BATCH: Final = 1_000

# A shorter text stands in others by accident.
_TELLING_CHARACTERS: Final = 4


def trim_counts(now: datetime, *, limit: int = BATCH) -> int:
    """Remove up to `limit` hours that are past their days; return how many. Samples too.

    The counts since the beginning stay. Call it again while it returns `limit`.
    """
    before = now - KEEP_COUNTS_FOR
    IngestSample.objects.filter(at__lt=before).delete()
    old = IngestCount.objects.filter(hour__lt=before, hour__gt=ALL_TIME_HOUR).order_by(
        "hour"
    )
    keys = list(old.values_list("pk", flat=True)[:limit])
    removed, _ = IngestCount.objects.filter(pk__in=keys).delete()
    return removed


def remove_samples(app_id: int, identities: Iterable[str]) -> int:
    """Remove samples and counts in which one of `identities` stands; return how many.

    A careless producer may have put one into an event's id or the name of a field, and a
    platform into what it calls an event.
    """
    rows = IngestSample.objects.filter(app_id=app_id)
    counts = IngestCount.objects.filter(app_id=app_id, outcome__in=DETAILS)
    removed = 0
    for identity in identities:
        if len(identity) >= _TELLING_CHARACTERS:
            named = Q(key__icontains=identity) | Q(pointer__icontains=identity)
            removed += rows.filter(named).delete()[0]
            removed += counts.filter(code__icontains=identity).delete()[0]
    return removed
