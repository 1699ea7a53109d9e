"""Uploads under way that contain a person who is to be erased.

An upload that CleverTap surely did not store takes the new suppressions with its next claim,
and leaves the person out. Two kinds remain: uploads that a worker is sending, and uploads of
unknown outcome. These go again as they were, byte for byte, unless that takes too long. Then
parts without the person replace them.
"""

from django.db import transaction
from django.db.models import Q

from clevertap_sync.delivery import counts, dead_letters, map_upload, split
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.claim import count_unknown_outcomes
from clevertap_sync.delivery.work import Claim, MappedUpload, Undelivered
from clevertap_sync.insight.picks import make_pick, read_position
from clevertap_sync.models import Upload
from clevertap_sync.process import clock
from referrals import failpoints, log, suppression
from referrals.failpoints import Place
from referrals.models import ErasureRequest


def find_uploads_of_person(order: ErasureRequest) -> list[Upload]:
    """Return the uploads that may bring, or have brought, the person to CleverTap.

    Their number only falls: later claims know the order's suppressions.
    """
    unanswered = Q(leased_until__isnull=False) | Q(unknown_outcomes__gt=0)
    found = Upload.objects.open().filter(unanswered, integration__app=order.app_id)
    return [
        upload
        for upload in found.select_related("integration").order_by("pk")
        if _find_picks_naming(upload, order) & set(_map_as_claimed(upload).picks)
    ]


def are_any_leased(uploads: list[Upload]) -> bool:
    """Return whether a worker has leased one of them now, so that waiting a moment helps."""
    now = clock.read_now()
    return any(u.leased_until is not None and u.leased_until > now for u in uploads)


def replace_upload(candidate: Upload, order: ErasureRequest) -> bool:
    """Replace an upload by parts: the person's records are dead letters, the rest is sent.

    Returns False where a worker has leased the upload, or none of its records is the
    person's any more.
    """
    with transaction.atomic():
        lock_account(candidate.integration_id)
        now = clock.read_now()
        idle = Q(leased_until=None) | Q(leased_until__lte=now)
        locked = Upload.objects.select_for_update(no_key=True).open()
        upload = locked.filter(idle, pk=candidate.pk).first()
        if upload is None:
            return False
        if upload.leased_until is not None:
            count_unknown_outcomes([upload], upload.integration, now)
        taken_out = _split_without_person(upload, order)
        failpoints.reach_failpoint(Place.ERASURE_REPLACED)
    return taken_out


def _find_picks_naming(upload: Upload, order: ErasureRequest) -> set[int]:
    """Return the records that name the person, or that a revival sends under their name."""
    is_meant = suppression.make_person_matcher(order.app_id, order.hashes)
    hashes = frozenset(order.hashes)
    pinned = {
        int(pick) for pick, pin in (upload.identities or {}).items() if pin in hashes
    }
    return pinned | {
        make_pick(logged.position, side)
        for logged in _read_events(upload, order.app_id)
        for side in suppression.find_sides_meant(logged.event, is_meant)
    }


def _read_events(upload: Upload, app_id: int) -> list[log.LoggedEvent]:
    """Return the upload's events. What waited may lie far apart in the log."""
    if upload.picks is None:
        return list(log.read_range(app_id, upload.first, upload.last))
    return log.read_positions(app_id, {read_position(pick) for pick in upload.picks})


def _map_as_claimed(upload: Upload) -> MappedUpload:
    return map_upload.map_upload(Claim(upload, upload.integration, upload.lease_token))


def _split_without_person(upload: Upload, order: ErasureRequest) -> bool:
    mapped, named = _map_as_claimed(upload), _find_picks_naming(upload, order)
    person_picks = sorted(named & set(mapped.picks))
    if not person_picks:
        return False
    rest = sorted(set(mapped.list_picks()) - set(person_picks))
    now = clock.read_now()
    parts = split.split_into_parts(upload, [person_picks, rest], now)
    records = dict(zip(mapped.picks, mapped.records, strict=True))
    taken_out = [records[pick] for pick in person_picks]
    erased = [
        Undelivered(pick, record.name, map_upload.ERASED, "")
        for pick, record in zip(person_picks, taken_out, strict=True)
    ]
    Upload.objects.filter(pk=parts[0].pk).update(
        state=Upload.State.SETTLED,
        records=len(person_picks),
        dead=len(person_picks),
        counts=counts.count_undelivered(upload.integration, upload, taken_out),
        identities=None,
        settled_at=now,
    )
    dead_letters.write_dead_letters(parts[0], erased, now)
    return True
