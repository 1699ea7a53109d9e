"""Findings about what CleverTap shows of what was delivered. None is about our books."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, Self

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings.finding import (
    Finding,
    Link,
    Severity,
    link_integration,
    link_settings,
)
from clevertap_sync.insight.seen_facts import (
    OverdueName,
    SeenFacts,
    ShortDay,
)
from clevertap_sync.insight.seen_failures import describe_failure
from referrals.words import format_count, format_span, make_inert

#: A comparison runs by night: after so long two have not.
TWO_NIGHTS: Final = timedelta(hours=50)
#: Days are compared that were counted whole, so the first one is later.
FIRST_NIGHTS: Final = timedelta(hours=74)


class CauseWords(NamedTuple):
    """What a cause of a name that is not shown means, and what to do about it."""

    meaning: str
    remedy: str


#: By the code of the likeliest cause of a name that is not shown.
CAUSES: Final[dict[str, CauseWords]] = {
    codes.EVENT_TYPES_FULL: CauseWords(
        "the account has as many event types as CleverTap allows, and drops what exceeds them "
        "without a word.",
        "Discard event types in CleverTap under Settings → Schema that nobody needs, or switch "
        "off types here. What was dropped can be replayed as a range then.",
    ),
    codes.NAME_DISCARDED: CauseWords(
        "its schema says that the event is discarded.",
        "Restore it in CleverTap under Settings → Schema, then replay the range.",
    ),
    codes.NAME_UNKNOWN: CauseWords(
        "its schema lacks the event, so it probably drops what is not defined.",
        "Define the event in CleverTap under Settings → Schema, or let it take undefined "
        "events, then replay the range.",
    ),
    codes.PROPERTY_MISSING: CauseWords(
        "none of them has a Channel and a Content, and its schema may demand them.",
        "Let 'none' be sent for a missing Channel or Content, or make them optional in "
        "CleverTap under Settings → Schema, then replay the range.",
    ),
    codes.ACCOUNT_EMPTY: CauseWords(
        "it shows no other event of ours either.",
        "See whether the account ID is that of the dashboard that you read, and whether the "
        "plan is used up, which stops queries.",
    ),
    codes.NOT_PROCESSED_YET: CauseWords(
        "it knows the event, and counts none of it yet.",
        "Wait: it is asked again. If none shows by tomorrow, look into CleverTap's Error "
        "Stream, which only its dashboard shows.",
    ),
    codes.UNEXPLAINED: CauseWords(
        "it does not show us the account's schema, which would tell why.",
        "Look for the event in CleverTap under Settings → Schema, and in its Error Stream.",
    ),
}
#: Of causes that have no words here.
_UNKNOWN: Final = CauseWords(
    "nothing that can be asked explains it.",
    "Look for the event in CleverTap's Error Stream, which only its dashboard shows.",
)


@dataclass(frozen=True, kw_only=True)
class NotShown(Finding):
    """CleverTap accepted a new event, and shows none of it after half an hour, or never can."""

    code = "not_shown"
    severity = Severity.ERROR
    word = "Not in CleverTap"
    started = "CleverTap shows none of an event that it accepted"
    ended = "CleverTap shows every event that it accepted"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each cause, with all the names that it concerns."""
        by_cause: defaultdict[str, list[OverdueName]] = defaultdict(list)
        for each in facts.seen.overdue if facts.seen else ():
            by_cause[each.cause].append(each)
        for cause, names in by_cause.items():
            words = CAUSES.get(cause, _UNKNOWN)
            yield cls(
                sentence=f"CleverTap accepted {_describe_names(names)}: {words.meaning}",
                remedy=words.remedy,
                link=_link_page(facts),
                count=sum(each.delivered for each in names) or None,
                seconds=max(
                    (facts.now - each.first_at).total_seconds() for each in names
                ),
                detail=cause,
            )


def describe_cause(code: str) -> str:
    """Return what the cause of a name that is not shown means, as the end of a sentence."""
    return CAUSES.get(code, _UNKNOWN).meaning


def _describe_names(names: Sequence[OverdueName]) -> str:
    records = sum(each.delivered for each in names)
    if len(names) == 1:
        return f"{records:,} {make_inert(names[0].name)} and shows none"
    largest = max(names, key=lambda each: each.delivered)
    return (
        f"{format_count(records, 'record')} of {len(names)} new events, such as "
        f"{make_inert(largest.name)}, and shows none of them"
    )


@dataclass(frozen=True, kw_only=True)
class CountsFewer(Finding):
    """CleverTap counts fewer of an event than were delivered."""

    code = "counts_fewer"
    severity = Severity.WARNING
    word = "Fewer in CleverTap"
    started = "CleverTap counts fewer than were delivered"
    ended = "CleverTap counts what was delivered again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each cause, in the words of the day that lacks the largest share."""
        by_cause: defaultdict[str, list[ShortDay]] = defaultdict(list)
        for each in list_short_days(facts, facts.fewer_percent):
            by_cause[each.cause].append(each)
        for cause, days in by_cause.items():
            worst = max(days, key=lambda each: each.percent)
            yield cls(
                sentence=f"{_describe_day(worst)}{_describe_further(days)}",
                remedy="See which days and events differ, and what explains it."
                if cause
                else "See the query to repeat by hand, and CleverTap's Error Stream.",
                link=_link_page(facts),
                count=sum(each.missing for each in days),
                percent=worst.percent,
                detail=cause,
            )


def list_short_days(facts: Facts, percent: float, nights: int = 0) -> list[ShortDay]:
    """Return the days of names that lack so many percent, for so many nights running."""
    short = facts.seen.short if facts.seen else ()
    return [each for each in short if each.percent >= percent and each.nights >= nights]


def _describe_day(short: ShortDay) -> str:
    counted = f"{short.delivered - short.missing:,} of {short.delivered:,}"
    day = f"{short.day.day} {short.day:%B}"
    said = f"Of {day}, CleverTap counts {counted} {make_inert(short.name)}."
    return f"{said} {make_inert(short.sentence) or 'Nothing explains it.'}"


def _describe_further(days: Sequence[ShortDay]) -> str:
    further = len(days) - 1
    if not further:
        return ""
    names = {each.name for each in days}
    return (
        f" So it is with {format_count(further, 'further day')}"
        f"{f' of {len(names)} events' if len(names) > 1 else ''}."
    )


@dataclass(frozen=True, kw_only=True)
class ReadingRefused(Finding):
    """The passcode may upload, and may not read: nothing is compared."""

    code = "reading_refused"
    severity = Severity.WARNING
    word = "Not compared"
    started = "CleverTap does not let the passcode read"
    ended = "CleverTap lets the passcode read again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it from the refusal of a read on, until one is answered.

        While delivery is held, uploads may be refused as well: then that is said.
        """
        is_held = bool(facts.integration.hold_reason)
        if facts.seen and facts.seen.refused_at and not is_held:
            seconds = (facts.now - facts.seen.refused_at).total_seconds()
            yield cls(
                sentence="CleverTap takes uploads with this passcode and refuses to be read "
                f"with it, since {format_span(seconds)}: what it counts is not compared.",
                remedy="Enter a passcode that may read too, or switch the comparison off.",
                link=link_settings(facts, "new_passcode", "Enter another passcode"),
                seconds=seconds,
            )


@dataclass(frozen=True, kw_only=True)
class ComparisonMissing(Finding):
    """No nightly comparison came to its end for two nights."""

    code = "comparison_missing"
    severity = Severity.WARNING
    word = "Not compared"
    started = "what CleverTap counts was not compared for two nights"
    ended = "what CleverTap counts was compared again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it, unless it is said already that the passcode may not read."""
        seen = facts.seen
        if seen is None or seen.refused_at or not _is_missing(seen, facts):
            return
        last = "yet"
        if seen.compared_at:
            age = (facts.now - seen.compared_at).total_seconds()
            last = f"for {format_span(age)}"
        why = f" {describe_failure(seen.error)}" if seen.error else ""
        yield cls(
            sentence=f"What CleverTap counts was not compared {last}.{why}",
            remedy="A worker compares by night: see whether one is at work then, or compare "
            "now.",
            link=_link_page(facts),
        )


def _is_missing(seen: SeenFacts, facts: Facts) -> bool:
    if seen.compared_at is not None:
        return facts.now - seen.compared_at > TWO_NIGHTS
    return seen.since is not None and facts.now - seen.since > FIRST_NIGHTS


@dataclass(frozen=True, kw_only=True)
class ComparisonPartial(Finding):
    """The last nightly comparison did not learn what CleverTap counts of everything."""

    code = "comparison_partial"
    severity = Severity.INFO
    started = "a comparison did not reach everything"
    ended = "a comparison reached everything again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it with the number of names and days that were not asked for."""
        seen = facts.seen
        if seen and seen.not_compared and not seen.refused_at:
            days = format_count(seen.not_compared, "day")
            are = "is" if seen.not_compared == 1 else "are"
            yield cls(
                sentence=f"{days} of events {are} not compared: the last nightly comparison "
                "ran out of time, or CleverTap did not answer.",
                remedy="The next night goes on with them, or compare now.",
                link=_link_page(facts),
                count=seen.not_compared,
            )


KINDS: Final = (
    NotShown,
    CountsFewer,
    ReadingRefused,
    ComparisonMissing,
    ComparisonPartial,
)


def _link_page(facts: Facts) -> Link:
    return link_integration(facts, "seen", "See what CleverTap counts")
