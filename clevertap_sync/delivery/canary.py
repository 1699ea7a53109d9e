"""The identity canary: does CleverTap know the people of an integration's first uploads?

CleverTap creates a profile for every identity that it does not know. So a wrong identity
provider does not fail: it fills the account with people who do not exist. Before each upload
is sent, the canary looks its identities up, until it has enough answers. Where CleverTap
knows fewer than half, the integration is held until a person confirms the identities or
corrects the provider.

An integration that was enabled by command expects new people: then no number of unknown
identities holds it. But another letter case is always a mistake. Where CleverTap knows the
same people in another one, the canary holds in any case, however few they are.

Only definite answers count against an integration. A missing answer confirms it.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from clevertap_sync import insight
from clevertap_sync.clevertap import profile_lookup
from clevertap_sync.clevertap.hold_reasons import (
    IDENTITY_LETTER_CASE,
    IDENTITY_MISMATCH,
)
from clevertap_sync.clevertap.identities import CLEVERTAP_ID
from clevertap_sync.clevertap.profile_lookup import AskedPerson, KnownCounts
from clevertap_sync.delivery import hold
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.delivery.work import Claim, MappedUpload
from clevertap_sync.models import Integration, Upload
from clevertap_sync.process import clock, stopping
from clevertap_sync.process.account_access import read_credentials
from referrals import failpoints
from referrals.database_connection import give_connection_back
from referrals.failpoints import Place

#: After so many definite answers, most of them good, the identity provider is confirmed.
ENOUGH_ANSWERS: Final = 30
_COUNT_FIELDS: Final = (
    "identities_known",
    "identities_unknown",
    "identities_other_case",
)
_CANARY_FIELDS: Final = (
    "identities_confirmed_at",
    "identities_may_be_new",
    *_COUNT_FIELDS,
)


class _RecordedPerson(msgspec.Struct):
    identity: str = ""
    object_id: str = msgspec.field(name="objectId", default="")


_decode_person = msgspec.json.Decoder(_RecordedPerson).decode


def restart_canary(integration: Integration) -> tuple[str, ...]:
    """Look identities up anew, since provider or account changed. Return the fields to save."""
    integration.identities_confirmed_at = None
    integration.identities_may_be_new = False
    _clear_counts(integration)
    return _CANARY_FIELDS


def try_canary(claim: Claim, mapped: MappedUpload) -> bool:
    """Return whether the upload may be sent now. If not, it was given back.

    An upload that CleverTap may have stored already goes again as it was: its people exist
    by now.
    """
    if not claim.integration.wants_canary or claim.upload.unknown_outcomes:
        return True
    by_object_id = claim.integration.identity_provider.casefold() == CLEVERTAP_ID
    people = _list_people(mapped.encoded_records(), by_object_id=by_object_id)
    recognition = _look_up_people(claim.integration, list(people))
    failpoints.reach_failpoint(Place.IDENTITIES_ANSWERED)
    with transaction.atomic():
        lock_account(claim.integration.pk)
        locked = Upload.objects.select_for_update(no_key=True)
        if not locked.filter(**claim.row_while_leased).exists():
            return False
        integration = _read_integration(claim.integration.pk)
        if _is_out_of_date(claim.integration, integration):
            _release_claim(claim)
            return False
        _add_counts(integration, recognition)
        if not _hold_if_doubted(integration):
            return True
        _release_claim(claim)
    return False


def check_people(
    integration: Integration, people: Sequence[AskedPerson]
) -> KnownCounts | None:
    """Look up people from the log, and hold the integration if their identities are doubted.

    For the command that enables. These counts replace the earlier ones, because the people
    may be the same. Returns None where the identities are confirmed already, there are no
    people, or the settings changed meanwhile. Refreshes `integration`.
    """
    if not integration.wants_canary or not people:
        return None
    recognition = _look_up_people(integration, people[:ENOUGH_ANSWERS])
    with transaction.atomic():
        lock_account(integration.pk)
        now = _read_integration(integration.pk)
        if not now.wants_canary or _is_out_of_date(integration, now):
            return None
        _clear_counts(now)
        _add_counts(now, recognition, silence_confirms=False)
        _hold_if_doubted(now)
    integration.refresh_from_db()
    return recognition


def _look_up_people(
    integration: Integration, asked: Sequence[AskedPerson]
) -> KnownCounts:
    try:
        integration.passcode.reveal()
    except ImproperlyConfigured:  # the upload that follows says so
        return KnownCounts(unanswered=len(asked), refused=len(asked))
    give_connection_back()
    until = time.monotonic() + profile_lookup.LOOK_UP_SECONDS
    return profile_lookup.count_known_people(
        read_credentials(integration), asked, until=until
    )


def _read_integration(integration_id: int) -> Integration:
    """Return the integration as it is now. The account is locked."""
    return Integration.objects.select_related("account").get(pk=integration_id)


def _hold_if_doubted(integration: Integration) -> bool:
    """Stop delivery until a person decides, if the identities are most likely wrong."""
    if not integration.identities_are_doubted:
        return False
    differs = integration.differs_in_case
    reason = IDENTITY_LETTER_CASE if differs else IDENTITY_MISMATCH
    hold.hold_for_person(integration, reason=reason, now=clock.read_now())
    return True


def _list_people(
    records: Sequence[bytes], *, by_object_id: bool
) -> Iterator[AskedPerson]:
    """Yield the people of the first records, each once.

    One who goes by CleverTap's own ID for want of the identity says nothing about the
    provider.
    """
    seen: set[AskedPerson] = set()
    for record in records:
        person = _decode_person(record)
        if bool(person.object_id) is not by_object_id:
            continue
        asked = AskedPerson(person.identity or person.object_id, bool(person.object_id))
        if asked not in seen:
            seen.add(asked)
            yield asked
        if len(seen) == ENOUGH_ANSWERS:
            return


def _is_out_of_date(known: Integration, now: Integration) -> bool:
    """Return whether the settings changed since, or the end of the process cut answers off."""
    return stopping.is_stopping() or (
        (known.identity_provider, known.account_id)
        != (now.identity_provider, now.account_id)
    )


def _add_counts(
    integration: Integration, recognition: KnownCounts, *, silence_confirms: bool = True
) -> None:
    """Save the counts of the answers. Confirm if they are enough, or if none can be had."""
    integration.identities_known += recognition.known
    integration.identities_unknown += recognition.unknown
    integration.identities_other_case += recognition.other_case
    is_silent = (
        silence_confirms
        and recognition.unanswered
        and not _may_answer_later(integration, recognition)
    )
    is_enough = integration.identities_asked >= ENOUGH_ANSWERS or is_silent
    if is_enough and not integration.identities_are_doubted:
        integration.identities_confirmed_at = (
            integration.identities_confirmed_at or clock.read_now()
        )
    integration.save(update_fields=_CANARY_FIELDS)


def _may_answer_later(integration: Integration, recognition: KnownCounts) -> bool:
    """Return whether CleverTap refused the credentials, and never accepted them before.

    Then it refuses the upload too, and will answer once they are right. An account that
    accepts uploads but no look-ups is not asked again.
    """
    return (
        recognition.refused == recognition.unanswered
        and insight.find_last_upload_accepted_at(integration) is None
    )


def _clear_counts(integration: Integration) -> None:
    for name in _COUNT_FIELDS:
        setattr(integration, name, 0)


def _release_claim(claim: Claim) -> None:
    """Let the upload go again as soon as it may. This claim does not count as an idle one."""
    Upload.objects.filter(pk=claim.upload.pk).update(
        leased_until=None, due_at=clock.read_now(), idle_claims=0
    )
