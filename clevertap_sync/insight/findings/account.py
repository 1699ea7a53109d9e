"""What is wrong with the CleverTap account, or with what it is reached by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from clevertap_sync.expiry import expiry_of
from clevertap_sync.fields import UnreadableSecret
from clevertap_sync.hold_reasons import (
    EVERYTHING_REFUSED,
    IDENTITY_MISMATCH,
    RESTORED_BACKUP,
    hold_words,
)
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings.base import (
    Finding,
    Link,
    Severity,
    integration_link,
    settings_link,
)
from clevertap_sync.insight.findings.sentences import (
    late_sentence,
    lower_first,
    waiting_sentence,
)
from referrals.words import span


@dataclass(frozen=True, kw_only=True)
class PasscodeUnreadable(Finding):
    """The key that encrypted the passcode is gone: CleverTap was never asked."""

    code = "passcode_unreadable"
    severity = Severity.ERROR
    word = "Passcode unreadable"
    started = "the passcode cannot be decrypted"
    ended = "the passcode can be decrypted again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no key decrypts what is stored."""
        if facts.is_running and isinstance(
            facts.integration.passcode, UnreadableSecret
        ):
            yield cls(
                sentence="No key in FIELD_ENCRYPTION_KEYS decrypts the stored passcode, "
                f"so CleverTap is not asked. {waiting_sentence(facts)}",
                remedy="Put the key that it was saved with back into the list, or enter "
                "the passcode again.",
                link=settings_link(facts, "new_passcode", "Enter the passcode"),
                count=facts.waiting.events or None,
            )


@dataclass(frozen=True, kw_only=True)
class HoldFinding(Finding):
    """Delivery is held. Each reason that a person mends differently is a class of its own."""

    reasons: ClassVar[frozenset[str]]
    family = "held"
    word = "Held"
    ended = "delivery goes on"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it while delivery is held for one of these reasons."""
        integration = facts.integration
        if not is_held(facts) or not cls.is_about(integration.hold_reason):
            return
        meaning, remedy = hold_words(integration.hold_reason)
        seconds = held_seconds(facts)
        yield cls(
            sentence=f"Held for {span(seconds)}: {lower_first(meaning)} "
            f"{waiting_sentence(facts)}{late_sentence(facts)}",
            remedy=remedy,
            link=cls.where(facts),
            count=facts.waiting.events + facts.waiting.records or None,
            seconds=seconds,
            detail=integration.hold_reason,
        )

    @classmethod
    def is_about(cls, reason: str) -> bool:
        """Return whether this kind is about a hold with that reason."""
        return reason in cls.reasons

    @classmethod
    def where(cls, facts: Facts) -> Link:
        """Return where it is mended."""
        return integration_link(facts, "check", "Check the connection")


@dataclass(frozen=True, kw_only=True)
class CredentialsRefused(HoldFinding):
    """CleverTap refuses what it is called with, and does not say what of it."""

    code = "credentials_refused"
    severity = Severity.ERROR
    started = "CleverTap refuses the credentials"
    reasons = frozenset({"credentials_refused"})

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it, but not where CleverTap was never asked."""
        if not isinstance(facts.integration.passcode, UnreadableSecret):
            yield from super().find(facts)

    @classmethod
    def where(cls, facts: Facts) -> Link:
        """Return the fields that it can be."""
        return settings_link(facts, "account_id", "Correct the credentials")


@dataclass(frozen=True, kw_only=True)
class WrongAddress(HoldFinding):
    """Something else answers where CleverTap should."""

    code = "wrong_address"
    severity = Severity.ERROR
    started = "something else answers in CleverTap's place"
    reasons = frozenset({"wrong_address"})

    @classmethod
    def where(cls, facts: Facts) -> Link:
        """Return the field that decides the address."""
        return settings_link(facts, "location", "Check the location")


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
    def where(cls, facts: Facts) -> Link:
        """Return the field that says which identity is sent."""
        return settings_link(facts, "identity_provider", "Choose the identity provider")


@dataclass(frozen=True, kw_only=True)
class BackupRestored(HoldFinding):
    """The database is an older one than that which delivered."""

    code = RESTORED_BACKUP
    severity = Severity.ERROR
    word = "Paused"
    started = "the database is a restored backup"
    reasons = frozenset({RESTORED_BACKUP})

    @classmethod
    def where(cls, facts: Facts) -> Link:
        """Return where it is enabled from now on."""
        return integration_link(facts, "enable", "Enable from now")


@dataclass(frozen=True, kw_only=True)
class DeliveryHeld(HoldFinding):
    """CleverTap, or the way to it, has a fault that passes by itself, or a new one."""

    code = "held"
    severity = Severity.WARNING
    started = "delivery is held"
    reasons = frozenset()

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it for every reason that no other kind is about."""
        if facts.integration.hold_reason not in NAMED_REASONS:
            yield from super().find(facts)

    @classmethod
    def is_about(cls, reason: str) -> bool:
        """Return whether it is about any reason at all."""
        return bool(reason)


@dataclass(frozen=True, kw_only=True)
class PasscodeExpired(Finding):
    """The last day of a user passcode has passed."""

    code = "passcode_expired"
    severity = Severity.ERROR
    family = "passcode"
    word = "Passcode expired"
    started = "the passcode has expired"
    ended = "the passcode is good again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it from the day after its last."""
        expiry = expiry_of(facts.integration, facts.now)
        if expiry and expiry.is_over and facts.is_running:
            yield cls(
                sentence=expiry.sentence,
                remedy=expiry.remedy,
                link=settings_link(facts, "new_passcode", "Enter a new passcode"),
            )


@dataclass(frozen=True, kw_only=True)
class PasscodeExpires(Finding):
    """The last day of a user passcode is near."""

    code = "passcode_expires"
    severity = Severity.INFO
    family = "passcode"
    word = ""
    started = "the passcode expires soon"
    ended = "the passcode is good for longer again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it so many days before, as the facts ask for."""
        expiry = expiry_of(facts.integration, facts.now, remind_days=facts.remind_days)
        if expiry and not expiry.is_over and facts.is_running:
            yield cls(
                sentence=expiry.sentence,
                remedy=expiry.remedy,
                link=settings_link(facts, "new_passcode", "Enter a new passcode"),
                count=expiry.days,
            )


def is_held(facts: Facts) -> bool:
    """Return whether delivery is held, and not just paused by a person."""
    integration = facts.integration
    is_restored = integration.hold_reason == RESTORED_BACKUP
    return bool(integration.hold_reason) and (facts.is_running or is_restored)


def held_seconds(facts: Facts) -> float:
    """Return for how long delivery has been held."""
    since = facts.integration.held_since
    return max(0.0, (facts.now - since).total_seconds()) if since else 0.0


NAMED_REASONS: Final = frozenset().union(
    *(
        kind.reasons
        for kind in (
            CredentialsRefused,
            WrongAddress,
            EverythingRefused,
            IdentitiesUnknown,
            BackupRestored,
        )
    )
)
KINDS: Final = (
    PasscodeUnreadable,
    CredentialsRefused,
    WrongAddress,
    EverythingRefused,
    IdentitiesUnknown,
    BackupRestored,
    DeliveryHeld,
    PasscodeExpired,
    PasscodeExpires,
)
