"""Records that wait for a person who is erased: they wait no more.

The caller holds the locks of the app's learner and of its accounts, so that no step matches
them and no claim takes them meanwhile.
"""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet

from clevertap_sync.delivery.map_upload import ERASED
from clevertap_sync.models import DeadLetter, WaitingRecord
from clevertap_sync.process import clock

_CHUNK = 500


def erase_records_waiting_for(app_id: int, hashes: Collection[str]) -> int:
    """Erase what waits for one of these identities, or was to go out under one.

    Returns how many dead letters that were.
    """
    wanted = [UUID(each) for each in hashes]
    found: set[int] = set()
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        named = Q(app=app_id, hash__in=chunk)
        matched = Q(integration__app=app_id, matched__isnull=False, matched__in=chunk)
        rows = WaitingRecord.objects.filter(named | matched)
        found.update(rows.values_list("letter_id", flat=True))
    ids = sorted(found)
    return sum(
        erase_waiting_letters(
            DeadLetter.objects.filter(pk__in=ids[start : start + _CHUNK])
        )
        for start in range(0, len(ids), _CHUNK)
    )


def erase_waiting_letters(letters: QuerySet[DeadLetter]) -> int:
    """Give those of `letters` that wait the reason `erased`; return how many there were.

    An upload that settles at this moment may deliver one of them. So they are locked, and
    before what they wait for, as by all that write both.
    """
    waiting = letters.filter(state=DeadLetter.State.WAITING)
    locked = waiting.select_for_update(no_key=True).order_by("pk")
    ids = list(locked.values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        DeadLetter.objects.filter(pk__in=chunk).update(
            state=DeadLetter.State.OPEN,
            reason=ERASED,
            detail="",
            changed_at=clock.read_now(),
        )
        WaitingRecord.objects.filter(letter__in=chunk).delete()
    return len(ids)
