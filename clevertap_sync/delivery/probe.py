"""Probe: a dry run of one made-up record decides whether a held integration may go on."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from clevertap_sync.clevertap.hold_reasons import EVERYTHING_REFUSED
from clevertap_sync.clevertap.limits import encode_body, make_probe_record
from clevertap_sync.clevertap.retry import Bisect, Hold
from clevertap_sync.delivery import attempt_line, failure, hold, hold_cause
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.send import RequestOutcome, post_records
from clevertap_sync.delivery.settle import build_ended_attempt
from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.delivery.work import ProbeClaim, Sending
from clevertap_sync.models import Account, Attempt, Integration
from clevertap_sync.process import clock, worker_presence
from referrals import failpoints
from referrals.database_connection import give_connection_back
from referrals.failpoints import Place


def send_probe(claim: ProbeClaim) -> None:
    """Send the dry run. If it succeeds, the hold ends; otherwise the hold is renewed.

    After refused credentials, find the hold cause if it is not known yet.
    """
    records = [make_probe_record()]
    sending = _begin_probe_attempt(claim, encode_body(records))
    give_connection_back()
    outcome = post_records(claim.integration, sending.body, records, dry_run=True)
    failpoints.reach_failpoint(Place.PROBE_ANSWERED)
    with transaction.atomic():
        account = lock_account(claim.integration.pk)
        integration = Integration.objects.get(pk=claim.integration.pk)
        now = clock.read_now()
        row_writer.write_rows(build_ended_attempt(sending, outcome))
        if account is not None and integration.probe_token == claim.token:
            _settle_probe(account, integration, outcome, sending.began_at, now)
    attempt_line.log_attempt(claim.integration, None, sending, outcome)
    hold_cause.save_hold_cause(claim.integration, outcome.error)


def _begin_probe_attempt(claim: ProbeClaim, body: bytes) -> Sending:
    attempt = Attempt.objects.create(
        integration=claim.integration,
        lease_token=claim.token,
        dry_run=True,
        worker=worker_presence.name_worker(),
        began_at=clock.read_now(),
        records=1,
        body_bytes=len(body),
    )
    return Sending.begin(attempt, body)


def _settle_probe(
    account: Account,
    integration: Integration,
    outcome: RequestOutcome,
    began_at: datetime,
    now: datetime,
) -> None:
    integration.probe_leased_until = None
    integration.save(update_fields=["probe_leased_until"])
    if outcome.error is None:
        _end_hold(integration, outcome, began_at, now)
        return
    decision = failure.decide_on_failure(outcome.error, integration)
    if isinstance(decision, Bisect):
        delay = min(
            settings.LONGEST_HOLD_SECONDS,
            settings.FIRST_HOLD_SECONDS * 2 ** min(integration.failures, 30),
        )
        decision = Hold(delay=delay, reason=EVERYTHING_REFUSED, probe=True)
    elif isinstance(decision, Hold):
        decision = replace(decision, probe=True)
    failure.carry_out_decision(
        decision, account, integration, began_at=began_at, now=now
    )
    _hold_a_little_longer(integration, now)


def _end_hold(
    integration: Integration, outcome: RequestOutcome, began_at: datetime, now: datetime
) -> None:
    """End the hold. Only an accepted record is evidence against another record."""
    if outcome.result is not None and outcome.result.accepted:
        # Its answer may be older than a refusal that was settled meanwhile.
        integration.accepted_at = began_at
        integration.save(update_fields=["accepted_at"])
    hold.end_hold(integration, now=now, reset_failures=False)


def _hold_a_little_longer(integration: Integration, now: datetime) -> None:
    """Hold on, so that a worker does not probe in a tight loop where a 429 changed nothing."""
    if integration.held_until is not None and integration.held_until <= now:
        delay = settings.FIRST_HOLD_SECONDS
        hold.hold_delivery(
            integration,
            reason=integration.hold_reason,
            delay=delay,
            probe=True,
            now=now,
        )
