"""Take: a busy integration's next small range, by one call of the database.

Whoever has begun a range at once knows the settings of the next one, until one of the rows
changes from which they came. So nobody needs to look first: the call leases and begins the range,
and tells its events. They are mapped afterwards, and what is known of the body by then is
written with the outcome.

A process that dies meanwhile leaves an attempt that nobody has ended, as if its request might have
left: a probe goes first, and the upload again. So an event that kills whoever maps it leaves a trace.
"""

from django.db import connection, transaction

from clevertap_sync.delivery import at_once, company, map_upload, send
from clevertap_sync.delivery.sql import (
    open_floor,
    row_writer,
    upload_functions,
)
from clevertap_sync.delivery.sql.upload_functions import Taken
from clevertap_sync.delivery.work import (
    Claim,
    KnownIntegration,
    MappedUpload,
    Sending,
)
from clevertap_sync.models import Attempt, Upload
from clevertap_sync.process import slots, worker_presence


def take_next_range(known: KnownIntegration) -> Claim | None:
    """Lease and begin the next range of an integration that this thread knows.

    None: nothing is written, and the way is gone that looks first.
    """
    pk = known.integration.pk
    if not (known.may_be_taken and _is_possible()):
        return None
    if not slots.take_slot(pk, in_fault_share=False):
        return None
    taken = None
    try:
        taken = _call(known)
    finally:
        if taken is None:
            slots.release_slot(pk, in_fault_share=False)
    return None if taken is None else _build_claim(known, taken)


def fill_sending(claim: Claim, mapped: MappedUpload) -> Sending | None:
    """Return what is to be sent of a range that was taken, now that it is mapped.

    None where nothing is sent of it, or more than a request takes: its attempt is gone, and it is
    leased and no more. The next one is not taken then, as it may be alike.
    """
    if claim.sending is None:
        return None
    if mapped.records and not map_upload.group_picks(claim, mapped):
        return send.fill_sending(claim, claim.sending, mapped)
    if claim.known is not None:
        claim.known.may_be_taken = False
    _take_attempt_back(claim, claim.sending)
    return None


def _is_possible() -> bool:
    """Return whether a version of a row is one of content: not within a transaction."""
    return at_once.has_function() and not connection.in_atomic_block


def _call(known: KnownIntegration) -> Taken | None:
    integration = known.integration
    floors = open_floor.read_floors(integration.account_id)
    return upload_functions.take_range(
        known,
        floor=floors.get(integration.pk, 0),
        most_events=at_once.MOST_EVENTS,
        worker=worker_presence.name_worker(),
    )


def _build_claim(known: KnownIntegration, taken: Taken) -> Claim:
    """Return the claim, and know the integration as it is now."""
    integration = known.integration
    was_served_at = integration.last_served_at
    upload = row_writer.copy_row(
        known.upload,
        id=taken.upload,
        first=integration.cursor + 1,
        last=taken.last,
        created_at=taken.now,
        due_at=taken.now,
    )
    attempt = row_writer.copy_row(
        known.attempt, id=taken.attempt, upload_id=taken.upload, began_at=taken.now
    )
    integration.cursor, integration.last_served_at = taken.last, taken.now
    known.versions.integration = taken.version
    open_floor.learn_begun_upload(integration.account_id, integration.pk, upload.pk)
    return Claim(
        upload,
        integration,
        upload.lease_token,
        left_some=False,
        is_busy=company.is_busy(was_served_at, taken.now),
        sending=Sending.begin(attempt, b""),
        rows=taken.events,
        known=known,
    )


def _take_attempt_back(claim: Claim, sending: Sending) -> None:
    """Let the upload be one that was leased and not begun, if the lease still holds.

    Nothing was sent, so no attempt is to be seen.
    """
    with transaction.atomic():
        leased = Upload.objects.filter(**claim.row_while_leased)
        if leased.update(attempt_count=0, idle_claims=1):
            Attempt.objects.filter(pk=sending.attempt.pk, ended_at=None).delete()
    claim.upload.attempt_count, claim.upload.idle_claims = 0, 1
