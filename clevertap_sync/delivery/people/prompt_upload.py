"""A prompt upload: a step lets go itself what it makes known, by an upload with all its pins.

Otherwise it would write down for each record that it is matched, and a claim would read that,
look the person up once more, and write each record again.

Only where nothing of the integration's revivals is under way or left to a claim. So a partial
one goes alone (Nagle's rule), and what comes meanwhile collects, matched, for the next claim
(`revival`). And only records that wait for one ID: of several, a claim weighs all.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from clevertap_sync.delivery import caution, hold
from clevertap_sync.delivery.people.lookups import Reader
from clevertap_sync.delivery.sql import (
    account_state,
    open_floor,
    revival_rows,
    row_writer,
    waiting_rows,
)
from clevertap_sync.delivery.sql.account_state import AccountState, IntegrationState
from clevertap_sync.delivery.sql.revival_rows import KnownLetter
from clevertap_sync.insight.mapping_settings import build_settings_for_claim
from clevertap_sync.insight.picks import read_position
from clevertap_sync.models import Integration, LateTime, Upload
from referrals import failpoints
from referrals.failpoints import Place

_NONE: Final = frozenset[int]()


class KnownRecord(NamedTuple):
    """A waiting record whose person became known: its letter, and the hash that it goes under."""

    letter: KnownLetter
    pick: int
    identity: str


def lock_only_account(readers: Sequence[Reader]) -> AccountState | None:
    """Lock the account of these integrations, until the transaction ends; return its state.

    None where they have several, or one has moved to another meanwhile: then the caller locks
    theirs.
    """
    if len({each.account_id for each in readers}) != 1:
        return None
    found = account_state.read_account_state(readers[0].pk, locks=True)
    is_same = found is not None and found.account.pk == readers[0].account_id
    return found if is_same else None


def write_upload(
    account: AccountState, reader: Reader, records: Sequence[KnownRecord]
) -> frozenset[int]:
    """Write an upload of what may go at once, the first in log order; return whose letters.

    The account is locked. What is not taken is left as it was.
    """
    states = {each.integration_id: each for each in account.integrations}
    state = states.get(reader.pk)
    if not records or state is None or not _is_quiet(account, state):
        return _NONE
    integration = state.build_integration(account.account)
    replay_id = waiting_rows.find_standing_replay(reader.pk)
    if replay_id is None or not _is_well(integration, reader.provider):
        return _NONE
    most = caution.choose_records_per_upload(integration)
    first = sorted(records, key=lambda each: each.pick)[:most]
    upload = build_upload(
        integration, {each.pick: each.identity for each in first}, account.now
    )
    upload.replay_id = replay_id
    upload.settings = build_settings_for_claim(
        integration, state.app_settings, has_approved_names=state.has_approved_names
    )
    if integration.late_time == LateTime.KNOWN:
        upload.known_at = account.now
    return _let_go(upload, first, account.now)


def build_upload(
    integration: Integration, pins: Mapping[int, str], now: datetime
) -> Upload:
    """Return an upload of these picks, each under its pin; not saved yet."""
    upload = Upload(integration=integration, created_at=now, due_at=now)
    _pin(upload, pins)
    return upload


def _pin(upload: Upload, pins: Mapping[int, str]) -> None:
    picks = sorted(pins)
    upload.first, upload.last = read_position(picks[0]), read_position(picks[-1])
    upload.picks, upload.covers = picks, len(picks)
    upload.identities = {str(pick): pins[pick] for pick in picks}


def _is_quiet(account: AccountState, state: IntegrationState) -> bool:
    """Return whether a claim of this moment could send it, and would find no other revival."""
    return (
        state.is_enabled
        and not state.is_held
        and state.people_replay is None
        and not (state.newly_reviving or state.unleased)
        and account.in_flight < hold.find_in_flight_limit(account.account)
    )


def _is_well(integration: Integration, provider: str) -> bool:
    """Return whether it sends in full, under the identity that was looked up."""
    return (
        not (integration.failures or integration.wants_canary)
        and integration.identity_provider.casefold() == provider
    )


def _let_go(
    upload: Upload, records: Sequence[KnownRecord], now: datetime
) -> frozenset[int]:
    """Write the upload, and let it have the letters that still wait."""
    row_writer.write_rows(row_writer.InsertRow(upload, {}))
    taken = revival_rows.take_known_letters(
        upload.pk, [each.letter for each in records], now
    )
    left = {each.pick: each.identity for each in records if each.letter.id in taken}
    if not left:
        upload.delete()
        return taken
    if len(left) < len(records):
        # A claim or a settlement had the others, until this one had the account's lock.
        _pin(upload, left)
        upload.save()
    integration = upload.integration
    open_floor.learn_new_upload(integration.account_id, integration.pk, upload.pk)
    failpoints.reach_failpoint(Place.REVIVAL_CLAIMED)
    return taken
