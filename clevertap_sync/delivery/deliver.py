"""Deliver: claim, map, send, read the verdicts, settle; and only then look for more.

Between map and send, the canary may look the first identities up.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)

from clevertap_sync.delivery import (
    at_once,
    attempt_line,
    canary,
    hold_cause,
    map_upload,
    split,
    take_next,
)
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.company import Company
from clevertap_sync.delivery.failure import settle_failure
from clevertap_sync.delivery.probe import send_probe
from clevertap_sync.delivery.send import RequestOutcome, begin_attempt, send_upload
from clevertap_sync.delivery.settle import settle_result, settle_without_request
from clevertap_sync.delivery.work import (
    Claim,
    KnownIntegration,
    MappedUpload,
    ProbeClaim,
    Sending,
)
from clevertap_sync.models import Upload
from clevertap_sync.process import clock, slots, stopping
from referrals import failpoints
from referrals.failpoints import Place

logger = logging.getLogger(__name__)

# After so many claims a thread goes to the back of the line, behind other accounts. Not
# requests: of what only says who is who nothing is sent, and that may come without end.
CLAIMS_PER_TURN = 20
# Of small uploads, which wait for company, more: a new turn is a message, another thread with
# connections of its own, and a look by the clock, together as much as an upload.
SMALL_CLAIMS_PER_TURN = 100
RETRY_SECONDS = 0.5


def deliver(
    integration_id: int,
    *,
    ring: Callable[[int], object] = lambda _: None,
    lingers: bool = False,
) -> int:
    """Deliver what is due on the integration's account; return the number of requests.

    Safe to run any number of times, anywhere: a lease guards each upload. `ring` is called
    when another worker would find something to do at once, and when this one has done its
    share; it returns whether a worker will come. With `lingers`, small uploads of a busy
    integration wait for company.
    """
    turn = requests = 0
    known = at_once.recall_integration(integration_id)
    with (
        slots.register_claimer(integration_id),
        Company(integration_id, ring, lingers=lingers) as company,
    ):
        while not stopping.is_stopping():
            if turn >= SMALL_CLAIMS_PER_TURN and company.call_another():
                break
            work = _claim_next(integration_id, company, known)
            if work is None:
                if company.looks_again():
                    continue
                break
            known = work.known if isinstance(work, Claim) else None
            turn += _weigh(work)
            company.note_claim(work)
            requests += _carry_out_and_release(work, company.call_another)
            company.wait()
    if known is not None:
        at_once.remember_integration(known)
    return requests


def _claim_next(
    integration_id: int, company: Company, known: KnownIntegration | None
) -> Claim | ProbeClaim | None:
    """Claim by the way that fits what the thread expects, and has delivered before."""
    begins = at_once.has_delivered(integration_id) and not company.expects_range
    return claim_next(
        integration_id, glances=company.expects_nothing, begins=begins, known=known
    )


def _weigh(work: Claim | ProbeClaim) -> int:
    """Return how many small claims a claim counts as."""
    is_small = isinstance(work, Claim) and work.is_busy
    return 1 if is_small else SMALL_CLAIMS_PER_TURN // CLAIMS_PER_TURN


def _carry_out_and_release(work: Claim | ProbeClaim, call: Callable[[], object]) -> int:
    """Carry out a claim, and give its slot back. Return the number of requests."""
    try:
        failpoints.reach_failpoint(Place.CLAIM_COMMITTED)
        if isinstance(work, Claim) and work.ring_others:
            call()
        return _carry_out(work)
    finally:
        slots.release_slot(work.integration.pk, in_fault_share=work.in_fault_share)


def _carry_out(work: Claim | ProbeClaim) -> int:
    if isinstance(work, ProbeClaim):
        send_probe(work)
        return 1
    if work.mapped is not None and work.sending is not None:
        return _send_and_settle(work, work.mapped, work.sending)
    mapped = work.mapped or map_upload.map_upload(work, work.rows)
    sending = take_next.fill_sending(work, mapped)
    if sending is not None:
        return _send_and_settle(work, mapped, sending)
    return _begin_and_send(work, mapped)


def _begin_and_send(claim: Claim, mapped: MappedUpload) -> int:
    if groups := map_upload.group_picks(claim, mapped):
        _split_if_leased(claim, groups)
        return 0
    if not mapped.records:
        settle_without_request(claim, mapped)
        return 0
    if not canary.try_canary(claim, mapped):
        return 0
    sending = begin_attempt(claim, mapped)
    if sending is None:
        return 0
    return _send_and_settle(claim, mapped, sending)


def _send_and_settle(claim: Claim, mapped: MappedUpload, sending: Sending) -> int:
    failpoints.reach_failpoint(Place.ATTEMPT_COMMITTED)
    outcome = send_upload(claim.integration, sending, mapped.encoded_records())
    failpoints.reach_failpoint(Place.REQUEST_ANSWERED)
    attempt_line.log_attempt(
        claim.integration, claim.upload, sending, outcome, mapped.requests
    )
    kept = _settle_despite_outages(
        lambda: _settle_outcome(claim, mapped, sending, outcome)
    )
    failpoints.reach_failpoint(Place.SETTLE_COMMITTED)
    if kept:
        at_once.note_delivered(claim)
    else:
        logger.warning(
            "Upload %s was taken over: its answer came after its lease", claim.upload.pk
        )
    hold_cause.save_hold_cause(claim.integration, outcome.error)
    return 1


def _settle_outcome(
    claim: Claim, mapped: MappedUpload, sending: Sending, outcome: RequestOutcome
) -> bool:
    """Write down what the request led to. False: the lease was lost meanwhile."""
    if outcome.error is not None:
        return settle_failure(claim, mapped, sending, outcome, outcome.error)
    if outcome.result is not None:
        return settle_result(claim, mapped, sending, outcome, outcome.result)
    return False


def _settle_despite_outages(settle: Callable[[], bool]) -> bool:
    """Settle, and try again while the database is away, so that no answer is thrown away.

    Until the lease ends, no other worker touches the upload. An IntegrityError means that a
    replay wrote the same dead letter at the same moment: the next try finds it.
    """
    spare = settings.LEASE_SECONDS - settings.REQUEST_SECONDS
    ends_at = time.monotonic() + spare
    has_failed = False
    while True:
        try:
            return settle()
        except (OperationalError, InterfaceError, IntegrityError):
            connection.close()
            if has_failed:
                if stopping.is_stopping() or time.monotonic() + RETRY_SECONDS > ends_at:
                    raise
                time.sleep(RETRY_SECONDS)
            # At first the connection may have ended while it was kept, and the database be well.
            has_failed = True


def _split_if_leased(claim: Claim, groups: list[list[int]]) -> None:
    """Replace an upload by parts, if the lease still holds."""
    with transaction.atomic():
        locked = Upload.objects.select_for_update()
        if locked.filter(**claim.row_while_leased).exists():
            split.split_into_parts(claim.upload, groups, clock.read_now())
