"""Claim: lock the account, pick the most urgent work, and lease it.

The order within an integration: uploads that were abandoned or are due again, then replays
and the next range of the log by turns; among replays, what waited for a person goes first.
After an unknown outcome a small upload goes before the large ones (`caution`).
Full ranges go out whenever the account's limit allows. A partial one goes only alone
(Nagle's rule), so that a quiet app's event goes at once and a busy app's events go in full
requests; revivals do the same among themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from clevertap_sync.clevertap.errors import NoAnswerError
from clevertap_sync.clevertap.unknown_causes import UnknownCause
from clevertap_sync.delivery import (
    at_once,
    caution,
    company,
    hold,
    replay,
    revival,
    split,
    take_next,
)
from clevertap_sync.delivery.sql import (
    account_state,
    open_floor,
    row_writer,
    upload_functions,
)
from clevertap_sync.delivery.sql.account_state import AccountState, IntegrationState
from clevertap_sync.delivery.work import (
    EVENTS_PER_UPLOAD,
    IDLE_CLAIMS,
    Claim,
    KnownIntegration,
    ProbeClaim,
)
from clevertap_sync.insight.mapping_settings import build_settings_for_claim
from clevertap_sync.models import Attempt, Integration, Upload
from clevertap_sync.process import slots
from referrals import failpoints
from referrals.failpoints import Place

# What waits for a person goes this way: the ORM takes ten times as long to compose it.
_UNLEASED = """
    SELECT * FROM clevertap_sync_upload
    WHERE integration_id = %s AND state = 'open'
        AND (leased_until IS NULL AND due_at <= %s OR leased_until <= %s)
    ORDER BY first, id DESC LIMIT 20
"""
# What a claim changes of an upload that waited. The ORM would write its picks and pins, too.
_LEASED_COLUMNS = (
    *("lease_token", "idle_claims", "leased_until"),
    *("settings", "body_hash", "known_at"),
)
_Turn = Callable[[Integration, IntegrationState, datetime], "Claim | None"]
_WORKER_ENDED = "The worker ended before the answer came."


def claim_next(
    integration_id: int,
    *,
    glances: bool = False,
    begins: bool = False,
    known: KnownIntegration | None = None,
) -> Claim | ProbeClaim | None:
    """Lease the next work of the integration's account, least recently served first.

    Returns None when there is nothing to do, or nothing may be done now. The caller
    gives the slot back (`slots.release_slot`) when it is done. With `glances`, it looks
    without a lock first: for a caller who expects to find nothing. With `begins`, so it does,
    and a small range is begun as well (`at_once`). What is `known` since the last claim lets it be
    taken without a look, where one is expected (`take_next`).
    """
    if known is not None and begins and not glances:
        taken = take_next.take_next_range(known)
        if taken is not None:
            return taken
    tried = None
    if glances or begins:
        most = at_once.MOST_EVENTS if begins else 0
        seen = account_state.read_account_state(
            integration_id, locks=False, most_events=most
        )
        if seen is None or not _may_find_work(seen):
            return None
        tried = at_once.claim_and_begin(integration_id, seen) if begins else None
        if tried is not None and tried.sending is not None:
            return tried
    work = _claim_long_way(integration_id)
    if isinstance(work, Claim) and tried and at_once.is_same_range(work, tried):
        return replace(work, mapped=tried.mapped)
    return work


def _claim_long_way(integration_id: int) -> Claim | ProbeClaim | None:
    """Lease work under the account's lock; it is mapped and begun afterwards."""
    work = None
    try:
        with transaction.atomic():
            work = _claim_on_account(integration_id)
            if work is not None:
                failpoints.reach_failpoint(Place.CLAIM_WRITTEN)
    except BaseException:
        # What was not committed is no claim, and its slot would be taken for good.
        if work is not None:
            slots.release_slot(work.integration.pk, in_fault_share=work.in_fault_share)
        raise
    return work


def _may_find_work(seen: AccountState) -> bool:
    """Return False only where a claim of this moment would find nothing.

    What comes after this moment rings. What another worker keeps from being claimed now,
    by what it has in flight, that worker looks for again once it has settled that.
    """
    return any(
        state.may_have_work() for state in seen.integrations
    ) and seen.in_flight < hold.find_in_flight_limit(seen.account)


def _claim_on_account(integration_id: int) -> Claim | ProbeClaim | None:
    found = account_state.read_account_state(integration_id, locks=True)
    if found is None:
        return None
    now, account, states = found.now, found.account, found.integrations
    room = hold.find_in_flight_limit(account) - found.in_flight
    if room <= 0:
        return None
    for state in states:
        if not state.may_have_work():
            continue
        if work := _claim_for_integration(state.build_integration(account), state, now):
            claimers = slots.count_claimers(other.integration_id for other in states)
            if isinstance(work, Claim) and room - 1 <= claimers:
                # This process's own threads fill the account's limit, so another worker
                # would find it full. A ring costs that worker as much as half an upload.
                return replace(work, ring_others=False)
            return work
    return None


def _claim_for_integration(
    integration: Integration, state: IntegrationState, now: datetime
) -> Claim | ProbeClaim | None:
    """Take a slot of this process, and give it back when there is no work for it."""
    in_fault_share = bool(integration.hold_reason or integration.failures)
    if not slots.take_slot(integration.pk, in_fault_share=in_fault_share):
        return None
    work = None
    try:
        work = _choose_work(integration, state, now)
    finally:
        if work is None:
            slots.release_slot(integration.pk, in_fault_share=in_fault_share)
    return work and replace(work, in_fault_share=in_fault_share)


def _choose_work(
    integration: Integration, state: IntegrationState, now: datetime
) -> Claim | ProbeClaim | None:
    unleased = _lock_unleased_uploads(integration, now) if state.unleased else []
    if abandoned := [upload for upload in unleased if upload.leased_until]:
        count_unknown_outcomes(abandoned, integration, now)
    if integration.hold_reason:
        if not hold.is_hold_over(integration, now):
            return None
        if integration.hold_probes:
            return _lease_probe(integration, now)
    # One at a time while CleverTap fails, and while the canary looks identities up.
    if (integration.failures or integration.wants_canary) and state.in_flight:
        return None
    return _lease_in_order(unleased, integration, state, now)


def _lease_in_order(
    unleased: Sequence[Upload],
    integration: Integration,
    state: IntegrationState,
    now: datetime,
) -> Claim | None:
    """Lease what waits, then new work; or a little new work first, to try the account out.

    A range of which nothing was sent has tried nothing out, and holds nothing up any longer.
    """
    tries_out = caution.wants_new_work_first(integration, unleased)
    tries_out = tries_out and not _served_log_last(integration)
    new = _lease_next_in_turn(integration, state, now) if tries_out else None
    if new is None and unleased:
        first = caution.choose_first(integration, unleased)
        upload = _prepare_waiting_upload(first, integration, state, now)
        ring_others = len(unleased) > 1
        claim = _lease_upload(upload, integration, now, ring_others=ring_others)
        return replace(claim, left_some=_leaves_some(upload, unleased, state))
    return new or _lease_next_in_turn(integration, state, now)


def _leaves_some(
    upload: Upload, unleased: Sequence[Upload], state: IntegrationState
) -> bool:
    """Return False only where a first try of `upload` was all that there was to do."""
    is_first_try = not upload.attempt_count and upload.parent_id is None
    others = len(unleased) > 1 or state.is_replaying or state.waiting > 0
    return others or state.people_replay is not None or not is_first_try


def _lock_unleased_uploads(integration: Integration, now: datetime) -> list[Upload]:
    """Lock and return the uploads that wait for a worker, in log order, newest parts first.

    A row that another transaction has locked is left out: its former owner settles it now.
    """
    can_lock = connection.features.has_select_for_no_key_update
    statement = f"{_UNLEASED} FOR NO KEY UPDATE SKIP LOCKED" if can_lock else _UNLEASED
    instant = connection.ops.adapt_datetimefield_value(now)
    return list(Upload.objects.raw(statement, [integration.pk, instant, instant]))


def count_unknown_outcomes(
    abandoned: Sequence[Upload], integration: Integration, now: datetime
) -> None:
    """End the attempts of workers whose lease ran out before an answer came."""
    unanswered = Attempt.objects.filter(upload__in=abandoned, ended_at=None)
    for upload_id in list(unanswered.values_list("upload_id", flat=True)):
        Upload.objects.filter(pk=upload_id).update(
            unknown_outcomes=F("unknown_outcomes") + 1
        )
        Attempt.objects.filter(upload=upload_id, ended_at=None).update(
            ended_at=now,
            outcome=NoAnswerError.code,
            outcome_unknown=True,
            detail=_WORKER_ENDED,
            unknown_cause=UnknownCause.WORKER_KILLED,
        )
        for upload in abandoned:
            upload.unknown_outcomes += upload.pk == upload_id
        hold.require_probe(integration, reason=NoAnswerError.code, now=now)


def _lease_probe(integration: Integration, now: datetime) -> ProbeClaim | None:
    leased = integration.probe_leased_until
    if leased is not None and leased > now:
        return None
    _end_lost_probe(integration, now)
    integration.probe_token += 1
    integration.probe_leased_until = now + timedelta(seconds=settings.LEASE_SECONDS)
    integration.last_served_at = now
    integration.save(
        update_fields=["probe_token", "probe_leased_until", "last_served_at"]
    )
    return ProbeClaim(integration, integration.probe_token)


def _end_lost_probe(integration: Integration, now: datetime) -> None:
    """End the attempts of earlier probes that got no answer.

    Either the worker ended, or new settings took its lease away. In both cases this probe
    replaces the earlier one, whose answer no longer decides anything.
    """
    lost = Attempt.objects.filter(
        integration=integration,
        upload=None,
        lease_token__lte=integration.probe_token,
        ended_at=None,
    )
    lost.update(
        ended_at=now,
        outcome=NoAnswerError.code,
        outcome_unknown=True,
        detail=_WORKER_ENDED,
        unknown_cause=UnknownCause.WORKER_KILLED,
    )


def _prepare_waiting_upload(
    upload: Upload, integration: Integration, state: IntegrationState, now: datetime
) -> Upload:
    if upload.idle_claims >= IDLE_CLAIMS:
        upload = split.split_in_halves(upload, now)
    _take_new_settings(upload, integration, state)
    return upload


def _take_new_settings(
    upload: Upload, integration: Integration, state: IntegrationState
) -> None:
    """Give an upload the present settings, unless CleverTap may have stored it already."""
    if upload.unknown_outcomes:
        return
    current = _build_settings(integration, state)
    if upload.settings != current:
        upload.settings = current
        upload.body_hash = ""
    if upload.identities is not None:
        upload.known_at = revival.choose_known_at(upload, integration)


def _lease_upload(
    upload: Upload, integration: Integration, now: datetime, *, ring_others: bool
) -> Claim:
    upload.lease_token += 1
    upload.idle_claims += 1
    upload.leased_until = now + timedelta(seconds=settings.LEASE_SECONDS)
    served = _build_served_row(integration, now)
    if _is_new_range(upload) and upload_functions.are_there():
        upload_functions.lease_range(upload)
        open_floor.learn_new_upload(integration.account_id, integration.pk, upload.pk)
    elif upload._state.adding:
        row_writer.write_rows(served, row_writer.InsertRow(upload, {}))
        open_floor.learn_new_upload(integration.account_id, integration.pk, upload.pk)
    else:
        leased = {name: getattr(upload, name) for name in _LEASED_COLUMNS}
        found = row_writer.UpdateRow(Upload, {"id": upload.pk}, leased)
        row_writer.write_rows(served, found)
    # While it fails, its uploads go one at a time.
    ring_others = ring_others and not integration.failures
    return Claim(upload, integration, upload.lease_token, ring_others=ring_others)


def _is_new_range(upload: Upload) -> bool:
    return upload._state.adding and upload.picks is None and upload.replay_id is None


def _build_served_row(integration: Integration, now: datetime) -> row_writer.UpdateRow:
    integration.last_served_at = now
    return row_writer.UpdateRow(
        Integration,
        {"id": integration.pk},
        {"last_served_at": now, "cursor": integration.cursor},
    )


def _lease_next_in_turn(
    integration: Integration, state: IntegrationState, now: datetime
) -> Claim | None:
    """Lease new work: from a replay and from the log by turns, so that neither waits."""
    replays: list[_Turn] = [_lease_next_revival] if state.people_replay else []
    replays += [_lease_next_of_replay] if state.is_replaying else []
    turns = [_lease_next_range, *replays]
    if replays and state.may_hand_over() and _served_log_last(integration):
        turns = [*replays, _lease_next_range]
    for turn in turns:
        if claim := turn(integration, state, now):
            return claim
    return None


def _served_log_last(integration: Integration) -> bool:
    """Return whether the integration's last claim was the next range of the log."""
    ranges = Upload.objects.ranges().filter(integration=integration)
    newest = ranges.order_by("-first").values_list("created_at", flat=True).first()
    served = integration.last_served_at
    return newest is not None and served is not None and newest >= served


def _lease_next_revival(
    integration: Integration, state: IntegrationState, now: datetime
) -> Claim | None:
    if state.people_replay is None:
        return None
    chosen = revival.choose_next_revival(
        integration,
        state.people_replay,
        now,
        goes_alone=not state.newly_reviving,
        settings=partial(_build_settings, integration, state),
    )
    if chosen is None:
        return None
    most = caution.choose_records_per_upload(integration)
    ring_others = chosen.upload.covers == most
    claim = _lease_upload(chosen.upload, integration, now, ring_others=ring_others)
    revival.take_letters(chosen, now)
    left_some = chosen.ended_replay is None or state.waiting > 0
    return replace(claim, left_some=left_some)


def _lease_next_of_replay(
    integration: Integration, _: IntegrationState, now: datetime
) -> Claim | None:
    upload = replay.take_next_upload(integration, now)
    if upload is None:
        return None
    return _lease_upload(upload, integration, now, ring_others=True)


def _lease_next_range(
    integration: Integration, state: IntegrationState, now: datetime
) -> Claim | None:
    if not state.may_hand_over():
        return None
    first = integration.cursor + 1
    most = caution.choose_events_per_upload(integration)
    integration.cursor += min(state.waiting, most)
    upload = Upload(
        integration=integration,
        first=first,
        last=integration.cursor,
        settings=_build_settings(integration, state),
        created_at=now,
        due_at=now,
    )
    left_range = state.waiting >= most + EVENTS_PER_UPLOAD
    left_some = state.waiting > most or state.unleased > 0
    is_busy = not left_some and company.is_busy(integration.last_served_at, now)
    claim = _lease_upload(upload, integration, now, ring_others=left_range)
    return replace(claim, left_some=left_some, left_range=left_range, is_busy=is_busy)


def _build_settings(
    integration: Integration, state: IntegrationState
) -> dict[str, Any]:
    """Return the mapping settings for new work."""
    return build_settings_for_claim(
        integration, state.app_settings, has_approved_names=state.has_approved_names
    )
