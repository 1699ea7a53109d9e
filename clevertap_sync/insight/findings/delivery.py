"""Findings about the delivery of accepted events."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.clevertap.reasons import (
    NEVER_KNOWN,
    NO_IDENTITY,
    SHARED_IDENTITY,
    find_reason,
)
from clevertap_sync.insight.facts import RECENTLY, Facts, OpenLetters
from clevertap_sync.insight.findings.account import is_held
from clevertap_sync.insight.findings.finding import (
    Finding,
    Link,
    Scope,
    Severity,
    link_integration,
    link_settings,
)
from clevertap_sync.insight.findings.sentences import (
    LATE_SECONDS,
    describe_delay,
    describe_waiting,
    lower_first_letter,
)
from referrals.words import format_count, format_span

#: Reasons of dead letters that need no action.
NOTHING_TO_MEND: Final = frozenset(
    {"suppressed", "erased", "event_removed", NEVER_KNOWN, SHARED_IDENTITY}
)
NEW_NAME: Final = "new_event_name"


@dataclass(frozen=True, kw_only=True)
class BooksUnbalanced(Finding):
    """A record is missing or counted twice: a fault of ours."""

    code = "unbalanced"
    severity = Severity.ERROR
    word = "Books do not balance"
    started = "the books do not balance"
    ended = "the books balance again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it with all sentences that say what does not add up."""
        if facts.imbalances:
            yield cls(
                sentence=" ".join(facts.imbalances),
                remedy="Report this: it is a fault of ours. Delivery goes on.",
                link=Link(
                    "See the uploads", UPLOADS_PAGE, query=_filter_by_integration(facts)
                ),
                count=len(facts.imbalances),
            )


@dataclass(frozen=True, kw_only=True)
class WorkerGone(Finding):
    """No worker is at work, so nothing is delivered."""

    code = "no_worker"
    severity = Severity.ERROR
    scope = Scope.INSTALLATION
    word = "No worker"
    started = "no worker is at work"
    ended = "a worker is at work again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no worker was seen for some sweeps, or ever."""
        silence = facts.silence
        if not facts.is_running or (silence and not silence.is_too_long):
            return
        since = (
            f"No worker has been seen for {format_span(silence.seconds)}."
            if silence
            else "No worker has ever been seen."
        )
        yield cls(
            sentence=f"{since} {describe_waiting(facts)}{describe_delay(facts)}",
            remedy="Start a worker: the line worker of the Procfile.",
            link=Link("See the machinery", "index", place="machinery"),
            count=facts.waiting.events or None,
            seconds=silence.seconds if silence else None,
        )


@dataclass(frozen=True, kw_only=True)
class NothingDelivered(Finding):
    """Records go out, and all of them fall out."""

    code = "nothing_delivered"
    severity = Severity.ERROR
    word = "Nothing delivered"
    started = "no record is delivered"
    ended = "records are delivered again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it with the main reason of the newest records."""
        if (letters := _find_reason_of_all(facts)) and letters.reason != NO_IDENTITY:
            reason = find_reason(letters.reason)
            newest = "" if _is_only_reason(facts, letters) else "The newest: "
            meaning = lower_first_letter(reason.meaning) if newest else reason.meaning
            yield cls(
                sentence=f"None of the last {_count_records(facts)} was delivered. "
                f"{newest}{meaning}",
                remedy=reason.remedy,
                link=_link_letters(facts, letters),
                count=facts.newest_outcomes.records,
                detail=letters.reason,
            )


@dataclass(frozen=True, kw_only=True)
class IdentityMissing(Finding):
    """Nobody carries the identity that the integration sends."""

    code = "identity_missing"
    severity = Severity.ERROR
    word = "Nothing delivered"
    started = "no user has the identity that is sent"
    ended = "users have the identity that is sent again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no record at all could be made, for want of that identity."""
        letters = _find_reason_of_all(facts)
        if letters and letters.reason == NO_IDENTITY:
            # The provider may have changed since; the dead letters stay.
            provider = facts.integration.identity_provider
            only = _is_only_reason(facts, letters)
            why = ": no user carries" if only else ". For the newest no user carries"
            yield cls(
                sentence=f"None of the last {_count_records(facts)} was delivered{why} "
                "the identity provider that was chosen when they were made.",
                remedy=f"It is {provider} now. Choose the one that your users carry, then "
                "replay what fell out.",
                link=link_settings(
                    facts, "identity_provider", "Choose the identity provider"
                ),
                count=facts.newest_outcomes.records,
                detail=letters.reason,
            )


class LettersFinding(Finding):
    """Records fell out for one reason, and lie there as dead letters."""

    @classmethod
    def from_letters(cls, facts: Facts, letters: OpenLetters) -> Self:
        """Return the finding in the reason's own words."""
        reason = find_reason(letters.reason)
        were = "was" if letters.count == 1 else "were"
        return cls(
            sentence=" ".join(
                filter(
                    None,
                    [
                        f"{format_count(letters.count, 'record')} {were} not delivered.",
                        reason.meaning,
                        letters.parked and letters.parked.sentence,
                    ],
                )
            ),
            remedy=reason.remedy,
            link=_link_letters(facts, letters),
            count=letters.count,
            percent=100
            * facts.newest_outcomes.dead
            / max(1, facts.newest_outcomes.records),
            detail=letters.reason,
        )


@dataclass(frozen=True, kw_only=True)
class NotDelivered(LettersFinding):
    """Records fell out lately, for one reason."""

    code = "dead_letters"
    severity = Severity.WARNING
    word = "Not all delivered"
    started = "records are not delivered"
    ended = "records are delivered again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each reason, most records first."""
        of_all = _find_reason_of_all(facts)
        for letters in _list_letters_to_mend(facts):
            if letters is not of_all and is_recent(letters.newest_at, facts):
                yield cls.from_letters(facts, letters)


@dataclass(frozen=True, kw_only=True)
class NotDeliveredEarlier(LettersFinding):
    """Records fell out more than a day ago, and still lie there."""

    code = "old_dead_letters"
    severity = Severity.INFO
    word = ""
    started = "old dead letters lie there"
    ended = "no old dead letter lies there any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each reason, most records first."""
        for letters in _list_letters_to_mend(facts):
            if not is_recent(letters.newest_at, facts):
                yield cls.from_letters(facts, letters)


@dataclass(frozen=True, kw_only=True)
class DeliveryLate(Finding):
    """Delivery goes on, and is behind."""

    code = "late"
    severity = Severity.WARNING
    word = "Catching up"
    started = "events wait"
    ended = "events are delivered in time again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it while an event waits for longer than usual. A hold says so itself."""
        if facts.lag_seconds <= LATE_SECONDS or not facts.is_running or is_held(facts):
            return
        yield cls(
            sentence=f"{describe_waiting(facts)}{describe_delay(facts)}",
            remedy="See below what is slow: the worker, or CleverTap's answers.",
            link=Link(
                "See the attempts", ATTEMPTS_PAGE, query=_filter_by_integration(facts)
            ),
            count=facts.waiting.events or None,
            seconds=facts.lag_seconds,
        )


@dataclass(frozen=True, kw_only=True)
class PauseForgotten(Finding):
    """A person paused it a while ago, and events wait."""

    code = "pause_forgotten"
    severity = Severity.WARNING
    word = "Paused"
    started = "it has been paused for long"
    ended = "it is not paused any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where something has waited for so many hours."""
        if not _is_paused(facts) or not facts.waiting.since:
            return
        if facts.lag_seconds >= facts.pause_hours * 3600:
            yield cls(
                sentence=f"Paused by a person. {describe_waiting(facts)}"
                f"{describe_delay(facts)}",
                remedy="Resume it, from where it stopped or from now.",
                link=link_integration(facts, "enable", "Resume"),
                count=facts.waiting.events or None,
                seconds=facts.lag_seconds,
            )


@dataclass(frozen=True, kw_only=True)
class DeliveryPaused(Finding):
    """A person paused it."""

    code = "paused"
    severity = Severity.INFO
    word = "Paused"
    started = "it is paused"
    ended = "it is not paused any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it until a person resumes it, or has forgotten it."""
        if _is_paused(facts) and not PauseForgotten.is_there(facts):
            yield cls(
                sentence=f"Paused by a person. {describe_waiting(facts)}",
                remedy="Resume it when you like.",
                link=link_integration(facts, "enable", "Resume"),
                count=facts.waiting.events or None,
            )


@dataclass(frozen=True, kw_only=True)
class NotEnabled(Finding):
    """The set-up is not finished."""

    code = "not_enabled"
    severity = Severity.INFO
    word = "Not enabled"
    started = "it is not enabled"
    ended = "it is enabled"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it until a person enables it for the first time."""
        integration = facts.integration
        if not (integration.enabled or integration.first_enabled_at):
            yield cls(
                sentence=f"Nothing is sent to CleverTap yet. {describe_waiting(facts)}",
                remedy="Finish the set-up, then enable it.",
                link=link_integration(facts, "enable", "Enable"),
                count=facts.waiting.events or None,
            )


UPLOADS_PAGE: Final = "clevertap_sync_upload_changelist"
ATTEMPTS_PAGE: Final = "clevertap_sync_attempt_changelist"
LETTERS_PAGE: Final = "clevertap_sync_deadletter_changelist"

KINDS: Final = (
    BooksUnbalanced,
    WorkerGone,
    IdentityMissing,
    NothingDelivered,
    PauseForgotten,
    NotDelivered,
    DeliveryLate,
    NotEnabled,
    DeliveryPaused,
    NotDeliveredEarlier,
)


def is_recent(instant: datetime, facts: Facts) -> bool:
    """Return whether a record that fell out at `instant` shows the present state.

    Only a later delivery makes it outdated; the time that passed does not.
    """
    is_last = facts.delivered_at is None or facts.delivered_at <= instant
    return is_last or facts.now - instant < RECENTLY


def _filter_by_integration(facts: Facts) -> tuple[tuple[str, int | str], ...]:
    return (("integration__id__exact", facts.integration.pk),)


def _is_paused(facts: Facts) -> bool:
    integration = facts.integration
    return (
        not integration.enabled
        and integration.first_enabled_at is not None
        and integration.hold_reason != RESTORED_BACKUP
    )


def _list_letters_to_mend(facts: Facts) -> Iterator[OpenLetters]:
    """Yield the dead letters that a person can do something about.

    While a new name waits for approval, its letters have a finding of their own.
    """
    for letters in facts.letters:
        is_said = letters.reason == NEW_NAME and facts.names.waiting
        if letters.reason not in NOTHING_TO_MEND and not is_said:
            yield letters


def _find_reason_of_all(facts: Facts) -> OpenLetters | None:
    """Return the newest records' main reason, where none of them was delivered.

    It is not the reason of most letters: many may be old, of a cause that was fixed since.
    """
    outcomes = facts.newest_outcomes
    if not outcomes.records or outcomes.delivered:
        return None
    recent = (
        each
        for each in _list_letters_to_mend(facts)
        if is_recent(each.newest_at, facts) and not _is_revived(each, facts)
    )
    return max(recent, key=lambda each: (each.lately, each.newest_at), default=None)


def _is_only_reason(facts: Facts, letters: OpenLetters) -> bool:
    """Return whether nothing fell out lately for another reason."""
    return all(
        each is letters or not is_recent(each.newest_at, facts)
        for each in facts.letters
    )


def _is_revived(letters: OpenLetters, facts: Facts) -> bool:
    """Return whether a replay has delivered the newest of these, or something since."""
    if letters.was_delivered:
        return True
    return facts.delivered_at is not None and facts.delivered_at >= letters.newest_at


def _count_records(facts: Facts) -> str:
    return format_count(facts.newest_outcomes.records, "record")


def _link_letters(facts: Facts, letters: OpenLetters) -> Link:
    query = (
        *_filter_by_integration(facts),
        ("reason", letters.reason),
        ("state__exact", "open"),
    )
    return Link("See the records", LETTERS_PAGE, query=query)
