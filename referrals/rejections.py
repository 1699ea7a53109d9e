"""A capped list of events that were refused where nobody reads the answer: by task or source."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from referrals.ingest.count_removal import remove_samples
from referrals.log import Result, Status
from referrals.models import RejectedEvent

KEPT_PER_APP = 1000

_REFUSALS = {Status.REJECTED, Status.CONFLICT}
_KEY_CHARACTERS = 200
_POINTER_CHARACTERS = 255
# A shorter text stands in others by accident.
_TELLING_CHARACTERS = 4


def record_rejections(app_id: int, source: str, results: Iterable[Result]) -> int:
    """Keep the rejected and conflicting ones of `results`; return how many these are.

    `source` says where they came from: 'celery', or the name of a source. Of an app, the newest thousand
    stay.
    """
    refused = [result for result in results if result.status in _REFUSALS]
    if refused:
        with transaction.atomic():
            RejectedEvent.objects.bulk_create(
                _row(app_id, source, result) for result in refused[-KEPT_PER_APP:]
            )
            _trim(app_id)
    return len(refused)


def remove_rejections(app_id: int, identities: Iterable[str]) -> int:
    """Remove the refusals in which one of `identities` stands; return how many.

    The samples and counts of `ingest` count among them. A refusal repeats no value, but it
    names the event by its id and the place by its key, and a careless producer may have put
    an identity there.
    """
    rows = RejectedEvent.objects.filter(app_id=app_id)
    removed = 0
    wanted = list(identities)
    for identity in wanted:
        if len(identity) >= _TELLING_CHARACTERS:
            named = Q(key__icontains=identity) | Q(pointer__icontains=identity)
            removed += rows.filter(named).delete()[0]
    return removed + remove_samples(app_id, wanted)


def _row(app_id: int, source: str, result: Result) -> RejectedEvent:
    return RejectedEvent(
        app_id=app_id,
        source=source,
        key=(result.id or "")[:_KEY_CHARACTERS],
        pointer=(result.pointer or "")[:_POINTER_CHARACTERS].replace("\0", "�"),
        detail=(result.detail or "").replace("\0", "�"),
    )


def _trim(app_id: int) -> None:
    rows = RejectedEvent.objects.filter(app_id=app_id)
    surplus = rows.order_by("-id").values_list("id", flat=True)[KEPT_PER_APP:]
    newest_surplus = surplus.first()
    if newest_surplus is not None:
        rows.filter(id__lte=newest_surplus).delete()
