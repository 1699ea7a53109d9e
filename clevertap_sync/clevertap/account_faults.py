"""Which part of an account's credentials is wrong, with its sentence and its remedy.

Pure: imports no framework. `account_fault_search` finds the fault, and
`delivery.hold_cause` writes it into the integration's row.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol

from clevertap_sync.clevertap.errors import NoPasscodeError, UnreadablePasscodeError
from clevertap_sync.clevertap.locations import LABELS, Location

FaultyField = Literal["account_id", "passcode", "location"]

#: The hint for an account ID or passcode with characters that no header can hold.
UNSENDABLE: Final = "unsendable"


class AccountFault(StrEnum):
    """What is wrong with the credentials of a held integration."""

    WRONG_ACCOUNT_ID = "wrong_account_id"
    WRONG_ACCOUNT_ID_AND_PASSCODE = "wrong_account_id_and_passcode"
    WRONG_PASSCODE = "wrong_passcode"
    WRONG_LOCATION = "wrong_location"
    WRONG_LOCATION_AND_PASSCODE = "wrong_location_and_passcode"
    TEST_PREFIX_MISSING = "test_prefix_missing"
    PASSCODE_EXPIRED = "passcode_expired"
    UNREADABLE_PASSCODE = "unreadable_passcode"
    NO_PASSCODE = "no_passcode"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class HoldCause:
    """The cause of a hold in words, and the integration's field that has to change."""

    fault: AccountFault
    sentence: str
    remedy: str
    field: FaultyField


class HasHold(Protocol):
    """The columns of an integration from which its hold is described."""

    @property
    def hold_cause(self) -> str:
        """An `AccountFault`; empty while the fault is unknown."""

    @property
    def hold_hint(self) -> str:
        """The right value, or `UNSENDABLE`: a location's code or an account ID."""


_WORDS: Final[dict[AccountFault, tuple[str, str, FaultyField]]] = {
    AccountFault.WRONG_ACCOUNT_ID: (
        "CleverTap does not know the account ID.",
        (
            "Compare it with Settings → Project in CleverTap. Whether passcode and "
            "location are right shows only then."
        ),
        "account_id",
    ),
    AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE: (
        (
            "CleverTap knows {hint}, not the account ID of the settings, and it refuses the "
            "passcode for {hint} too."
        ),
        (
            "Enter {hint} as the account ID, if that is meant, and copy its passcode again "
            "from Settings → Passcode in CleverTap."
        ),
        "account_id",
    ),
    AccountFault.WRONG_PASSCODE: (
        "CleverTap knows the account, and refuses the passcode.",
        (
            "Copy the passcode again from Settings → Passcode in CleverTap, or make a new "
            "one there. The account's Token is not the passcode."
        ),
        "passcode",
    ),
    AccountFault.WRONG_LOCATION: (
        "CleverTap stores the account in {place}, not where the settings say.",
        "Change the location to {place}.",
        "location",
    ),
    AccountFault.WRONG_LOCATION_AND_PASSCODE: (
        (
            "CleverTap stores the account in {place}, not where the settings say, and it "
            "refuses the passcode there too."
        ),
        (
            "Change the location to {place}, and copy the passcode again from Settings → "
            "Passcode in CleverTap."
        ),
        "location",
    ),
    AccountFault.TEST_PREFIX_MISSING: (
        "The account ID lacks its TEST-: CleverTap takes this passcode for {hint}.",
        (
            "Enter {hint} as the account ID, or the passcode of the account without "
            "TEST- if that is meant."
        ),
        "account_id",
    ),
    AccountFault.PASSCODE_EXPIRED: (
        "The user passcode has expired, and CleverTap refuses it.",
        (
            "Make a new one in CleverTap under Settings → Passcode, enter it, and note "
            "its last day. An account passcode does not expire."
        ),
        "passcode",
    ),
    AccountFault.UNREADABLE_PASSCODE: (
        UnreadablePasscodeError.meaning(),
        UnreadablePasscodeError.remedy,
        "passcode",
    ),
    AccountFault.NO_PASSCODE: (
        NoPasscodeError.meaning(),
        NoPasscodeError.remedy,
        "passcode",
    ),
    AccountFault.UNCLEAR: (
        (
            "CleverTap refuses the account ID, the passcode or the location, perhaps more "
            "than one of them: neither its answer nor its other locations tell which."
        ),
        (
            "Compare the account ID with Settings → Project and the passcode with "
            "Settings → Passcode in CleverTap, and the location with the beginning of "
            "its dashboard's address."
        ),
        "account_id",
    ),
}
#: The sentence and the remedy of a fault with a hint, where they differ from those above.
_HINTED: Final = {
    AccountFault.WRONG_ACCOUNT_ID: (
        "The account ID has a TEST- too many: CleverTap takes this passcode for {hint}.",
        (
            "Enter {hint} as the account ID, or the passcode of the test account if that "
            "is meant."
        ),
    ),
}
_UNSENDABLE: Final = {
    AccountFault.WRONG_ACCOUNT_ID: (
        "The account ID has blanks or characters that none can have, so CleverTap was "
        "not asked."
    ),
    AccountFault.WRONG_PASSCODE: (
        "The passcode has blanks or characters that none can have, so CleverTap was not "
        "asked."
    ),
}


def describe_hold_cause(integration: HasHold) -> HoldCause | None:
    """Return the fault of the credentials in words; None while it is unknown."""
    if integration.hold_cause not in set(AccountFault):
        return None
    return describe_fault(AccountFault(integration.hold_cause), integration.hold_hint)


def describe_fault(fault: AccountFault, hint: str = "") -> HoldCause:
    """Return the fault in words. `hint` is the right location's code or account ID."""
    sentence, remedy, field = _WORDS[fault]
    if hint == UNSENDABLE:
        sentence = _UNSENDABLE.get(fault, sentence)
    elif hint:
        sentence, remedy = _HINTED.get(fault, (sentence, remedy))
    place = LABELS[Location(hint)] if hint in set(Location) else hint
    return HoldCause(
        fault,
        sentence.format(hint=hint, place=place),
        remedy.format(hint=hint, place=place),
        field,
    )
