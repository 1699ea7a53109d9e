"""The seven steps of the set-up. Each finds out by itself whether it is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clevertap_sync.admin.integration.integration_form import read_passcode_hint
from clevertap_sync.clevertap.account_faults import (
    AccountFault,
    HoldCause,
    describe_hold_cause,
)
from clevertap_sync.clevertap.hold_reasons import (
    IDENTITY_LETTER_CASE,
    IDENTITY_MISMATCH,
    describe_hold,
)
from clevertap_sync.insight.passcode_expiry import find_expiry
from clevertap_sync.models import Integration
from referrals.encrypted_field import UnreadableSecret
from referrals.words import Colour

#: The steps of the set-up, by the names of their fieldsets.
APP: Final = "App"
ADDRESS: Final = "CleverTap dashboard"
ACCOUNT: Final = "Account ID"
PASSCODE: Final = "Passcode"
PROVIDER: Final = "Identity provider"
LOCATION: Final = "Location"
_STEPS: Final = (APP, ADDRESS, ACCOUNT, PASSCODE, PROVIDER, LOCATION)
#: Fieldsets that are filled in last, or never.
SENDING: Final = "What to send"
SEEN: Final = "Seen in CleverTap"
ADVANCED: Final = "Advanced"

_CREDENTIALS_REFUSED: Final = "credentials_refused"
#: The step that mends a field.
_STEP_OF: Final = {"account_id": ACCOUNT, "passcode": PASSCODE, "location": LOCATION}


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step: its fieldset, its state as a light, and what is set so far."""

    number: int
    title: str
    fieldset: Any
    colour: Colour
    word: str
    note: str = ""


def list_steps(
    fieldsets: Iterable[Any], integration: Integration | None
) -> list[SetupStep]:
    """Return the steps that a form's fieldsets make up."""
    by_name = {fieldset.name: fieldset for fieldset in fieldsets}
    return [
        _step(number, by_name[name], integration)
        for number, name in enumerate(_STEPS, start=1)
        if name in by_name
    ]


def list_rest(fieldsets: Iterable[Any]) -> list[Any]:
    """Return the fieldsets that belong to no step."""
    return [fieldset for fieldset in fieldsets if fieldset.name not in _STEPS]


def _step(number: int, fieldset: Any, integration: Integration | None) -> SetupStep:
    name = fieldset.name
    if any(line.errors() for line in fieldset):
        return SetupStep(number, name, fieldset, "bad", "Look here")
    if name == ADDRESS:
        return SetupStep(number, name, fieldset, "idle", "Optional")
    if integration is None:
        return SetupStep(number, name, fieldset, "idle", "To do")
    colour, word, note = _stored(name, integration)
    return SetupStep(number, name, fieldset, colour, word, note)


def _stored(name: str, integration: Integration) -> tuple[Colour, str, str]:
    account = integration.account
    cause = describe_hold_cause(integration)
    refused = _is_suspected(name, integration, cause)
    match name:
        case "Passcode" if not integration.passcode:
            return "idle", "To do", ""
        case "Passcode":
            return _passcode(integration, cause, refused=refused)
        case "Account ID" | "Location" if refused:
            return "bad", "Check it", describe_hold(_CREDENTIALS_REFUSED, cause)[0]
        case "Account ID" if account.is_test:
            return (
                "good",
                "Done",
                "A test account: what it gets is not your production's.",
            )
        case "Identity provider" if integration.identities_are_doubted:
            differs = integration.differs_in_case
            reason = IDENTITY_LETTER_CASE if differs else IDENTITY_MISMATCH
            return "bad", "Check it", describe_hold(reason)[0]
    return "good", "Done", ""


def _is_suspected(name: str, integration: Integration, cause: HoldCause | None) -> bool:
    """Return whether CleverTap may refuse the step's field: one field if it is known."""
    if cause is not None and cause.fault is not AccountFault.UNCLEAR:
        return name == _STEP_OF[cause.field]
    is_refused = integration.hold_reason == _CREDENTIALS_REFUSED
    return is_refused and name in _STEP_OF.values()


def _passcode(
    integration: Integration, cause: HoldCause | None, *, refused: bool
) -> tuple[Colour, str, str]:
    if isinstance(integration.passcode, UnreadableSecret):
        return (
            "bad",
            "Unreadable",
            " ".join(describe_hold(AccountFault.UNREADABLE_PASSCODE)),
        )
    note = f"{read_passcode_hint(integration)} is stored, encrypted."
    expiry = find_expiry(integration, datetime.now(UTC))
    if expiry is not None:
        colour: Colour = "bad" if expiry.is_over or refused else "busy"
        return colour, "Expired" if expiry.is_over else "Expires", expiry.sentence
    if refused:
        return "bad", "Refused", f"{note} {cause.sentence}" if cause else note
    return "good", "Done", note
