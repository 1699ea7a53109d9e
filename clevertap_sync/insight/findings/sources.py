"""Findings about an app's sources: calls that are not verified, do not come, or lead to nothing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Self

from clevertap_sync.insight.facts import LEAST_SILENCE, WEEK, Facts, SourceFacts
from clevertap_sync.insight.findings.finding import Finding, Link, Scope, Severity
from referrals.ingest.source_health import FEW_UNVERIFIED
from referrals.sources.mapping.rules import MEANINGS, Reason
from referrals.words import format_count, format_span

#: Beside good calls so many of a day are a finding, and so large a share.
SOME_UNVERIFIED: Final = 10
UNVERIFIED_PERCENT: Final = 20
#: A source's habit is what it did for so long before its last call. A shorter time than a week
#: may have no weekend in it.
HABIT: Final = timedelta(days=14)
#: On so many days of these, by UTC.
HABIT_DAYS: Final = 5
#: It is silent when it has been so for this many times its longest pause.
PAUSES: Final = 1.5
#: So many items that all were ignored are no accident.
ALL_IGNORED: Final = 20
#: Nor so soon after the first call.
AT_FIRST: Final = timedelta(days=1)
#: The sweep takes a call out of the spool sooner than that.
IN_SPOOL: Final = timedelta(minutes=5)
#: Why calls are ignored that are not as the source's owner meant. All other reasons are usual.
MISTAKEN: Final = frozenset(
    {Reason.NO_REFERRER, Reason.NOT_CHOSEN, Reason.CONDITION, Reason.NO_EVENT}
)
_REMEDIES: Final = {
    Reason.NO_REFERRER: "See in a call where the referrer's ID stands, and name that key; or "
    "let the source take marketing links.",
    Reason.NOT_CHOSEN: "Choose among the events that were seen.",
}


@dataclass(frozen=True, kw_only=True)
class SourceFinding(Finding):
    """Something of a source that is not well. It is found once for each source."""

    scope = Scope.APP
    severity = Severity.WARNING

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each source of the app that the facts show it of."""
        for source in facts.ingest.sources:
            yield from cls.find_of(source, facts.now)

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it if the facts of one source show it."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SourceUnreadable(SourceFinding):
    """The key that encrypted a source's secret is gone: none of its calls is taken."""

    code = "source_unreadable"
    severity = Severity.ERROR
    word = "Source unreadable"
    started = "a source's secret cannot be decrypted"
    ended = "every source's secret can be decrypted again"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:  # noqa: ARG003
        """Yield it where no key decrypts the stored secret."""
        if source.is_unreadable:
            yield cls(
                sentence="No key in FIELD_ENCRYPTION_KEYS decrypts the secret of the source "
                f"{source.name}: it answers that it is busy, and takes no call.",
                remedy="Put the key that it was saved with back into the list, or set the "
                "secret again.",
                link=_link(source),
                detail=str(source.pk),
            )


@dataclass(frozen=True, kw_only=True)
class CallsUnverified(SourceFinding):
    """Calls to a source do not show that they are its platform's: none is taken."""

    code = "calls_unverified"
    word = "Calls unverified"
    started = "calls to a source are not verified"
    ended = "no source gets calls that are not verified any more"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it where none was verified since, or a part of a day's was not."""
        what = _describe_unverified(source, now)
        if what:
            count, clause = what
            why = f": {source.why_unverified}" if source.why_unverified else "."
            yield cls(
                sentence=f"The source {source.name} refused {clause}{why} Nothing of that is "
                "stored.",
                remedy="If nobody has the secret any more, make a new one on the source's page. "
                "If the calls are not the platform's, somebody knows the address: connect the "
                "platform anew, and archive this source.",
                link=_link(source),
                count=count,
                detail=str(source.pk),
            )


def _describe_unverified(source: SourceFacts, now: datetime) -> tuple[int, str] | None:
    """Return how many calls were not verified, and in words; None for too few."""
    calls = format_count(source.unverified, "call")
    if source.called_at is None:
        said = f"{calls}, and was never called with a good secret"
        return (source.unverified, said) if source.unverified else None
    if source.unverified >= FEW_UNVERIFIED:
        age = format_span((now - source.called_at).total_seconds())
        return source.unverified, f"{calls} since its last good one, {age} ago"
    lately = source.unverified_lately
    of = lately + source.calls_lately
    if lately < SOME_UNVERIFIED or 100 * lately < UNVERIFIED_PERCENT * of:
        return None
    return lately, f"{lately:,} of {format_count(of, 'call')} of the last 24 hours"


@dataclass(frozen=True, kw_only=True)
class CallsLost(SourceFinding):
    """Events were lost that their platform never sends again."""

    code = "calls_lost"
    word = "Events lost"
    started = "events of a source were lost"
    ended = "no event of a source was lost within a day"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:  # noqa: ARG003
        """Yield it for a day after the last one."""
        if source.lost_lately:
            events = format_count(source.lost_lately, "event")
            why = f": {source.why_lost}" if source.why_lost else "."
            yield cls(
                sentence=f"Lost within 24 hours: {events} of the source {source.name}{why}",
                remedy="Import them from the platform's export, if it has one.",
                link=_link(source),
                count=source.lost_lately,
                detail=str(source.pk),
            )


@dataclass(frozen=True, kw_only=True)
class CallsSpooled(SourceFinding):
    """Events wait in the spool, and nothing takes them into the log."""

    code = "calls_spooled"
    word = "Events spooled"
    started = "events of a source stay in the spool"
    ended = "no event of a source stays in the spool any more"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it where nothing came out of the spool since the last went in."""
        spooled_at, drained_at = source.spooled_at, source.drained_at
        if spooled_at is None or now - spooled_at < IN_SPOOL:
            return
        if drained_at is None or drained_at < spooled_at:
            age = format_span((now - spooled_at).total_seconds())
            yield cls(
                sentence=f"Events of the source {source.name} wait in the spool, the last for "
                f"{age}.",
                remedy="A worker takes them into the log: see whether one is at work.",
                link=_link(source),
                seconds=(now - spooled_at).total_seconds(),
                detail=str(source.pk),
            )


@dataclass(frozen=True, kw_only=True)
class SourceSilent(SourceFinding):
    """A source that used to be called is called no more."""

    code = "source_silent"
    word = "Source silent"
    started = "a source is called no more"
    ended = "no source is silent any more"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it after a day, and half as long again as the source's longest pause.

        Not of one for tests, nor of one without a habit: it was called on some days of two
        weeks, of which the first and the last are a week apart.
        """
        pause = find_longest_pause(source.call_hours)
        if source.is_test or source.called_at is None or pause is None:
            return
        silence = now - source.called_at
        if silence >= max(LEAST_SILENCE, PAUSES * pause):
            spans = [format_span(each.total_seconds()) for each in (silence, pause)]
            yield cls(
                sentence=f"The source {source.name} was not called for {spans[0]}. In the two "
                f"weeks before, its longest pause was {spans[1]}.",
                remedy="See whether the platform still has the address, and what it says of "
                "its calls. If it is not used any more, archive the source.",
                link=_link(source),
                seconds=silence.total_seconds(),
                detail=str(source.pk),
            )


def find_longest_pause(call_hours: Sequence[datetime]) -> timedelta | None:
    """Return the longest time between two hours with calls; None where there is no habit.

    `call_hours` are in order, the last one last. What is more than `HABIT` before it does not
    count.
    """
    if not call_hours:
        return None
    times = [each for each in call_hours if call_hours[-1] - each <= HABIT]
    if times[-1] - times[0] < WEEK or len({each.date() for each in times}) < HABIT_DAYS:
        return None
    return max(later - earlier for earlier, later in pairwise(times))


@dataclass(frozen=True, kw_only=True)
class AllIgnored(SourceFinding):
    """A source is called, and nothing of it has ever become an event."""

    code = "all_ignored"
    word = "All ignored"
    started = "all calls to a source are ignored"
    ended = "no source has all of its calls ignored any more"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it a day after the first call, where the reason may be a mistake."""
        mistaken = Counter(
            {
                reason: number
                for reason, number in source.ignored.items()
                if reason in MISTAKEN
            }
        )
        is_new = source.first_call_at is None or now - source.first_call_at < AT_FIRST
        if source.has_taken or is_new or mistaken.total() < ALL_IGNORED:
            return
        ((code, number),) = mistaken.most_common(1)
        reason = Reason(code)
        yield cls(
            sentence=f"Nothing of the source {source.name} becomes an event. "
            f"{format_count(number, 'time')}, {MEANINGS[reason]}.",
            remedy=_REMEDIES.get(
                reason, "See what its last calls were, and correct its mapping."
            ),
            link=_link(source),
            count=number,
            detail=str(source.pk),
        )


@dataclass(frozen=True, kw_only=True)
class SourceUnused(SourceFinding):
    """A source was made a week ago or longer, and never called."""

    code = "source_unused"
    severity = Severity.INFO
    started = "a source was never called"
    ended = "every source was called"

    @classmethod
    def find_of(cls, source: SourceFacts, now: datetime) -> Iterator[Self]:
        """Yield it where no call came at all, good or not."""
        is_old = now - source.created_at >= WEEK
        was_called = source.first_call_at or source.called_at or source.unverified_at
        if is_old and not was_called:
            age = format_span((now - source.created_at).total_seconds())
            lacks = "" if source.has_secret else " It has no secret yet."
            yield cls(
                sentence=f"The source {source.name} was made {age} ago, and never called."
                f"{lacks}",
                remedy="Go through the steps on its page, or archive it.",
                link=_link(source),
                detail=str(source.pk),
            )


KINDS: Final[Sequence[type[SourceFinding]]] = (
    SourceUnreadable,
    CallsLost,
    CallsUnverified,
    CallsSpooled,
    SourceSilent,
    AllIgnored,
    SourceUnused,
)


def _link(source: SourceFacts) -> Link:
    return Link("Open the source", "referrals_source_change", (source.pk,))
