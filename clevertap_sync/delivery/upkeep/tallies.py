"""Tallies: the records of settled uploads, summed by hour, so that pages need not sum them.

Uploads are tallied in the order of their IDs, up to the first that is open: an upload before
it never changes again. An upload gets its ID under the account's lock, or is a part whose
parent is open until then. So under the lock no lower ID can appear later.
"""

import time
from datetime import UTC
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncHour

from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.upkeep import delivered_counts
from clevertap_sync.models import Integration, Tally, Upload

UPLOADS_PER_STEP = 5_000
#: Fewer uploads are left to the reader, which sums what is not tallied.
WORTHWHILE = 100
BUDGET_SECONDS = 2.0

_UNTALLIED: Final = """
    SELECT i.id FROM clevertap_sync_integration i
    WHERE (SELECT count(*) FROM (
        SELECT 1 FROM clevertap_sync_upload u
        WHERE u.integration_id = i.id AND u.id > i.tallied_to LIMIT %(worthwhile)s
    ) AS untallied) >= %(worthwhile)s
    ORDER BY random()
"""
_LIVE, _REPLAY = Q(replay=None), Q(replay__isnull=False)
_SUMS = {
    "sum_delivered": Coalesce(Sum("delivered", filter=_LIVE), 0),
    "sum_dead": Coalesce(Sum("dead", filter=_LIVE), 0),
    "sum_replayed": Coalesce(Sum("delivered", filter=_REPLAY), 0),
}


def add_up_tallies(
    *, seconds: float = BUDGET_SECONDS, worthwhile: int = WORTHWHILE
) -> None:
    """Tally the uploads that settled since the last call, for about `seconds`.

    The next call goes on with the rest. Safe to run anywhere, any number of times.
    """
    ends_at = time.monotonic() + seconds
    for pk in _find_untallied(max(1, worthwhile)):
        while time.monotonic() < ends_at and _tally_next_uploads(pk, worthwhile):
            pass


def take_back_tallies(integration: Integration, family: QuerySet[Upload]) -> None:
    """Take uploads that retention removes out of the tallies they are in.

    The caller holds the account's lock.
    """
    tallied = family.filter(integration=integration, pk__lte=integration.tallied_to)
    _add_to_tallies(integration.pk, tallied, sign=-1)
    hours = Tally.objects.filter(integration=integration)
    hours.filter(delivered=0, dead=0, replayed=0).delete()


def _find_untallied(worthwhile: int) -> list[int]:
    """Return the integrations with so many uploads that are not tallied, open ones included.

    Without a lock, and by an index: most often there are none. In any order, so that one busy
    integration does not use up every call's time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNTALLIED, {"worthwhile": worthwhile})
        return [pk for (pk,) in cursor.fetchall()]


def _tally_next_uploads(integration_id: int, worthwhile: int) -> bool:
    """Tally the next uploads; return whether there may be more."""
    with transaction.atomic():
        if lock_account(integration_id) is None:
            return False
        integration = Integration.objects.get(pk=integration_id)
        uploads = Upload.objects.filter(integration=integration)
        waiting = uploads.open().aggregate(first=Min("pk"))["first"]
        since = uploads.filter(pk__gt=integration.tallied_to)
        done = since if waiting is None else since.filter(pk__lt=waiting)
        ids = list(done.order_by("pk").values_list("pk", flat=True)[:UPLOADS_PER_STEP])
        if len(ids) < max(1, worthwhile):
            return False
        _add_to_tallies(integration_id, done.filter(pk__lte=ids[-1]), sign=1)
        delivered_counts.add_up_counts(integration, ids)
        Integration.objects.filter(pk=integration_id).update(tallied_to=ids[-1])
    return len(ids) == UPLOADS_PER_STEP


def _add_to_tallies(
    integration_id: int, uploads: QuerySet[Upload], *, sign: int
) -> None:
    leaves = uploads.filter(state=Upload.State.SETTLED)
    in_hours = leaves.annotate(hour=TruncHour("settled_at", tzinfo=UTC))
    by_hour = in_hours.values_list("hour").annotate(**_SUMS).order_by()
    for hour, delivered, dead, replayed in by_hour:
        tally, _ = Tally.objects.get_or_create(integration_id=integration_id, hour=hour)
        Tally.objects.filter(pk=tally.pk).update(
            delivered=F("delivered") + sign * delivered,
            dead=F("dead") + sign * dead,
            replayed=F("replayed") + sign * replayed,
        )
