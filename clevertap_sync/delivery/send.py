"""Send: one attempt, one request. No transaction is held meanwhile, and few connections are."""

import hashlib
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from clevertap_sync.clevertap.client import UploadResult
from clevertap_sync.clevertap.errors import (
    CleverTapError,
    NoAnswerError,
    NotSentError,
    UnreadablePasscodeError,
)
from clevertap_sync.clevertap.limits import encode_body
from clevertap_sync.clevertap.outcomes import sort_outcome
from clevertap_sync.clevertap.unknown_causes import UnknownCause
from clevertap_sync.delivery.sql import lone_write, row_writer, upload_functions
from clevertap_sync.delivery.work import (
    BodyFacts,
    Claim,
    MappedUpload,
    RowVersions,
    Sending,
)
from clevertap_sync.models import Attempt, Integration, Upload
from clevertap_sync.process import worker_presence
from clevertap_sync.process.account_access import open_client
from clevertap_sync.process.delivery_faults import describe_fault
from clevertap_sync.process.duration_counts import count_duration
from clevertap_sync.process.durations import CLEVERTAP_REQUEST
from referrals import failpoints
from referrals.database_connection import ShortWait
from referrals.failpoints import Place

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """A request's result or error, and how long it took."""

    result: UploadResult | None
    error: CleverTapError | None
    seconds: float


def begin_attempt(claim: Claim, mapped: MappedUpload) -> Sending | None:
    """Save the attempt before its request is sent. None if the lease was lost meanwhile."""
    upload = claim.upload
    body, facts = describe_body(mapped)
    attempt = _make_attempt(claim, facts)
    body_changed = upload.body_changed or _differs(upload, facts)
    # A fault that is ordered between write and commit needs the two apart.
    is_one_call = not failpoints.is_armed(Place.ATTEMPT_WRITTEN)
    if is_one_call and upload_functions.are_there():
        is_begun = _write_by_function(claim, attempt, facts, body_changed=body_changed)
    else:
        is_begun = _write_by_statements(
            claim, attempt, _list_changes(upload, facts, body_changed=body_changed)
        )
    if not is_begun:
        return None
    if _differs(upload, facts):
        logger.warning(
            "Upload %s goes again with another body: a release or an erasure changed it",
            upload.pk,
        )
    return Sending.begin(attempt, body)


def _write_by_statements(
    claim: Claim, attempt: Attempt, changes: dict[str, Any]
) -> bool:
    with lone_write.open_transaction(Place.ATTEMPT_WRITTEN):
        began = row_writer.write_rows(
            row_writer.UpdateRow(Upload, claim.row_while_leased, changes),
            row_writer.InsertRow(attempt, {"began_at": row_writer.NOW}),
        )
        if began is not None:
            failpoints.reach_failpoint(Place.ATTEMPT_WRITTEN)
    return began is not None


def _write_by_function(
    claim: Claim, attempt: Attempt, facts: BodyFacts, *, body_changed: bool
) -> bool:
    leased = upload_functions.LeasedUpload(
        **_tell_begin(attempt, facts),
        body_changed=body_changed,
        attempt_count=claim.upload.attempt_count + 1,
    )
    begun = upload_functions.begin_leased_upload(claim.upload.pk, claim.token, leased)
    if begun is None:
        return False
    attempt.pk, attempt.began_at = begun.attempt, begun.began
    attempt._state.adding = False
    return True


def begin_new_upload(claim: Claim, mapped: MappedUpload) -> Sending:
    """Write a new range with its attempt, in the caller's transaction, under the lock.

    The upload was made at the instant at which its integration is served.
    """
    body, facts = describe_body(mapped)
    attempt = _make_attempt(claim, facts)
    integration, upload = claim.integration, claim.upload
    begun = {"began_at": row_writer.NOW, "upload_id": row_writer.KEY_BEFORE}
    served = {"last_served_at": upload.created_at, "cursor": integration.cursor}
    changes = _list_changes(upload, facts, body_changed=False)
    row_writer.write_rows(
        row_writer.UpdateRow(Integration, {"id": integration.pk}, served),
        row_writer.InsertRow(upload, changes),
        row_writer.InsertRow(attempt, begun),
    )
    failpoints.reach_failpoint(Place.ATTEMPT_WRITTEN)
    return Sending.begin(attempt, body)


def begin_by_function(
    claim: Claim, mapped: MappedUpload, fingerprint: object
) -> tuple[Sending, RowVersions] | None:
    """Do the same by a call of the database's, if its state has still this fingerprint.

    Returns the versions of the rows that the upload's settings came from, too.
    """
    body, facts = describe_body(mapped)
    attempt = _make_attempt(claim, facts)
    upload = claim.upload
    new = upload_functions.NewUpload(
        **_tell_begin(attempt, facts),
        first=upload.first,
        last=upload.last,
        settings=upload.settings,
        lease_token=claim.token,
    )
    begun = upload_functions.begin_upload(claim.integration.pk, fingerprint, new)
    if begun is None:
        return None
    upload.pk, attempt.pk, attempt.upload_id = begun.upload, begun.attempt, begun.upload
    upload.created_at = upload.due_at = begun.now
    attempt.began_at = begun.began
    upload.attempt_count = 1
    upload._state.adding = attempt._state.adding = False
    _note_facts(upload, facts)
    return Sending.begin(attempt, body), begun.versions


def fill_sending(claim: Claim, sending: Sending, mapped: MappedUpload) -> Sending:
    """Return the sending of an upload that was taken before it was mapped, with its body."""
    body, facts = describe_body(mapped)
    sending.attempt.records, sending.attempt.body_bytes = (
        facts.sent_records,
        facts.body_bytes,
    )
    _note_facts(claim.upload, facts)
    return replace(sending, body=body, unwritten=facts)


def write_body_facts(claim: Claim, sending: Sending) -> None:
    """Write what is not written of the body yet, if the lease still holds.

    For an outcome that is more than a success; in the caller's transaction.
    """
    facts = sending.unwritten
    if facts is None:
        return
    row_writer.write_rows(
        row_writer.UpdateRow(Upload, claim.row_while_leased, _list_facts(facts)),
        row_writer.UpdateRow(
            Attempt,
            {"id": sending.attempt.pk},
            {"records": facts.sent_records, "body_bytes": facts.body_bytes},
        ),
    )


def describe_body(mapped: MappedUpload) -> tuple[bytes, BodyFacts]:
    """Return the body of an upload that was mapped, and what is written down of it."""
    body = encode_body(mapped.encoded_records())
    facts = BodyFacts(
        body_hash=hashlib.sha256(body).hexdigest(),
        records=mapped.verdicts_due,
        unsent=mapped.unsent,
        shortened=sum([record.shortened for record in mapped.records]),
        sent_records=len(mapped.records),
        body_bytes=len(body),
    )
    return body, facts


def _make_attempt(claim: Claim, facts: BodyFacts) -> Attempt:
    return Attempt(
        integration_id=claim.upload.integration_id,
        upload=claim.upload,
        lease_token=claim.token,
        worker=worker_presence.name_worker(),
        records=facts.sent_records,
        body_bytes=facts.body_bytes,
    )


def _differs(upload: Upload, facts: BodyFacts) -> bool:
    """Return whether a request with the upload had another body before."""
    return bool(upload.body_hash) and upload.body_hash != facts.body_hash


def _note_facts(upload: Upload, facts: BodyFacts) -> None:
    for name, value in _list_facts(facts).items():
        setattr(upload, name, value)


def _list_facts(facts: BodyFacts) -> dict[str, Any]:
    """Return an upload's columns by a body's facts."""
    return {
        "body_hash": facts.body_hash,
        "records": facts.records,
        "unsent": facts.unsent,
        "shortened": facts.shortened,
    }


def _tell_begin(attempt: Attempt, facts: BodyFacts) -> dict[str, Any]:
    """Return what a function of the database is told of any upload that begins."""
    return {
        **_list_facts(facts),
        "worker": attempt.worker,
        "sent_records": facts.sent_records,
        "body_bytes": facts.body_bytes,
    }


def _list_changes(
    upload: Upload, facts: BodyFacts, *, body_changed: bool
) -> dict[str, Any]:
    """Return what changes on an upload that begins."""
    return {
        **_list_facts(facts),
        "body_changed": body_changed,
        "idle_claims": 0,
        "attempt_count": upload.attempt_count + 1,
        "leased_until": row_writer.DatabaseInstant(settings.LEASE_SECONDS),
    }


def send_upload(
    integration: Integration, sending: Sending, records: Sequence[bytes]
) -> RequestOutcome:
    """Make the request, unless so much time passed that the lease would not cover it.

    How long it took is counted.
    """
    spare = settings.LEASE_SECONDS - settings.REQUEST_SECONDS
    if time.monotonic() - sending.began > spare:
        error = NotSentError(
            "This process stood still for longer than its lease allows."
        )
        return RequestOutcome(None, error, 0.0)
    with ShortWait():
        outcome = post_records(
            integration, sending.body, records, dry_run=sending.attempt.dry_run
        )
    _count_request(integration, outcome)
    return outcome


def _count_request(integration: Integration, outcome: RequestOutcome) -> None:
    sort = sort_outcome(outcome.error)
    if sort is not None:
        labels = (integration.app.slug, integration.name, sort)
        count_duration(CLEVERTAP_REQUEST, labels, outcome.seconds)


def post_records(
    integration: Integration, body: bytes, records: Sequence[bytes], *, dry_run: bool
) -> RequestOutcome:
    """POST to the integration's account and return the outcome. Never raises."""
    started = time.monotonic()
    result, error = None, None
    try:
        result = _post(integration, body, records, dry_run=dry_run)
    except CleverTapError as named:
        error = named
    except Exception as fault:  # noqa: BLE001 - whatever it is, the upload needs a verdict
        # A fault of ours: the hold gets its name, and no loop tries it again. Its message
        # could contain an identity, so the log has only the class and the place.
        kind, place = (
            type(fault).__name__,
            traceback.extract_tb(fault.__traceback__)[-1],
        )
        logger.error(  # noqa: TRY400
            "A request to CleverTap met a fault of ours: %s in %s, line %s",
            kind,
            place.filename,
            place.lineno,
            extra=describe_fault(integration.pk, fault),
        )
        error = NoAnswerError(kind, unknown_cause=UnknownCause.OUR_FAULT)
    return RequestOutcome(result, error, time.monotonic() - started)


def _post(
    integration: Integration, body: bytes, records: Sequence[bytes], *, dry_run: bool
) -> UploadResult:
    try:
        integration.passcode.reveal()
    except ImproperlyConfigured:
        raise UnreadablePasscodeError from None
    return open_client(integration).upload(body, records, dry_run=dry_run)
