"""Findings about refusals at an app's door, and about apps without new events."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar, Final, Self

from clevertap_sync.insight.facts import (
    FLOW_EVENTS,
    WEEK,
    Arrivals,
    Facts,
    RefusalsAtDoor,
)
from clevertap_sync.insight.findings.finding import Finding, Link, Scope, Severity
from clevertap_sync.insight.findings.sentences import (
    describe_refused,
    find_newest_refusals,
)
from referrals.words import format_count, format_span, make_inert

#: People try a set-up with so few events.
AT_SET_UP: Final = 3
#: A key that expires soon becomes one that has expired.
KEY_EXPIRY: Final = "key_expiry"
#: A busy app's events are a flow if they came at so many instants, far from each other.
FLOW_TIMES: Final = 3


@dataclass(frozen=True, kw_only=True)
class DoorFinding(Finding):
    """Events are refused. Each cause that a person fixes in another way has its own class.

    `what` is the sentence. In it, `{events}`, `{requests}` and `{times}` are the number in
    words with its time, `{keys}` the keys' first characters, and `{sample}` the most frequent
    answer.
    """

    codes: ClassVar[frozenset[str]]
    what: ClassVar[str]
    todo: ClassVar[str] = "Correct what sends them, then send them again."
    is_at_door = True
    scope = Scope.APP
    severity = Severity.WARNING
    word = "Events refused"
    ended = "events are taken again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it for refusals of its causes in the last hour, or since the last accepted event."""
        about = (each for each in facts.ingest.refused if cls.is_about(each))
        refusals = find_newest_refusals(about, facts.now)
        count = sum(each.count for each in refusals)
        if not count:
            return
        code = _find_main_code(refusals)
        what = cls.what.format(
            events=describe_refused(refusals, "event", "of", facts.now),
            requests=describe_refused(refusals, "request", "of", facts.now),
            times=describe_refused(refusals, "time", "in", facts.now),
            keys=", ".join(sorted({f"{each.key_prefix}…" for each in refusals})),
            sample=_choose_sample(code, refusals),
        )
        # Some samples contain this sentence; the finding says the same at its end.
        what = what.replace(" Nothing was stored.", "").rstrip()
        yield cls(
            sentence=f"{what} Nothing of that is stored.",
            remedy=cls.todo,
            link=cls.link_to_fix(facts),
            count=count,
            percent=100 * count / (facts.ingest.accepted + count_refused(facts)),
            detail=code,
        )

    @classmethod
    def is_about(cls, refused: RefusalsAtDoor) -> bool:
        """Return whether a refusal is of this kind."""
        return refused.code in cls.codes

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the link to the page with samples of the refusals."""
        query = (("app", facts.integration.app.slug),)
        return Link("See what was refused", "ingest", query=query)


def _find_main_code(refused: Sequence[RefusalsAtDoor]) -> str:
    """Return the code of most refusals."""
    counts: Counter[str] = Counter()
    for each in refused:
        counts[each.code] += each.count
    return max(counts, key=counts.__getitem__)


def _choose_sample(code: str, refused: Sequence[RefusalsAtDoor]) -> str:
    """Return the sentence of most refusals; with their number, if others had another one."""
    same = [each for each in refused if each.code == code]
    sample = max(same, key=lambda each: each.count).sample
    if len(same) == len(refused):
        return sample
    return f"Most often, {format_count(sum(each.count for each in same), 'time')}: {sample}"


@dataclass(frozen=True, kw_only=True)
class NothingAccepted(DoorFinding):
    """All that came was refused."""

    code = "nothing_accepted"
    severity = Severity.ERROR
    started = "every event is refused"
    what = "Refused: all that came, {times}. {sample}"

    @classmethod
    def is_about(cls, refused: RefusalsAtDoor) -> bool:
        """Return true: this finding is about all refusals together."""
        return refused.count > 0

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no event was accepted in the time that the refusals are of."""
        if not facts.ingest.accepted:
            yield from super().find(facts)


@dataclass(frozen=True, kw_only=True)
class TimesInMilliseconds(DoorFinding):
    """A backend sends milliseconds where seconds are expected."""

    code = "times_in_milliseconds"
    started = "events with times in milliseconds are refused"
    codes = frozenset({"milliseconds"})
    what = "Refused: {events}, because occurred_at is in milliseconds, not in seconds."
    todo = "Divide occurred_at by 1000 in your backend, then send them again."


@dataclass(frozen=True, kw_only=True)
class TimesInFuture(DoorFinding):
    """A backend's clock or time zone is wrong."""

    code = "times_in_future"
    started = "events from the future are refused"
    codes = frozenset({"in_future"})
    what = "Refused: {events}, because occurred_at is more than a day ahead."
    todo = "Check the sender's clock and its time zone, then send them again."


@dataclass(frozen=True, kw_only=True)
class IdsReused(DoorFinding):
    """A backend gives different events one id."""

    code = "ids_reused"
    started = "events with used ids are refused"
    codes = frozenset({"conflict"})
    what = "Refused: {events}, because the id belongs to another event, which stands."
    todo = "Give each event an id of its own, and send an event again unchanged."


@dataclass(frozen=True, kw_only=True)
class KeyRevoked(DoorFinding):
    """A revoked key of the app is still in use."""

    code = "key_revoked"
    word = "Key revoked"
    started = "a revoked API key is in use"
    ended = "no revoked API key is in use any more"
    codes = frozenset({"revoked_key"})
    what = "Refused: {requests}, with a revoked API key ({keys})."
    todo = "Give your backend a key that works."

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the app's keys."""
        return _link_keys(facts)


@dataclass(frozen=True, kw_only=True)
class KeyExpired(DoorFinding):
    """An API key of the app has expired and is still in use."""

    code = "key_expired"
    families = frozenset({KEY_EXPIRY})
    word = "Key expired"
    started = "an expired API key is in use"
    ended = "no expired API key is in use any more"
    codes = frozenset({"expired_key"})
    what = "Refused: {requests}, with an expired API key ({keys})."
    todo = "Rotate the key, and give your backend the new one."

    @classmethod
    def link_to_fix(cls, facts: Facts) -> Link:
        """Return the app's keys."""
        return _link_keys(facts)


@dataclass(frozen=True, kw_only=True)
class KeyExpires(Finding):
    """An API key of the app that is in use expires soon."""

    code = "key_expires"
    severity = Severity.INFO
    families = frozenset({KEY_EXPIRY})
    scope = Scope.APP
    started = "an API key expires soon"
    ended = "no API key that is in use is about to expire any more"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield one for each such key, from `facts.remind_days` before on."""
        for key in facts.ingest.expiring:
            left = key.expires_at - facts.now
            if left <= timedelta(days=facts.remind_days):
                label = f" ({make_inert(key.label)})" if key.label else ""
                yield cls(
                    sentence=f"The API key {key.prefix}…{label} expires in "
                    f"{format_span(left.total_seconds())}. Then what sends with it is refused.",
                    remedy="Rotate the key, and give your backend the new one before.",
                    link=_link_keys(facts),
                    # Begun days: on the last one, one is left.
                    count=left.days + 1,
                    detail=key.prefix,
                )


@dataclass(frozen=True, kw_only=True)
class EventsRefused(DoorFinding):
    """Events break a rule of the format."""

    code = "events_refused"
    started = "events are refused"
    codes = frozenset()
    what = "Refused {times}. {sample}"

    @classmethod
    def is_about(cls, refused: RefusalsAtDoor) -> bool:
        """Return whether no other kind is about the refusal."""
        return refused.code not in NAMED_CODES


@dataclass(frozen=True, kw_only=True)
class NothingEverReceived(Finding):
    """No event ever came, or a few at set-up, while another app gets some: its key may be in use."""

    code = "nothing_received"
    severity = Severity.WARNING
    scope = Scope.APP
    word = "No event yet"
    started = "no event has ever arrived"
    ended = "events arrive"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where delivery is enabled and all new events belong to another app."""
        ingest = facts.ingest
        is_new = facts.head <= AT_SET_UP and not ingest.accepted
        if _is_awaiting(facts) and is_new and ingest.other_accepted:
            yield cls(
                sentence=f"{_describe_received(facts)}, while {ingest.other_app} got "
                f"{format_count(ingest.other_accepted, 'event')} in the last hour.",
                remedy=f"If they are meant for this app, its backend uses the API key of "
                f"{ingest.other_app}: give it a key of this app.",
                link=_link_keys(facts),
                count=ingest.other_accepted,
            )


@dataclass(frozen=True, kw_only=True)
class NoIntegration(Finding):
    """Events are accepted for an app that has no integration."""

    code = "no_integration"
    severity = Severity.WARNING
    scope = Scope.APP
    word = "No integration"
    started = "events are accepted, and no integration sends them"
    ended = "an integration sends the events"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it where no integration has ever taken some of the app's events."""
        events = facts.waiting.events
        if facts.is_lonely and events:
            verb = "was" if events == 1 else "were"
            yield cls(
                sentence=f"{format_count(events, 'event')} {verb} accepted, and this app has no "
                "integration: nothing goes to CleverTap. None is lost.",
                remedy="Add an integration, or archive the app.",
                link=Link(
                    "Add an integration",
                    "clevertap_sync_integration_add",
                    query=(("app", facts.integration.app_id),),
                ),
                count=events,
            )


@dataclass(frozen=True, kw_only=True)
class AppQuiet(Finding):
    """Events used to come, and come no more."""

    code = "quiet"
    severity = Severity.WARNING
    scope = Scope.APP
    word = "Quiet"
    started = "no event arrives any more"
    ended = "events arrive again"

    @classmethod
    def find(cls, facts: Facts) -> Iterator[Self]:
        """Yield it if a flow of events stopped for QUIET_HOURS, and longer than its usual pauses.

        Not if it also paused at this time a week ago, as on a weekend.
        """
        newest = facts.arrivals.newest_at
        if not _is_awaiting(facts) or newest is None:
            return
        silence, quiet = facts.now - newest, timedelta(hours=facts.quiet_hours)
        apart = quiet / FLOW_EVENTS
        longest = _find_longest_wait(facts.arrivals, apart)
        is_over = silence >= quiet and longest is not None and silence > longest
        if is_over and not _was_silent_a_week_ago(facts.arrivals, newest + apart):
            yield cls(
                sentence="No event has arrived for "
                f"{format_span(silence.total_seconds())}; before that, "
                f"{_describe_rate(facts.arrivals)}.",
                remedy="Look at what sends them: whether it runs, and what it is answered.",
                link=Link(
                    "See what came in",
                    "ingest",
                    query=(("app", facts.integration.app.slug),),
                ),
                seconds=silence.total_seconds(),
            )


NAMED_CODES: Final = frozenset().union(
    *(
        kind.codes
        for kind in (
            TimesInMilliseconds,
            TimesInFuture,
            IdsReused,
            KeyRevoked,
            KeyExpired,
        )
    )
)
KINDS: Final = (
    NothingAccepted,
    KeyRevoked,
    KeyExpired,
    TimesInMilliseconds,
    TimesInFuture,
    IdsReused,
    EventsRefused,
    NothingEverReceived,
    NoIntegration,
    AppQuiet,
    KeyExpires,
)


def _link_keys(facts: Facts) -> Link:
    query = (("app__id__exact", facts.integration.app_id),)
    return Link("See the API keys", "referrals_apikey_changelist", query=query)


def _is_awaiting(facts: Facts) -> bool:
    """Return whether events are expected: delivery is on, and the app is not archived."""
    return facts.is_running and not facts.integration.app.archived_at


def _describe_received(facts: Facts) -> str:
    """Say how many events have ever come: the beginning of a sentence."""
    newest_at = facts.arrivals.newest_at
    if not facts.head or newest_at is None:
        return "No event has ever arrived for this app"
    has, last = ("has", "") if facts.head == 1 else ("have", "the last ")
    age = format_span((facts.now - newest_at).total_seconds())
    many = format_count(facts.head, "event")
    return f"Only {many} {has} ever arrived for this app, {last}{age} ago"


def _find_longest_wait(arrivals: Arrivals, apart: timedelta) -> timedelta | None:
    """Return for how long a flow of events may pause; None where the events are no flow.

    Events that came at once, such as an import, are no flow: a flow has instants that are at
    least `apart`. If the newest events span that long, the pause follows from their rate. A
    busy app's newest events came within seconds; then the older ones decide, at
    `FLOW_TIMES` instants at least.
    """
    if arrivals.first_at is None or arrivals.newest_at is None:
        return None
    lasted = arrivals.newest_at - arrivals.first_at
    if arrivals.instants >= FLOW_EVENTS and lasted >= apart:
        return FLOW_EVENTS * lasted / (arrivals.events - 1)
    times = [arrivals.newest_at]
    for instant in (arrivals.first_at, *arrivals.earlier):
        if times[-1] - instant >= apart:
            times.append(instant)
    if len(times) < FLOW_TIMES:
        return None
    return min(later - earlier for later, earlier in pairwise(times))


def _was_silent_a_week_ago(arrivals: Arrivals, since: datetime) -> bool:
    """Return whether nothing came a week ago, from a week before `since` until this time."""
    return arrivals.week_ago_at is not None and arrivals.week_ago_at + WEEK <= since


def _describe_rate(arrivals: Arrivals) -> str:
    """Say how often the newest events came: the end of a sentence."""
    first, newest = arrivals.first_at, arrivals.newest_at
    lasted = newest - first if first and newest else timedelta(0)
    if lasted < timedelta(seconds=1):
        return f"{format_count(arrivals.events, 'event')} came at once"
    usual = lasted.total_seconds() / (arrivals.events - 1)
    return f"one came every {format_span(max(1.0, usual))}"


def count_refused(facts: Facts) -> int:
    """Return the number of refusals at the app's door, for all causes."""
    return sum(each.count for each in facts.ingest.refused)
