"""Begin at once: a small range is looked at, mapped, and then leased and begun in one write.

Nothing is locked while it is mapped. The write takes the account's lock, and happens only if
nothing that a claim decides by has changed since the look. Otherwise the long way is gone.

Only by a process that has delivered a range of the integration before. An event that kills
whoever maps it leaves no trace here, and would kill the next one, too. But a process that
begins anew claims the long way first, and so counts its claims in vain.
"""

import os
from dataclasses import replace
from typing import Final

from django.db import transaction

from clevertap_sync.delivery import company, map_upload, send
from clevertap_sync.delivery.sql import account_state, open_floor, upload_functions
from clevertap_sync.delivery.sql.account_state import AccountState, IntegrationState
from clevertap_sync.delivery.work import (
    Claim,
    KnownIntegration,
    MappedUpload,
    RowVersions,
    Sending,
)
from clevertap_sync.insight.mapping_settings import build_settings_for_claim
from clevertap_sync.models import Attempt, Integration, Upload
from clevertap_sync.process import slots
from referrals import failpoints
from referrals.failpoints import Place

#: So few are read and mapped in a millisecond.
MOST_EVENTS: Final = 20

#: Integrations of which this process has delivered a range of the log.
_delivered: Final[set[int]] = set()
#: Integration → what the last thread that delivered it knows of it.
_known: Final[dict[int, KnownIntegration]] = {}


def note_delivered(claim: Claim) -> None:
    """Remember that an upload was mapped and settled, and this process still lives."""
    if claim.upload.replay_id is None:
        _delivered.add(claim.integration.pk)


def has_delivered(integration_id: int) -> bool:
    """Return whether this process has delivered a range of the integration before."""
    return integration_id in _delivered


def remember_integration(known: KnownIntegration) -> None:
    """Leave what a thread knows of an integration to the next that delivers it."""
    _known[known.integration.pk] = known


def recall_integration(integration_id: int) -> KnownIntegration | None:
    """Return what is known of an integration, to this thread alone: it changes what it knows."""
    return _known.pop(integration_id, None)


def forget_deliveries() -> None:
    """Trust and know nothing: for a process that begins anew, such as a fork or a test."""
    _delivered.clear()
    _known.clear()


def claim_and_begin(integration_id: int, seen: AccountState) -> Claim | None:
    """Lease and begin the integration's small range that `seen`, a glance, has found.

    Where the claim returned has no `sending`, nothing is leased, and the long way has to be
    gone: nothing of the range is sent, or more than a request takes, or the state has changed.
    None where the range is not simple, or not what goes first. The account has room for one more.
    """
    state = next((each for each in seen.integrations if each.may_have_work()), None)
    if state is None or state.integration_id != integration_id or not _is_small(state):
        return None
    integration = state.build_integration(seen.account)
    if integration.failures or integration.wants_canary:
        return None
    if not slots.take_slot(integration_id, in_fault_share=False):
        return None
    claim = None
    try:
        claim = _begin_range(integration, state, seen)
    finally:
        if claim is None or claim.sending is None:
            slots.release_slot(integration_id, in_fault_share=False)
    return claim


def is_same_range(claim: Claim, mapped: Claim) -> bool:
    """Return whether a claim is of the range that was mapped, by the same settings."""
    one, other = claim.upload, mapped.upload
    return (
        claim.integration.pk == mapped.integration.pk
        and one.replay_id is None
        and (one.picks, one.first, one.last) == (None, other.first, other.last)
        and one.settings == other.settings
    )


def _is_small(state: IntegrationState) -> bool:
    """Return whether a small range is all that the integration has to deliver."""
    return (
        0 < state.waiting <= MOST_EVENTS
        and not (state.is_held or state.unleased or state.is_replaying)
        and state.people_replay is None
    )


def _begin_range(
    integration: Integration, state: IntegrationState, seen: AccountState
) -> Claim:
    """Map the range, and write it as leased and begun where all of it can go."""
    upload = Upload(
        integration=integration,
        first=state.cursor + 1,
        last=state.head,
        settings=build_settings_for_claim(
            integration,
            state.app_settings,
            has_approved_names=state.has_approved_names,
        ),
    )
    claim = Claim(
        upload,
        integration,
        upload.lease_token + 1,
        left_some=False,
        is_busy=company.is_busy(integration.last_served_at, seen.now),
    )
    mapped = map_upload.map_upload(claim, state.events)
    claim = replace(claim, mapped=mapped)
    if not mapped.records or map_upload.group_picks(claim, mapped):
        return claim
    upload.lease_token = claim.token
    integration.cursor = upload.last
    if has_function():
        return _write_by_function(claim, mapped, seen, state)
    return replace(claim, sending=_write_in_transaction(claim, mapped, seen))


def has_function() -> bool:
    """Return whether one call may write all. A fault between write and commit needs several."""
    places = (Place.CLAIM_WRITTEN, Place.ATTEMPT_WRITTEN)
    return upload_functions.are_there() and not any(map(failpoints.is_armed, places))


def _write_by_function(
    claim: Claim, mapped: MappedUpload, seen: AccountState, state: IntegrationState
) -> Claim:
    begun = send.begin_by_function(claim, mapped, seen.fingerprint)
    if begun is None:
        return claim
    sending, versions = begun
    upload, integration = claim.upload, claim.integration
    first = state.first_open or upload.pk
    open_floor.learn_begun_upload(seen.account.pk, state.integration_id, first)
    integration.last_served_at = upload.created_at
    known = None
    if _may_be_known(integration, seen, state):
        known = _know_integration(claim, sending.attempt, versions, state)
    return replace(claim, sending=sending, known=known)


def _know_integration(
    claim: Claim, attempt: Attempt, versions: RowVersions, state: IntegrationState
) -> KnownIntegration:
    """Return what the next claim may be taken by, with blanks of what it will write."""
    integration, upload = claim.integration, claim.upload
    return KnownIntegration(
        integration,
        versions,
        upload_functions.encode_settings(upload.settings),
        state.newest_suppression,
        Upload(
            integration=integration,
            settings=upload.settings,
            lease_token=upload.lease_token,
            attempt_count=upload.attempt_count,
        ),
        Attempt(
            integration_id=integration.pk,
            lease_token=upload.lease_token,
            worker=attempt.worker,
        ),
    )


def _may_be_known(
    integration: Integration, seen: AccountState, state: IntegrationState
) -> bool:
    """Return whether the integration's next range may be taken by what is known of this one."""
    return (
        len(seen.integrations) == 1
        and not integration.reconciles
        and integration.probe_leased_until is None
        and not state.has_approved_names
    )


def _write_in_transaction(
    claim: Claim, mapped: MappedUpload, seen: AccountState
) -> Sending | None:
    upload = claim.upload
    with transaction.atomic():
        state = account_state.read_account_state(upload.integration_id, locks=True)
        if state is None or state.fingerprint != seen.fingerprint:
            return None
        upload.created_at = upload.due_at = state.now
        sending = send.begin_new_upload(claim, mapped)
        open_floor.learn_new_upload(seen.account.pk, upload.integration_id, upload.pk)
        failpoints.reach_failpoint(Place.CLAIM_WRITTEN)
    return sending


os.register_at_fork(after_in_child=forget_deliveries)
