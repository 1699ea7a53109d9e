"""Settle: write each record's verdict, once, and only as the owner of the lease."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import random
from typing import Any

from django.conf import settings
from django.db import transaction

from clevertap_sync.clevertap.client import UploadResult
from clevertap_sync.clevertap.limits import RETRYABLE_CODE
from clevertap_sync.clevertap.reasons import find_reason_for_code
from clevertap_sync.clevertap.retry import choose_backoff
from clevertap_sync.delivery import counts, dead_letters, hold, split
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.send import RequestOutcome, write_body_facts
from clevertap_sync.delivery.sql import lone_write, row_writer, upload_functions
from clevertap_sync.delivery.work import Claim, MappedUpload, Sending, Undelivered
from clevertap_sync.insight.picks import read_position
from clevertap_sync.models import Account, Attempt, Integration, Upload
from clevertap_sync.process import clock, delivery_times
from referrals import failpoints
from referrals.failpoints import Place

# The only code that CleverTap may take back. With the backoff this is over an hour.
RECORD_RETRIES = 20


@dataclass(frozen=True, slots=True)
class Verdicts:
    """An upload's picks by verdict: delivered, undelivered, and none yet (`to_retry`)."""

    delivered: list[int]
    undelivered: list[Undelivered]
    to_retry: list[int]


@dataclass(frozen=True, slots=True)
class _Answer:
    """CleverTap's answer, the row of the attempt that it ends, and the attempt."""

    result: UploadResult
    ended: row_writer.UpdateRow
    sending: Sending


def settle_result(
    claim: Claim,
    mapped: MappedUpload,
    sending: Sending,
    outcome: RequestOutcome,
    result: UploadResult,
) -> bool:
    """Write the verdicts of an upload that CleverTap answered. False: the lease was lost.

    The same transaction resets the integration's failures, so that no crash leaves a hold
    behind that nothing would end.
    """
    verdicts = _read_verdicts(
        mapped, result, may_retry=claim.upload.failures < RECORD_RETRIES
    )
    restores = _may_restore_account(claim)
    if not restores and _is_plain(claim, verdicts, result):
        now = _settle_by_function(claim, mapped, sending, outcome, result)
    else:
        answer = _Answer(result, build_ended_attempt(sending, outcome), sending)
        now = _settle_by_statements(claim, mapped, verdicts, answer, restores=restores)
    if now is None:
        return False
    _note_delivery(claim, verdicts, now)
    return True


def _settle_by_statements(
    claim: Claim,
    mapped: MappedUpload,
    verdicts: Verdicts,
    answer: _Answer,
    *,
    restores: bool,
) -> datetime | None:
    writes_letters = bool(verdicts.undelivered or claim.upload.replay_id)
    with lone_write.open_transaction(
        Place.SETTLE_WRITTEN,
        writes_more=restores
        or writes_letters
        or bool(verdicts.to_retry)
        or answer.sending.unwritten is not None,
    ):
        account = lock_account(claim.integration.pk) if restores else None
        if account is not None:
            _end_failures(
                account,
                claim.integration.pk,
                answer.sending.began_at,
                clock.read_now(),
            )
        write_body_facts(claim, answer.sending)
        settled = _settle_upload(claim, mapped, verdicts, answer.result, answer.ended)
        if settled is None:
            return None
        upload, now = settled
        dead_letters.write_dead_letters(upload, verdicts.undelivered, now)
        dead_letters.reopen_dead_letters(upload, mapped.kept_back, now)
        dead_letters.mark_delivered(upload, verdicts.delivered, now)
        failpoints.reach_failpoint(Place.SETTLE_WRITTEN)
    return now


def _is_plain(claim: Claim, verdicts: Verdicts, result: UploadResult) -> bool:
    """Return whether a function of the database can settle it: nothing but a success.

    A fault that is ordered between write and commit needs the two apart.
    """
    return (
        upload_functions.are_there()
        and not failpoints.is_armed(Place.SETTLE_WRITTEN)
        and claim.upload.replay_id is None
        and not claim.integration.reconciles
        and not (verdicts.undelivered or verdicts.to_retry or result.miscounted)
    )


def _settle_by_function(
    claim: Claim,
    mapped: MappedUpload,
    sending: Sending,
    outcome: RequestOutcome,
    result: UploadResult,
) -> datetime | None:
    settled = upload_functions.SettledUpload(
        upload_id=claim.upload.pk,
        lease_token=claim.token,
        records=len(mapped.records),
        attempt_id=sending.attempt.pk,
        status=result.status,
        duration_ms=round(outcome.seconds * 1000),
        accepted=result.accepted,
        **_tell_unwritten(sending),
    )
    return upload_functions.settle_upload(settled)


def _tell_unwritten(sending: Sending) -> dict[str, Any]:
    facts = sending.unwritten
    if facts is None:
        return {}
    return {
        "body_hash": facts.body_hash,
        "unsent": facts.unsent,
        "shortened": facts.shortened,
        "body_bytes": facts.body_bytes,
    }


def _note_delivery(claim: Claim, verdicts: Verdicts, now: datetime) -> None:
    """Note when a range was delivered, to be counted."""
    if verdicts.delivered and claim.upload.replay_id is None:
        oldest = read_position(min(verdicts.delivered))
        delivery_times.note_delivery(claim.integration, oldest, now)


def settle_without_request(claim: Claim, mapped: MappedUpload) -> bool:
    """Write the verdicts of an upload of which nothing is sent. False: the lease was lost.

    No answer came from the account, so a probe has to end a hold.
    """
    with transaction.atomic():
        integration = None
        if claim.integration.hold_reason:
            lock_account(claim.integration.pk)
            integration = Integration.objects.get(pk=claim.integration.pk)
        verdicts = Verdicts([], mapped.undelivered, [])
        counted = counts.count_undelivered(
            claim.integration, claim.upload, mapped.given_up
        )
        now = row_writer.write_rows(
            _build_settled_row(claim, verdicts, counted, unsent=mapped.unsent)
        )
        if now is None:
            return False
        dead_letters.write_dead_letters(claim.upload, mapped.undelivered, now)
        dead_letters.reopen_dead_letters(claim.upload, mapped.kept_back, now)
        if integration is not None:
            hold.probe_at_once(integration, now=now)
    return True


def _may_restore_account(claim: Claim) -> bool:
    """Return whether a success changes the account's state.

    If so, the account is locked before any row of the upload.
    """
    known = claim.integration.account
    return claim.in_fault_share or known.current_limit < known.in_flight_limit


def _end_failures(
    account: Account, integration_id: int, began_at: datetime, now: datetime
) -> None:
    """Reset the failures from before the attempt, and raise the in-flight limit again."""
    hold.raise_in_flight_limit(account, now=now)
    integration = Integration.objects.get(pk=integration_id)
    if integration.failures and hold.may_change_hold(integration, began_at):
        hold.end_hold(integration, now=now, reset_failures=True)


def build_ended_attempt(
    sending: Sending, outcome: RequestOutcome
) -> row_writer.UpdateRow:
    """End the attempt, unless the worker that took over the lease has ended it as unknown."""
    error, result = outcome.error, outcome.result
    changes = {
        "ended_at": row_writer.NOW,
        "outcome": error.code if error else "ok",
        "outcome_unknown": bool(error and error.outcome_unknown),
        "status": error.status if error else (result and result.status),
        "duration_ms": round(outcome.seconds * 1000),
        "accepted": result.accepted if result else 0,
        "refused": len(result.refused) if result else 0,
        "detail": error.detail[:500] if error else "",
    }
    # Few attempts have one, and the others write their columns once only.
    if error and error.outcome_unknown and error.unknown_cause:
        changes["unknown_cause"] = error.unknown_cause
    return row_writer.UpdateRow(
        Attempt, {"id": sending.attempt.pk, "ended_at": None}, changes
    )


def _read_verdicts(
    mapped: MappedUpload, result: UploadResult, *, may_retry: bool
) -> Verdicts:
    refusals, again, settled = list(mapped.undelivered), [], set()
    for refused in result.refused:
        index = refused.index
        if index is None:
            refusals.append(Undelivered(None, "", "unidentified", refused.message))
            continue
        settled.add(index)
        if refused.code == RETRYABLE_CODE and may_retry:
            again.append(mapped.picks[index])
            continue
        reason, name = find_reason_for_code(refused.code), mapped.records[index].name
        refusals.append(Undelivered(mapped.picks[index], name, reason, refused.message))
    delivered = mapped.picks
    if settled:
        delivered = [pick for i, pick in enumerate(delivered) if i not in settled]
    return Verdicts(delivered, refusals, again)


def _settle_upload(
    claim: Claim,
    mapped: MappedUpload,
    verdicts: Verdicts,
    result: UploadResult,
    ended: row_writer.UpdateRow,
) -> tuple[Upload, datetime] | None:
    """Settle the upload and return it with the instant; None where the lease was lost.

    The attempt ends in both cases, after the upload. A worker that takes over a lease keeps
    the same order, so that neither waits for a row that the other has locked.
    """
    counted = counts.count_answered(
        claim.integration, claim.upload, mapped, result, to_retry=verdicts.to_retry
    )
    if verdicts.to_retry:
        now = clock.read_now()
        upload = _split_off_settled(
            claim, mapped, verdicts, counted, now, miscounted=result.miscounted
        )
        row_writer.write_rows(ended)
        return None if upload is None else (upload, now)
    settled_at = row_writer.write_rows(
        _build_settled_row(claim, verdicts, counted, miscounted=result.miscounted),
        ended,
    )
    if settled_at is None:
        row_writer.write_rows(ended)
        return None
    return claim.upload, settled_at


def _build_settled_row(
    claim: Claim,
    verdicts: Verdicts,
    counted: counts.Counts | None,
    *,
    miscounted: bool = False,
    unsent: int | None = None,
) -> row_writer.UpdateRow:
    """Build the settled upload. A refusal without a known record reduces `delivered` by one."""
    waiting = sum(each.is_waiting for each in verdicts.undelivered)
    unknown = sum(refusal.pick is None for refusal in verdicts.undelivered)
    delivered = max(0, len(verdicts.delivered) - unknown)
    changes = {
        "state": Upload.State.SETTLED,
        "records": delivered + len(verdicts.undelivered),
        "delivered": delivered,
        "dead": len(verdicts.undelivered) - waiting,
        "miscounted": miscounted,
        "leased_until": None,
        "settled_at": row_writer.NOW,
    }
    changes |= {} if unsent is None else {"unsent": unsent}
    # Few uploads have any of these, and the others write the columns once only.
    changes |= {"counts": counted} if counted else {}
    changes |= {"waiting": waiting} if waiting else {}
    changes |= {"identities": None} if claim.upload.identities else {}
    return row_writer.UpdateRow(Upload, claim.row_while_leased, changes)


def _split_off_settled(
    claim: Claim,
    mapped: MappedUpload,
    verdicts: Verdicts,
    counted: counts.Counts | None,
    now: datetime,
    *,
    miscounted: bool,
) -> Upload | None:
    """Split the upload: one part has the verdicts, the other is sent again."""
    locked = Upload.objects.select_for_update()
    upload = locked.filter(**claim.row_while_leased).first()
    if upload is None:
        return None
    done = [
        *verdicts.delivered,
        *(r.pick for r in verdicts.undelivered if r.pick is not None),
        *mapped.kept_back,
    ]
    parts = split.split_into_parts(upload, [done, verdicts.to_retry], now)
    again = parts[-1]
    again.failures = upload.failures + 1
    longest, first = settings.LONGEST_HOLD_SECONDS, settings.FIRST_HOLD_SECONDS
    backoff = choose_backoff(again.failures, random(), first, longest)
    again.due_at = now + timedelta(seconds=backoff)
    again.save(update_fields=["failures", "due_at"])
    if not done:
        return again
    settled = parts[0]
    settled.state, settled.settled_at = Upload.State.SETTLED, now
    settled.miscounted, settled.counts = miscounted, counted
    settled.unsent, settled.identities = mapped.unsent, None
    settled.waiting = sum(each.is_waiting for each in verdicts.undelivered)
    settled.dead = len(verdicts.undelivered) - settled.waiting
    settled.records = len(done) - settled.unsent
    settled.delivered = settled.records - len(verdicts.undelivered)
    settled.save()
    return settled
