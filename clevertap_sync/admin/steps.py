"""The seven steps of the set-up, each of which ticks itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clevertap_sync.admin.integration_form import hint_of
from clevertap_sync.expiry import expiry_of
from clevertap_sync.hold_reasons import IDENTITY_MISMATCH, hold_words
from clevertap_sync.models import Integration
from referrals.words import Colour

#: The steps of the set-up as their fieldsets are called.
APP: Final = "App"
ADDRESS: Final = "CleverTap dashboard"
ACCOUNT: Final = "Account ID"
PASSCODE: Final = "Passcode"
PROVIDER: Final = "Identity provider"
LOCATION: Final = "Location"
_STEPS: Final = (APP, ADDRESS, ACCOUNT, PASSCODE, PROVIDER, LOCATION)
#: What is filled in last, or never.
SENDING: Final = "What to send"
ADVANCED: Final = "Advanced"

_CREDENTIALS_REFUSED: Final = "credentials_refused"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its fieldset, its state as a light, and what is set so far."""

    number: int
    title: str
    fieldset: Any
    colour: Colour
    word: str
    note: str = ""


def steps_of(fieldsets: Iterable[Any], integration: Integration | None) -> list[Step]:
    """Return the steps that a form's fieldsets make up."""
    by_name = {fieldset.name: fieldset for fieldset in fieldsets}
    return [
        _step(number, by_name[name], integration)
        for number, name in enumerate(_STEPS, start=1)
        if name in by_name
    ]


def rest_of(fieldsets: Iterable[Any]) -> list[Any]:
    """Return the fieldsets that are no step."""
    return [fieldset for fieldset in fieldsets if fieldset.name not in _STEPS]


def _step(number: int, fieldset: Any, integration: Integration | None) -> Step:  # noqa: ANN401 - Django's helper
    name = fieldset.name
    if any(line.errors() for line in fieldset):
        return Step(number, name, fieldset, "bad", "Look here")
    if name == ADDRESS:
        return Step(number, name, fieldset, "idle", "Optional")
    if integration is None:
        return Step(number, name, fieldset, "idle", "To do")
    colour, word, note = _stored(name, integration)
    return Step(number, name, fieldset, colour, word, note)


def _stored(name: str, integration: Integration) -> tuple[Colour, str, str]:
    refused = integration.hold_reason == _CREDENTIALS_REFUSED
    account = integration.account
    match name:
        case "Passcode" if not integration.passcode:
            return "idle", "To do", ""
        case "Passcode":
            return _passcode(integration, refused=refused)
        case "Account ID" | "Location" if refused:
            return "bad", "Check it", hold_words(_CREDENTIALS_REFUSED)[0]
        case "Account ID" if account.is_test:
            return (
                "good",
                "Done",
                "A test account: what it gets is not your production's.",
            )
        case "Identity provider" if integration.identities_are_doubted:
            return "bad", "Check it", hold_words(IDENTITY_MISMATCH)[0]
    return "good", "Done", ""


def _passcode(integration: Integration, *, refused: bool) -> tuple[Colour, str, str]:
    note = f"{hint_of(integration)} is stored, encrypted."
    expiry = expiry_of(integration, datetime.now(UTC))
    if expiry is not None:
        colour: Colour = "bad" if expiry.is_over or refused else "busy"
        return colour, "Expired" if expiry.is_over else "Expires", expiry.sentence
    return ("bad", "Refused", note) if refused else ("good", "Done", note)
