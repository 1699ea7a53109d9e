"""Folding: what retention removes of uploads goes on counting in their integration.

An upload goes as a family, with its parts, attempts and dead letters, and what they came to
is added to the integration's totals in the same transaction. So the books go on balancing.
"""

import itertools
from bisect import bisect
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.upkeep import delivered_counts, tallies
from clevertap_sync.models import (
    Attempt,
    DeadLetter,
    Integration,
    Upload,
    WaitingRecord,
)
from referrals import failpoints
from referrals.failpoints import Place

#: The account's lock is held meanwhile, and an upload may have a thousand dead letters.
UPLOADS_PER_CHUNK = 50
LETTERS_PER_CHUNK = 2_000
_STATE = DeadLetter.State
_REVIVED: Final = Q(state=_STATE.DELIVERED)
_LETTERS: Final = {
    "all": Count("pk"),
    "revived": Count("pk", filter=_REVIVED),
    "had_waited": Count("pk", filter=_REVIVED & Q(linked_at__isnull=False)),
    "in_vain": Count("pk", filter=Q(state__in=[_STATE.WAITING, _STATE.EXPIRED])),
}
_TOTALS: Final = (
    "removed_delivered",
    "removed_dead",
    "removed_revived",
    "removed_unknown",
    "removed_expired",
)


def fold_oldest(integration: Integration, limit: int, cutoff: datetime) -> bool:
    """Remove the oldest families up to `limit`, and keep their totals. False: none left."""
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        roots = _choose_roots(integration, limit, cutoff)
        if not roots:
            return False
        # Either ranges of the log, or uploads of replays; a part is what its root is.
        replays = roots[0].replay_id is not None
        family = Upload.objects.filter(
            Q(pk__in=[r.pk for r in roots]) | Q(root__in=roots)
        )
        letters = DeadLetter.objects.filter(upload__in=family).aggregate(**_LETTERS)
        if not replays:
            _keep_totals(integration, family, letters)
            integration.tail = max(integration.tail, roots[-1].last)
        _keep_unknown_outcomes(integration, family)
        tallies.take_back_tallies(integration, family)
        # What is delivered at CleverTap stays so: counts are never taken back.
        untallied = family.filter(pk__gt=integration.tallied_to)
        delivered_counts.add_up_counts(
            integration, untallied.values_list("pk", flat=True)
        )
        integration.save(update_fields=["tail", *_TOTALS])
        _remove_family(family, has_letters=letters["all"] > 0, replays=replays)
        _remove_orphaned_letters(integration)
        failpoints.reach_failpoint(Place.RETENTION_FOLDED)
    return True


def _choose_roots(
    integration: Integration, limit: int, cutoff: datetime
) -> list[Upload]:
    """Return the oldest uploads, as many as have few dead letters together; one at least."""
    roots = list(_select_old_ranges(integration, limit)) or list(
        _select_old_replay_uploads(integration, cutoff)
    )
    letters = itertools.accumulate(map(_estimate_letters, roots))
    return roots[: max(1, bisect(list(letters), LETTERS_PER_CHUNK))]


def _estimate_letters(root: Upload) -> int:
    """Return how many dead letters an upload has at most; of one that was split, about."""
    if root.state == Upload.State.SPLIT:
        return root.records or 0
    return root.dead + root.waiting


def _select_old_ranges(integration: Integration, limit: int) -> QuerySet[Upload]:
    # From the tail on: the database passes no entry of what went before.
    old = Upload.objects.ranges().filter(
        integration=integration, first__gt=integration.tail, last__lte=limit
    )
    return old.order_by("first")[:UPLOADS_PER_CHUNK]


def _select_old_replay_uploads(
    integration: Integration, cutoff: datetime
) -> QuerySet[Upload]:
    old = Upload.objects.filter(
        integration=integration,
        parent=None,
        replay__isnull=False,
        settled_at__lt=cutoff,
    )
    busy = Upload.objects.open().filter(root__isnull=False).values("root")
    return old.exclude(pk__in=busy).order_by("pk")[:UPLOADS_PER_CHUNK]


def _keep_totals(
    integration: Integration, family: QuerySet[Upload], letters: Mapping[str, int]
) -> None:
    settled = family.filter(state=Upload.State.SETTLED)
    sums = settled.aggregate(delivered=Coalesce(Sum("delivered"), 0))
    revived, in_vain = letters["revived"], letters["in_vain"]
    integration.removed_delivered += sums["delivered"] + revived
    integration.removed_expired += in_vain
    integration.removed_dead += letters["all"] - revived - in_vain
    integration.removed_revived += letters["had_waited"]


def _keep_unknown_outcomes(integration: Integration, family: QuerySet[Upload]) -> None:
    unknown = Attempt.objects.filter(upload__in=family, outcome_unknown=True)
    integration.removed_unknown += unknown.count()


def _remove_family(
    family: QuerySet[Upload], *, has_letters: bool, replays: bool
) -> None:
    """Remove a family whole. The database's constraints forbid rows without their upload."""
    ids = list(family.values_list("pk", flat=True))
    for chunk in _split_into_chunks(ids):
        if has_letters:
            WaitingRecord.objects.filter(letter__upload__in=chunk).delete()
            DeadLetter.objects.filter(upload__in=chunk).delete()
        if replays:
            replayed = DeadLetter.objects.filter(replay_upload__in=chunk)
            replayed.update(replay_upload=None)
        Attempt.objects.filter(upload__in=chunk).delete()
    for chunk in _split_into_chunks(ids):
        Upload.objects.filter(pk__in=chunk).delete()


def _remove_orphaned_letters(integration: Integration) -> None:
    """Remove dead letters of replays whose events go as well."""
    gone = DeadLetter.objects.filter(
        integration=integration, position__lte=integration.tail
    )
    idle = gone.exclude(state=DeadLetter.State.REPLAYING)
    if idle.exists():
        WaitingRecord.objects.filter(letter__in=idle.values("pk")).delete()
        idle.delete()


def _split_into_chunks(ids: list[int], size: int = 500) -> Iterable[list[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
