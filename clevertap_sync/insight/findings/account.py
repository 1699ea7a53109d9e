"""Findings about the CleverTap account and the credentials that reach it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final, Self

from clevertap_sync.clevertap.account_faults import (
    AccountFault,
    describe_fault,
    describe_hold_cause,
)
from clevertap_sync.clevertap.hold_reasons import (
    EVERYTHING_REFUSED,
    IDENTITY_LETTER_CASE,
    IDENTITY_MISMATCH,
    RESTORED_BACKUP,
    describe_hold,
)
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings.finding import (
    Finding,
    Link,
    Severity,
    link_integration,
    link_settings,
)
from clevertap_sync.insight.findings.sentences import (
    describe_delay,
    describe_waiting,
    lower_first_letter,
)
from clevertap_sync.insight.passcode_expiry import find_expiry
from referrals.encrypted_field import UnreadableSecret
from referrals.words import format_span

#: A cause is looked for in less, or else by the next probe.
CAUSE_SEARCH: Final = timedelta(minutes=1)
#: Families: findings that are causes of the same trouble.
HELD: Final = "held"
PASSCODE: Final = "passcode"


@dataclass(frozen=True, kw_only=True)
class PasscodeUnreadable(Finding):
    """The key that encrypted the passcode is gone: CleverTap was never asked."""

    code = AccountFault.UNREADABLE_PASSCODE.value
    severity = Severity.ERROR
    families = frozenset({HELD})
    word = "Passcode unreadable"
    started = "the passcode cannot be decrypted"
    ended = "the passcode can be decrypted again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no key decrypts the stored passcode, before the hold as well."""
        if facts.is_running and is_unreadable(facts):
            yield cls(
                sentence="No key in FIELD_ENCRYPTION_KEYS decrypts the stored passcode, "
                f"so CleverTap is not asked. {describe_waiting(facts)}",
                remedy="Put the key that it was saved with back into the list, or enter "
                "the passcode again.",
                link=link_settings(facts, "new_passcode", "Enter the passcode"),
                count=facts.waiting.events or None,
            )


@dataclass(frozen=True, kw_only=True)
class HoldFinding(Finding):
    """Delivery is held. Each reason that a person fixes in another way has its own class."""

    reasons: ClassVar[frozenset[str]]
    families = frozenset({HELD})
    word = "Held"
    ended = "delivery goes on"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it while delivery is held, and the hold is of this kind."""
        integration = facts.integration
        if not is_held(facts) or not cls.is_about(facts):
            return
        cause = describe_hold_cause(integration)
        meaning, remedy = describe_hold(integration.hold_reason, cause)
        seconds = count_held_seconds(facts)
        yield cls(
            sentence=f"Held for {format_span(seconds)}: {lower_first_letter(meaning)} "
            f"{describe_waiting(facts)}{describe_delay(facts)}",
            remedy=remedy,
            link=cls.link_to_fix(facts),
            count=facts.waiting.events + facts.waiting.records or None,
            seconds=seconds,
            detail=integration.hold_reason,
            is_provisional=cls.is_cause_awaited(facts),
        )

    @classmethod
    def is_cause_awaited(cls, facts: Facts) -> bool:
        """Return whether a worker is probably finding out the cause of the hold."""
        del facts
        return False

    @classmethod
    def is_about(cls, facts: Facts) -> bool:
        """Return whether this kind is about the hold."""
        return facts.integration.hold_reason in cls.reasons

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the link to the page that fixes it."""
        return link_integration(facts, "check", "Check the connection")


@dataclass(frozen=True, kw_only=True)
class CredentialsRefused(HoldFinding):
    """CleverTap refuses what it is called with, and nothing tells what of it."""

    code = "credentials_refused"
    severity = Severity.ERROR
    started = "CleverTap refuses the credentials"
    reasons = frozenset({"credentials_refused", "credentials_unusable", "no_passcode"})
    faults: ClassVar[frozenset[AccountFault]] = frozenset({AccountFault.UNCLEAR})

    @classmethod
    def is_about(cls, facts: Facts) -> bool:
        """Return whether the hold cause is of this kind."""
        if not super().is_about(facts) or is_unreadable(facts):
            return False
        cause = describe_hold_cause(facts.integration)
        fault = cause.fault if cause else find_evident_fault(facts)
        return fault in cls.faults

    @classmethod
    def is_cause_awaited(cls, facts: Facts) -> bool:
        """Return whether the hold has no cause yet, and is too new for that to mean anything.

        CleverTap is asked for it right after each refusal (`delivery.hold_cause`).
        """
        if describe_hold_cause(facts.integration) is not None:
            return False
        if find_evident_fault(facts) is not AccountFault.UNCLEAR:
            return False
        changed_at = facts.integration.hold_changed_at
        return changed_at is not None and facts.now - changed_at < CAUSE_SEARCH

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the link to the field that fixes it."""
        cause = describe_hold_cause(facts.integration) or describe_fault(
            find_evident_fault(facts)
        )
        label = f"Correct the {cause.field.replace('_id', ' ID')}"
        return link_settings(facts, _FORM_FIELDS.get(cause.field, cause.field), label)


@dataclass(frozen=True, kw_only=True)
class AccountIdWrong(CredentialsRefused):
    """CleverTap does not know the account ID."""

    code = AccountFault.WRONG_ACCOUNT_ID.value
    started = "CleverTap does not know the account ID"
    faults = frozenset(
        {AccountFault.WRONG_ACCOUNT_ID, AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE}
    )


@dataclass(frozen=True, kw_only=True)
class PasscodeWrong(CredentialsRefused):
    """CleverTap knows the account, and refuses the passcode."""

    code = AccountFault.WRONG_PASSCODE.value
    started = "CleverTap refuses the passcode"
    faults = frozenset({AccountFault.WRONG_PASSCODE})


@dataclass(frozen=True, kw_only=True)
class LocationWrong(CredentialsRefused):
    """CleverTap stores the account in another location."""

    code = AccountFault.WRONG_LOCATION.value
    started = "the location is wrong"
    faults = frozenset(
        {AccountFault.WRONG_LOCATION, AccountFault.WRONG_LOCATION_AND_PASSCODE}
    )


@dataclass(frozen=True, kw_only=True)
class TestPrefixMissing(CredentialsRefused):
    """The account is a test account, and its ID lacks the TEST-."""

    code = AccountFault.TEST_PREFIX_MISSING.value
    started = "the account ID lacks its TEST-"
    faults = frozenset({AccountFault.TEST_PREFIX_MISSING})


@dataclass(frozen=True, kw_only=True)
class PasscodeMissing(CredentialsRefused):
    """No passcode was entered yet."""

    code = AccountFault.NO_PASSCODE.value
    started = "there is no passcode"
    faults = frozenset({AccountFault.NO_PASSCODE})


@dataclass(frozen=True, kw_only=True)
class PasscodeExpired(CredentialsRefused):
    """A user passcode has expired, by its last day or because CleverTap refuses it now."""

    code = AccountFault.PASSCODE_EXPIRED.value
    started = "the passcode has expired"
    ended = "the passcode is good again"
    faults = frozenset({AccountFault.PASSCODE_EXPIRED})
    families = frozenset({HELD, PASSCODE})

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it while delivery is held for it, and from the day after its last day on."""
        if found := list(super().find(facts)):
            yield from found
            return
        expiry = find_expiry(facts.integration, facts.now)
        if expiry and expiry.is_over and facts.is_running:
            yield cls(
                sentence=expiry.sentence,
                remedy=expiry.remedy,
                link=link_settings(facts, "new_passcode", "Enter a new passcode"),
            )


@dataclass(frozen=True, kw_only=True)
class WrongAddress(HoldFinding):
    """Something else answers where CleverTap should."""

    code = "wrong_address"
    severity = Severity.ERROR
    started = "something else answers in CleverTap's place"
    reasons = frozenset({"wrong_address"})

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the field that decides the address."""
        return link_settings(facts, "location", "Check the location")


@dataclass(frozen=True, kw_only=True)
class EverythingRefused(HoldFinding):
    """The account refuses even a good record."""

    code = EVERYTHING_REFUSED
    severity = Severity.ERROR
    started = "CleverTap refuses every record"
    reasons = frozenset({EVERYTHING_REFUSED})


@dataclass(frozen=True, kw_only=True)
class IdentitiesUnknown(HoldFinding):
    """CleverTap does not know the first users: the identity provider is probably wrong."""

    code = IDENTITY_MISMATCH
    severity = Severity.ERROR
    started = "CleverTap does not know the users"
    reasons = frozenset({IDENTITY_MISMATCH})

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the field that says which identity is sent."""
        return link_settings(facts, "identity_provider", "Choose the identity provider")


@dataclass(frozen=True, kw_only=True)
class IdentitiesInOtherCase(IdentitiesUnknown):
    """CleverTap knows the first users in another letter case."""

    code = IDENTITY_LETTER_CASE
    started = "CleverTap knows the users in another letter case"
    reasons = frozenset({IDENTITY_LETTER_CASE})


@dataclass(frozen=True, kw_only=True)
class BackupRestored(HoldFinding):
    """The database is an older one than that which delivered."""

    code = RESTORED_BACKUP
    severity = Severity.ERROR
    word = "Paused"
    started = "the database is a restored backup"
    reasons = frozenset({RESTORED_BACKUP})

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the link to the page that enables it from now."""
        return link_integration(facts, "enable", "Enable from now")


@dataclass(frozen=True, kw_only=True)
class DeliveryHeld(HoldFinding):
    """CleverTap, or the way to it, has a fault that passes by itself, or a new one."""

    code = "held"
    severity = Severity.WARNING
    started = "delivery is held"
    reasons = frozenset()

    @classmethod
    def is_about(cls, facts: Facts) -> bool:
        """Return whether no other kind is about the hold, so that each hold has a finding."""
        return not is_unreadable(facts) and not any(
            kind.is_about(facts) for kind in _NAMED
        )


@dataclass(frozen=True, kw_only=True)
class PasscodeExpires(Finding):
    """The last day of a user passcode is near."""

    code = "passcode_expires"
    severity = Severity.INFO
    families = frozenset({PASSCODE})
    word = ""
    started = "the passcode expires soon"
    ended = "the passcode is good for longer again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it from `facts.remind_days` before its last day on."""
        expiry = find_expiry(
            facts.integration, facts.now, remind_days=facts.remind_days
        )
        if expiry and not expiry.is_over and facts.is_running:
            yield cls(
                sentence=expiry.sentence,
                remedy=expiry.remedy,
                link=link_settings(facts, "new_passcode", "Enter a new passcode"),
                count=expiry.days or None,
            )


_NAMED: Final[Sequence[type[HoldFinding]]] = (
    PasscodeMissing,
    TestPrefixMissing,
    LocationWrong,
    AccountIdWrong,
    PasscodeExpired,
    PasscodeWrong,
    CredentialsRefused,
    WrongAddress,
    EverythingRefused,
    IdentitiesInOtherCase,
    IdentitiesUnknown,
    BackupRestored,
)
KINDS: Final[Sequence[type[Finding]]] = (
    PasscodeUnreadable,
    *_NAMED,
    DeliveryHeld,
    PasscodeExpires,
)
#: The names of form fields, where they differ from the integration's.
_FORM_FIELDS: Final = {"passcode": "new_passcode"}


def is_held(facts: Facts) -> bool:
    """Return whether delivery is held, and not just paused by a person."""
    integration = facts.integration
    is_restored = integration.hold_reason == RESTORED_BACKUP
    return bool(integration.hold_reason) and (facts.is_running or is_restored)


def is_unreadable(facts: Facts) -> bool:
    """Return whether no key decrypts the passcode."""
    return isinstance(facts.integration.passcode, UnreadableSecret)


def find_evident_fault(facts: Facts) -> AccountFault:
    """Return the fault that the hold reason alone shows, before the cause was looked for."""
    if facts.integration.hold_reason == AccountFault.NO_PASSCODE:
        return AccountFault.NO_PASSCODE
    return AccountFault.UNCLEAR


def count_held_seconds(facts: Facts) -> float:
    """Return for how long delivery has been held."""
    since = facts.integration.held_since
    return max(0.0, (facts.now - since).total_seconds()) if since else 0.0
