"""Findings about events that arrive, but lead to no records, or fewer than expected."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from clevertap_sync.clevertap.limits import EVENT_TYPES, LIVE_HOURS
from clevertap_sync.insight.facts import NEWEST_UPLOADS, Facts
from clevertap_sync.insight.findings.finding import (
    Finding,
    Link,
    Scope,
    Severity,
    link_settings,
)
from clevertap_sync.models import EventKinds
from referrals.vocabulary import TITLES, Side, find_referrals_without
from referrals.words import format_count, format_span

#: From this percentage of CleverTap's event types on, it is a finding.
NEAR_PERCENT: Final = 90
#: In so many days an app gets all of its usual kinds of events, those of a weekend too.
USUALLY: Final = timedelta(days=7)
#: Fewer installs may all wait for their sign-up, where an integration is new.
MANY_WAITS: Final = 20
_WITHOUT_USER: Final = find_referrals_without(Side.REFERRED)
#: What events that are about the referrer alone are called in a sentence.
_OF_REFERRER: Final = [
    title.lower() for each, title in TITLES.items() if each in _WITHOUT_USER
]
#: Chooses them on the page of events, which shows one type or all.
_TYPE_OF_REFERRER: Final = tuple(
    ("type", each.value) for each in _WITHOUT_USER if len(_WITHOUT_USER) == 1
)


@dataclass(frozen=True, kw_only=True)
class OnlyTestEvents(Finding):
    """An integration for production gets test events alone."""

    code = "only_test_events"
    severity = Severity.WARNING
    word = "Only test events"
    started = "only test events arrive"
    ended = "production events arrive"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where all of the newest events are test events that no integration sends.

        Events from before the last change of the settings say nothing about the present.
        """
        arrivals = facts.arrivals
        if _are_only_tests(facts) and not facts.sends_changed:
            yield cls(
                sentence=f"All of the last {format_count(arrivals.events, 'event')} are test "
                "events, and this integration sends production events alone: nothing "
                "goes to CleverTap.",
                remedy="Let it take test events too, or send events without test: true.",
                link=link_settings(facts, "event_kinds", "Choose what to send"),
                count=arrivals.events,
            )


@dataclass(frozen=True, kw_only=True)
class OnlyProductionEvents(Finding):
    """An integration for test events gets production events alone."""

    code = "only_production_events"
    severity = Severity.WARNING
    word = "Only production events"
    started = "only production events arrive"
    ended = "test events arrive"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where none of the newest is a test event, and no integration sends them.

        Events from before the last change of the settings say nothing about the present.
        """
        arrivals = facts.arrivals
        if _is_no_test(facts) and not facts.sends_changed:
            yield cls(
                sentence=f"None of the last {format_count(arrivals.events, 'event')} is a test "
                "event, and this integration sends test events alone: nothing goes to "
                "CleverTap.",
                remedy="Let it take production events too, or send events with test: true.",
                link=link_settings(facts, "event_kinds", "Choose what to send"),
                count=arrivals.events,
            )


@dataclass(frozen=True, kw_only=True)
class NothingToSend(Finding):
    """Referral events arrive that name nobody: link clicks without a referrer."""

    code = "nothing_to_send"
    severity = Severity.WARNING
    word = "Nothing to send"
    started = "events arrive that name nobody"
    ended = "events name people again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where the newest uploads had no record, and none was delivered for days.

        While other events are delivered, clicks without a referrer are usual. So are events
        that only say who somebody is.
        """
        outcomes, arrivals = facts.newest_outcomes, facts.arrivals
        if not facts.is_running or _is_delivered_lately(facts):
            return
        records = outcomes.records + outcomes.unsent + outcomes.waiting
        is_empty = outcomes.events > 0 == records
        if is_empty and not arrivals.events == arrivals.identify > 0:
            yield cls(
                sentence=f"The last {format_count(outcomes.events, 'event')} came to nothing to "
                f"send: {' and '.join(f'{title}s' for title in _OF_REFERRER)} that name no "
                "referrer are about nobody.",
                remedy=f"Name the referrer of a {' or '.join(_OF_REFERRER)} where there is "
                "one. Clicks on a marketing link have none, and are counted here alone.",
                link=Link(
                    "See the events",
                    "events",
                    query=(("app", facts.integration.app.slug), *_TYPE_OF_REFERRER),
                ),
                count=outcomes.events,
            )


@dataclass(frozen=True, kw_only=True)
class EverythingWaits(Finding):
    """Every record waits for its user to be known, and nobody ever becomes known."""

    code = "everything_waits"
    severity = Severity.WARNING
    word = "All waits"
    started = "every record waits for its user to be known"
    ended = "records are sent again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where nothing but waits came of the newest uploads, nor of any for days.

        That some records wait is usual. That all do, and none was sent after it waited, is
        what an identity provider looks like that nobody carries.
        """
        outcomes = facts.newest_outcomes
        all_wait = outcomes.waiting >= MANY_WAITS and not outcomes.records
        if facts.is_running and all_wait and not _is_delivered_lately(facts):
            yield cls(
                sentence=f"All of the last {format_count(outcomes.waiting, 'record')} wait for "
                "their user to be known, and none was sent.",
                remedy=f"If your users carry {facts.integration.identity_provider} once they "
                "have signed up, send their events, or say by PUT /v1/people who they are. If "
                "not, choose the identity provider that they carry.",
                link=link_settings(
                    facts, "identity_provider", "Choose the identity provider"
                ),
                count=outcomes.waiting,
            )


@dataclass(frozen=True, kw_only=True)
class EverythingKeptBack(Finding):
    """The settings keep back all that arrives."""

    code = "everything_kept_back"
    severity = Severity.WARNING
    word = "All kept back"
    started = "the settings keep everything back"
    ended = "the settings let events through"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where each record of the newest uploads was kept back.

        If the present settings delivered something within days, they work as intended.
        """
        outcomes = facts.newest_outcomes
        is_said = any(
            kind.is_there(facts) for kind in (OnlyTestEvents, OnlyProductionEvents)
        )
        is_usual = facts.sends_proven and _is_delivered_lately(facts)
        if is_said or facts.sends_changed or is_usual or not _is_all_kept_back(facts):
            return
        yield cls(
            sentence=f"The settings kept back all of the last "
            f"{format_count(outcomes.unsent, 'record')}: nothing goes to CleverTap.",
            remedy="See on an event's own page which setting it is, and switch on what "
            "should be sent.",
            link=link_settings(facts, "sends", "Choose what to send"),
            count=outcomes.unsent,
        )


@dataclass(frozen=True, kw_only=True)
class SettingsChanged(Finding):
    """What is sent was changed since all was kept back, and the next event is awaited."""

    code = "settings_changed"
    severity = Severity.INFO
    word = "Settings changed"
    started = "what is sent was changed"
    ended = "an event has arrived since what is sent was changed"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it until an event shows what the new settings do."""
        if not facts.sends_changed:
            return
        count = facts.arrivals.events
        events = f"of the last {format_count(count, 'event')}"
        if _is_all_kept_back(facts):
            count = facts.newest_outcomes.unsent
            before = f"The settings kept back all of the last {format_count(count, 'record')}"
        elif _are_only_tests(facts):
            before = f"All {events} are test events"
        elif _is_no_test(facts):
            before = f"None {events} is a test event"
        else:
            return
        yield cls(
            sentence=f"{before}. What is sent was changed since: the next event shows "
            "whether it goes to CleverTap.",
            remedy="Nothing to do but wait for it. What was kept back before stays here; "
            "a replay of its range sends it.",
            link=link_settings(facts, "sends", "See what is sent"),
            count=count,
        )


@dataclass(frozen=True, kw_only=True)
class EventsStale(Finding):
    """Many events arrive too late for a live campaign: most of them, unless asked otherwise."""

    code = "stale_events"
    severity = Severity.WARNING
    word = "Events come late"
    started = "many events come too late for live campaigns"
    ended = "events come in time for live campaigns again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where so large a share of the newest events was too old on arrival."""
        arrivals = facts.arrivals
        is_much = arrivals.late * 100 >= arrivals.events * facts.stale_percent
        if not (facts.is_running and arrivals.late and is_much):
            return
        yield cls(
            sentence=f"{arrivals.late:,} of the last {format_count(arrivals.events, 'event')} "
            f"happened more than {LIVE_HOURS} hours before they arrived here, the oldest "
            f"{format_span(arrivals.oldest.total_seconds())} before: they count in CleverTap, "
            "and no live campaign fires.",
            remedy="Send events when they happen, and check occurred_at: its unit, its "
            "year and its time zone.",
            link=Link(
                "See the events",
                "events",
                query=(("app", facts.integration.app.slug),),
            ),
            count=arrivals.late,
            percent=100 * arrivals.late / arrivals.events,
        )


@dataclass(frozen=True, kw_only=True)
class TestAccountInUse(Finding):
    """Production events go to an account that is for tests."""

    code = "test_account_in_use"
    severity = Severity.WARNING
    word = "Test account"
    started = "production events go to a test account"
    ended = "production events go to a production account"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where production events arrive and are sent to a TEST- account."""
        integration, arrivals = facts.integration, facts.arrivals
        production = arrivals.events - arrivals.test
        takes = integration.event_kinds != EventKinds.TEST
        if facts.is_running and integration.account.is_test and takes and production:
            yield cls(
                sentence=f"{production:,} of the last {format_count(arrivals.events, 'event')} "
                f"are production events, and they go to {integration.account.account_id}, "
                "a test account of CleverTap's.",
                remedy="Enter the production account's ID and passcode, or let this "
                "integration send test events alone.",
                link=link_settings(facts, "account_id", "Correct the account ID"),
                count=production,
            )


@dataclass(frozen=True, kw_only=True)
class TestEventsMisplaced(Finding):
    """Test events go to an account that is none for tests."""

    code = "test_events_misplaced"
    severity = Severity.WARNING
    word = "Test events"
    started = "test events go to a production account"
    ended = "no test event goes to a production account any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where test events arrive and are sent to a production account."""
        integration, arrivals = facts.integration, facts.arrivals
        takes = integration.event_kinds != EventKinds.PRODUCTION
        if not (facts.is_running and takes and arrivals.test):
            return
        if not integration.account.is_test:
            yield cls(
                sentence=f"{arrivals.test:,} of the last {format_count(arrivals.events, 'event')} "
                f"are test events, and they go to {integration.account.account_id}, a "
                "production account: its reports and campaigns take them for real.",
                remedy="Let this integration send production events alone, and connect the "
                "test account beside it for test events.",
                link=link_settings(facts, "event_kinds", "Choose what to send"),
                count=arrivals.test,
            )


@dataclass(frozen=True, kw_only=True)
class EventTypesNearLimit(Finding):
    """CleverTap drops events of further types without a word."""

    code = "event_types_near_limit"
    severity = Severity.WARNING
    word = "Event types"
    started = "CleverTap's event types run out"
    ended = "there is room for event types again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it from nine tenths of the account's limit on."""
        if facts.event_types * 100 >= EVENT_TYPES * NEAR_PERCENT:
            yield cls(
                sentence=f"{facts.event_types:,} of the {EVENT_TYPES:,} event types that "
                "CleverTap gives an account are ours. Beyond them it drops events without "
                "a word.",
                remedy="Switch off sides that you do not need, or stop sending custom "
                "names that are not used. CleverTap's support can say how many are left.",
                link=link_settings(facts, "sends", "Choose what to send"),
                count=facts.event_types,
                percent=100 * facts.event_types / EVENT_TYPES,
            )


@dataclass(frozen=True, kw_only=True)
class NewNamesWait(Finding):
    """Custom names wait for a person's approval."""

    code = "new_name"
    severity = Severity.WARNING
    scope = Scope.APP
    word = "New names"
    started = "a new custom name waits for approval"
    ended = "no custom name waits any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it while a name is neither among the first nor approved."""
        waiting = facts.names.waiting
        if waiting:
            verb, records = ("waits", "its") if waiting == 1 else ("wait", "their")
            yield cls(
                sentence=f"{format_count(waiting, 'new custom name')} {verb} for approval, "
                f"because each takes two of the account's {EVENT_TYPES} event types. Until then "
                f"{records} records are kept back.",
                remedy="Approve them, or stop sending them. Then replay what was kept back.",
                link=Link(
                    "See the names",
                    "referrals_customname_changelist",
                    query=(("app__id__exact", facts.integration.app_id),),
                ),
                count=waiting,
            )


KINDS: Final = (
    OnlyTestEvents,
    OnlyProductionEvents,
    NothingToSend,
    EverythingWaits,
    EverythingKeptBack,
    NewNamesWait,
    EventTypesNearLimit,
    EventsStale,
    TestAccountInUse,
    TestEventsMisplaced,
    SettingsChanged,
)


def _are_only_tests(facts: Facts) -> bool:
    """Return whether only production events are sent, and all of the newest are test events.

    False where another integration sends the test events.
    """
    arrivals = facts.arrivals
    takes = facts.integration.event_kinds == EventKinds.PRODUCTION
    is_all = 0 < arrivals.events == arrivals.test
    return facts.is_running and takes and is_all and not _has_another(facts)


def _is_no_test(facts: Facts) -> bool:
    """Return whether only test events are sent, and none of the newest is one.

    False where another integration sends the production events.
    """
    arrivals = facts.arrivals
    takes = facts.integration.event_kinds == EventKinds.TEST
    is_all = arrivals.events > 0 == arrivals.test
    return facts.is_running and takes and is_all and not _has_another(facts)


def _is_all_kept_back(facts: Facts) -> bool:
    """Return whether all of the newest records were kept back, and no other sends them."""
    outcomes = facts.newest_outcomes
    is_for_another = _has_another(facts) and not _is_own_among_newest(facts)
    is_all = outcomes.unsent > 0 == outcomes.records + outcomes.waiting
    return facts.is_running and is_all and not is_for_another


def _is_delivered_lately(facts: Facts) -> bool:
    """Return whether a record was delivered within the last `USUALLY` days."""
    delivered_at = facts.delivered_at
    return delivered_at is not None and facts.now - delivered_at < USUALLY


def _has_another(facts: Facts) -> bool:
    """Return whether another integration sends the events that this one leaves to it."""
    kind = facts.integration.event_kinds
    left = EventKinds.TEST if kind == EventKinds.PRODUCTION else EventKinds.PRODUCTION
    return kind != EventKinds.BOTH and not facts.others_send.isdisjoint(
        {left, EventKinds.BOTH}
    )


def _is_own_among_newest(facts: Facts) -> bool:
    """Return whether an event for this integration is among its newest uploads for sure.

    Each upload has at least one event. So one is among them, if the newest events have more
    of this integration's kind than the uploads leave out.
    """
    arrivals = facts.arrivals
    is_for_tests = facts.integration.event_kinds == EventKinds.TEST
    own = arrivals.test if is_for_tests else arrivals.events - arrivals.test
    return own > max(0, arrivals.events - NEWEST_UPLOADS)
