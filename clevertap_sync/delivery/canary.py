"""The identity canary: does CleverTap know the first people that it is told of?

CleverTap creates a profile for every identity that it does not know, so a wrong identity
provider does not fail: it fills the account with people who do not exist. Until enough
identities were looked up, those of each upload are, before it is sent. Where fewer than
half are known, the integration is held until a person confirms them or corrects it.

Only definite answers count against an integration; one that did not come confirms it.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from clevertap_sync import clock, recognition
from clevertap_sync.delivery import hold, stopping
from clevertap_sync.delivery.claim import lock_account_of
from clevertap_sync.delivery.send import credentials_of, give_connection_back
from clevertap_sync.delivery.work import Claim, Mapped
from clevertap_sync.hold_reasons import IDENTITY_MISMATCH
from clevertap_sync.models import Integration, Upload
from clevertap_sync.recognition import Asked
from referrals import failpoints
from referrals.failpoints import Place

#: So many definite answers, most of them good, and the provider is the right one.
ENOUGH: Final = 30
_COLUMNS: Final = ("identities_confirmed_at", "identities_known", "identities_unknown")


class _Person(msgspec.Struct):
    identity: str = ""
    object_id: str = msgspec.field(name="objectId", default="")


_read = msgspec.json.Decoder(_Person).decode


def start_over(integration: Integration) -> tuple[str, ...]:
    """Have identities looked up afresh: provider or account changed. Return what to save."""
    integration.identities_confirmed_at = None
    integration.identities_known = integration.identities_unknown = 0
    return _COLUMNS


def passes(claim: Claim, mapped: Mapped) -> bool:
    """Return whether the upload may be sent now. Where it may not, it was given back.

    What may have been stored already goes again as it was: its people exist by now.
    """
    if not claim.integration.wants_canary or claim.upload.unknown_outcomes:
        return True
    answers = _look_up(claim.integration, mapped)
    failpoints.reach(Place.IDENTITIES_ANSWERED)
    with transaction.atomic():
        lock_account_of(claim.integration.pk)
        mine = Upload.objects.select_for_update(no_key=True).open()
        if not mine.filter(pk=claim.upload.pk, lease_token=claim.token).exists():
            return False
        integration = Integration.objects.select_related("account").get(
            pk=claim.integration.pk
        )
        if _is_out_of_date(integration, claim):
            _give_back(claim)
            return False
        _count(integration, answers)
        if not integration.identities_are_doubted:
            return True
        _give_back(claim)
        hold.wait_for_a_person(integration, reason=IDENTITY_MISMATCH, now=clock.now())
    return False


def _look_up(integration: Integration, mapped: Mapped) -> list[bool | None]:
    """Return for each of the upload's first people whether CleverTap knows them."""
    asked = list(_people(mapped.bodies()))
    try:
        integration.passcode.reveal()
    except ImproperlyConfigured:  # the upload that follows says so
        return [None] * len(asked)
    give_connection_back()
    until = time.monotonic() + recognition.LOOK_UP_SECONDS
    found = recognition.look_up(credentials_of(integration), asked, until=until)
    return [recognition.is_known(each) for each in found]


def _people(records: Sequence[bytes]) -> Iterator[Asked]:
    """Yield the people of the first records, each once."""
    seen: set[Asked] = set()
    for record in records:
        person = _read(record)
        asked = Asked(person.identity or person.object_id, bool(person.object_id))
        if asked not in seen:
            seen.add(asked)
            yield asked
        if len(seen) == ENOUGH:
            return


def _is_out_of_date(integration: Integration, claim: Claim) -> bool:
    """Return whether the answers are about other settings, or were cut off."""
    known, now = claim.integration, integration
    return stopping.is_stopping() or (
        (known.identity_provider, known.account_id)
        != (now.identity_provider, now.account_id)
    )


def _count(integration: Integration, answers: Sequence[bool | None]) -> None:
    """Write down what was answered; confirm where that is enough, or not to be had."""
    integration.identities_known += answers.count(True)
    integration.identities_unknown += answers.count(False)
    is_enough = integration.identities_asked >= ENOUGH or None in answers
    if is_enough and not integration.identities_are_doubted:
        integration.identities_confirmed_at = (
            integration.identities_confirmed_at or clock.now()
        )
    integration.save(update_fields=_COLUMNS)


def _give_back(claim: Claim) -> None:
    """Let the upload go again as soon as it may. That it was not sent is no idle claim."""
    Upload.objects.filter(pk=claim.upload.pk).update(
        leased_until=None, due_at=clock.now(), idle_claims=0
    )
