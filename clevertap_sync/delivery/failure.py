"""A request failed as a whole: hold the integration, or look for the bad record."""

from datetime import datetime
from random import random

from django.conf import settings
from django.db import transaction
from django.db.models import F

from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.hold_reasons import EVERYTHING_REFUSED
from clevertap_sync.clevertap.retry import (
    Bisect,
    HalveLimit,
    Hold,
    decide_after_failure,
)
from clevertap_sync.delivery import counts, dead_letters, hold, split
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.send import RequestOutcome, write_body_facts
from clevertap_sync.delivery.settle import build_ended_attempt
from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.delivery.work import Claim, MappedUpload, Sending, Undelivered
from clevertap_sync.models import Account, Integration, Upload
from clevertap_sync.process import clock
from referrals import failpoints
from referrals.failpoints import Place

REQUEST_REJECTED = "request_rejected"


def settle_failure(
    claim: Claim,
    mapped: MappedUpload,
    sending: Sending,
    outcome: RequestOutcome,
    error: CleverTapError,
) -> bool:
    """Give the upload back and do what the error asks for. False: the lease was lost."""
    with transaction.atomic():
        account = lock_account(claim.integration.pk)
        integration = Integration.objects.get(pk=claim.integration.pk)
        now = clock.read_now()
        write_body_facts(claim, sending)
        row_writer.write_rows(build_ended_attempt(sending, outcome))
        if account is None or not _release_upload(claim, error, now):
            return False
        decision = decide_on_failure(error, integration)
        if isinstance(decision, Bisect):
            _bisect_upload(claim, integration, mapped, error, now)
        else:
            # What the settings led to is as old as the claim that read them.
            began_at = claim.integration.last_served_at or claim.upload.created_at
            carry_out_decision(
                decision, account, integration, began_at=began_at, now=now
            )
        if error.outcome_unknown:
            hold.require_probe(integration, reason=error.code, now=now)
        failpoints.reach_failpoint(Place.FAILURE_WRITTEN)
    return True


def decide_on_failure(
    error: CleverTapError, integration: Integration
) -> Hold | HalveLimit | Bisect:
    """Return the decision on one failure more. Saves nothing."""
    return decide_after_failure(
        error,
        failures=integration.failures + 1,
        jitter=random(),
        first_hold=settings.FIRST_HOLD_SECONDS,
        longest_hold=settings.LONGEST_HOLD_SECONDS,
    )


def carry_out_decision(
    decision: Hold | HalveLimit,
    account: Account,
    integration: Integration,
    *,
    began_at: datetime,
    now: datetime,
) -> None:
    """Hold, or lower the limit, if the attempt is newer than the state. The account is locked."""
    if isinstance(decision, HalveLimit):
        at_one = hold.find_in_flight_limit(account) <= 1
        hold.halve_in_flight_limit(account, began_at=began_at, now=now)
        if decision.delay is None and not at_one:
            return
        delay = decision.at_one if decision.delay is None else decision.delay
        decision = Hold(delay, decision.reason)
    if not hold.may_change_hold(integration, began_at):
        return
    hold.hold_delivery(
        integration,
        reason=decision.reason,
        delay=decision.delay,
        probe=decision.probe,
        now=now,
    )


def _release_upload(claim: Claim, error: CleverTapError, now: datetime) -> bool:
    return bool(
        Upload.objects.filter(**claim.row_while_leased).update(
            leased_until=None,
            due_at=now,
            unknown_outcomes=F("unknown_outcomes") + int(error.outcome_unknown),
        )
    )


def _bisect_upload(
    claim: Claim,
    integration: Integration,
    mapped: MappedUpload,
    error: CleverTapError,
    now: datetime,
) -> None:
    """Halve the upload. A record that stands alone falls out only on evidence against it."""
    upload = claim.upload
    if len(mapped.records) > 1:
        split.split_into_parts(upload, split.halve_records(mapped), now)
        return
    if _was_refused_by_a_sound_account(claim):
        _write_refusal(upload, integration, mapped, error, now)
        return
    Upload.objects.filter(pk=upload.pk).update(refused_at=upload.refused_at or now)
    hold.hold_delivery(
        integration, reason=EVERYTHING_REFUSED, delay=0, probe=True, now=now
    )


def _was_refused_by_a_sound_account(claim: Claim) -> bool:
    """Return whether a good record was accepted between two refusals of this one.

    A dry run began after the first refusal was known, and was accepted before this attempt
    was claimed. Nothing else is evidence: an account that refuses everything for a while
    accepted other records before, and will accept them afterwards.
    """
    accepted_at, refused_at = claim.integration.accepted_at, claim.upload.refused_at
    return bool(accepted_at and refused_at and accepted_at > refused_at)


def _write_refusal(
    upload: Upload,
    integration: Integration,
    mapped: MappedUpload,
    error: CleverTapError,
    now: datetime,
) -> None:
    detail = (
        f"HTTP {error.status}: {error.detail}"
        if error.detail
        else f"HTTP {error.status}"
    )
    refused = Undelivered(
        mapped.picks[0], mapped.records[0].name, REQUEST_REJECTED, detail
    )
    refusals = [*mapped.undelivered, refused]
    waiting = sum(each.is_waiting for each in refusals)
    Upload.objects.filter(pk=upload.pk).update(
        state=Upload.State.SETTLED,
        records=len(refusals),
        dead=len(refusals) - waiting,
        waiting=waiting,
        delivered=0,
        counts=counts.count_undelivered(
            integration, upload, [*mapped.records, *mapped.given_up]
        ),
        identities=None,
        settled_at=now,
    )
    dead_letters.write_dead_letters(upload, refusals, now)
    dead_letters.reopen_dead_letters(upload, mapped.kept_back, now)
