"""What causes say to people: the number, what happened, and what to do. No person is named."""

from datetime import date
from typing import Final

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.week import EITHER, Cause, Schema

#: How the types of a log scan are called; "" stands for any of them.
_TYPES: Final = {"truth": "true or false", "object": "an object", "": "set"}
_RETENTION: Final = "Settings → Data retention"


def spell(number: int) -> str:
    """Return a number as people read it, without its sign."""
    return f"{abs(number):,}"


def spell_day(day: date) -> str:
    """Return a day in words."""
    return f"{day.day} {day:%B %Y}"


def _records(size: int) -> str:
    return "1 record" if abs(size) == 1 else f"{spell(size)} records"


def _are(size: int) -> str:
    return f"{_records(size)} {'is' if abs(size) == 1 else 'are'}"


def _were(size: int) -> str:
    return f"{_records(size)} {'was' if abs(size) == 1 else 'were'}"


def say_event_types_full(size: int, name: str, schema: Schema) -> Cause:
    """The schema is full, and lacks the name."""
    sentence = (
        f"CleverTap shows none of {_records(size)}: the account has {spell(len(schema.events))} "
        f"of {spell(schema.limit)} event types, {name} is not among them, and further ones "
        "are dropped without a word. Discard event types that nobody uses under Settings → "
        "Schema → Events, or ask CleverTap for more."
    )
    return Cause(codes.EVENT_TYPES_FULL, size, sentence)


def say_name_unknown(size: int, name: str, other: str, *, is_alone: bool) -> Cause:
    """The schema has room, and lacks the name. `other` is a similar name that it has."""
    begin = f"CleverTap shows none of {_records(size)}: the account's schema does not have {name}"
    if other:
        sentence = (
            f"{begin}, but it has {other}. Send events under that name, or define "
            f"{name} under Settings → Schema → Events."
        )
    else:
        sentence = (
            f"{begin}, and CleverTap drops events that are not defined. Define it under "
            "Settings → Schema → Events, or let CleverTap keep undefined events."
        )
    if is_alone:
        sentence += (
            " It has none of our names: compare the account ID of the settings too, and ask "
            "whether the account was reset."
        )
    return Cause(codes.NAME_UNKNOWN, size, sentence)


def say_name_discarded(size: int, name: str) -> Cause:
    """The schema says that the event is discarded."""
    sentence = (
        f"CleverTap does not count {_records(size)}: {name} is discarded there. Restore it under "
        "Settings → Schema → Events before CleverTap purges it, 16 days after the discard, or "
        "switch this event off here."
    )
    return Cause(codes.NAME_DISCARDED, size, sentence)


def say_published(size: int, name: str, last: date) -> Cause:
    """Of one name CleverTap counts nothing after a day."""
    sentence = (
        f"CleverTap counts {name} up to {spell_day(last)} and not since, unlike other events: "
        f"{_are(size)} missing here. Look up in the history of Settings → Schema what was published then, "
        "and allow this event again."
    )
    return Cause(codes.SCHEMA_PUBLISHED, size, sentence)


def say_defined_since(size: int, name: str, first: date) -> Cause:
    """Of one name CleverTap counts nothing before a day."""
    sentence = (
        f"CleverTap counts {name} since {spell_day(first)} only, unlike other events: "
        f"{_were(size)} dropped before its schema had it. Replay them if you need them: "
        "the admin can replay a range."
    )
    return Cause(codes.SCHEMA_PUBLISHED, size, sentence)


def say_property_missing(size: int, properties: str) -> Cause:
    """Records without a mandatory property are dropped. `properties`: Channel, Content, both."""
    which = "Channel and Content" if properties == EITHER else properties
    sentence = (
        f"CleverTap does not count {_records(size)} without {properties}: its schema makes {which} "
        "mandatory. Tick “send 'none' for a missing Channel or Content” in the integration's "
        "settings, then replay them, or make it optional under Settings → Schema."
    )
    return Cause(codes.PROPERTY_MISSING, size, sentence)


def say_property_type(size: int, name: str, type_name: str) -> Cause:
    """Records whose property has another type than the schema's are dropped."""
    kind = _TYPES.get(type_name, f"a {type_name}")
    sentence = (
        f"CleverTap does not count {_records(size)} in which the property {name} is {kind}: its "
        "schema expects something else, and drops such events. Send what it expects, or change "
        "it under Settings → Schema."
    )
    return Cause(codes.PROPERTY_TYPE, size, sentence)


def say_sent_twice(size: int, maybe_more: int) -> Cause:
    """What was sent again after no answer was stored twice."""
    sentence = (
        f"CleverTap counts {_records(size)} more, within the {spell(maybe_more)} that were sent "
        "again because a request was never answered: it had stored them the first time. "
        "Nothing can be taken back; unknown outcomes by cause show what to improve."
    )
    return Cause(codes.SENT_TWICE, size, sentence)


def say_maybe_refused(size: int, maybe_fewer: int) -> Cause:
    """CleverTap refused records, and its answer did not say which."""
    sentence = (
        f"CleverTap counts {_records(size)} fewer, within the {spell(maybe_fewer)} that it refused "
        "without saying which. Look at the uploads of that day whose refusals are unidentified."
    )
    return Cause(codes.MAYBE_REFUSED, size, sentence)


def say_other_sender(size: int, name: str, *, is_ours: bool) -> Cause:
    """More is counted than we ever sent."""
    end = (
        "another integration of this account, which is not compared, may have sent them. "
        "Let it be compared too."
        if is_ours
        else "something else sends this event, such as the app's SDK, another server or an import. "
        "Find it, so that nothing is counted twice, or take it into account."
    )
    sentence = (
        f"CleverTap counts {_records(size)} of {name} more than we ever sent: {end}"
    )
    return Cause(codes.OTHER_SENDER, size, sentence)


def say_other_zone(size: int, zone: str) -> Cause:
    """The days of the account begin at another hour."""
    change = "more" if size > 0 else "fewer"
    sentence = (
        f"CleverTap's day has {_records(size)} {change}, which it counts on a neighbouring day: the "
        f"whole week fits the time zone {zone}. Choose it in the integration's settings, if "
        "CleverTap's Settings → Project says so too."
    )
    return Cause(codes.OTHER_TIME_ZONE, size, sentence)


def say_not_processed(size: int) -> Cause:
    """The youngest records do not show yet."""
    sentence = (
        f"CleverTap does not count {_records(size)} yet: they were delivered lately. Do nothing; "
        "the next night tells."
    )
    return Cause(codes.NOT_PROCESSED_YET, size, sentence)


def say_retention(size: int, last: date) -> Cause:
    """Everything up to a day is gone."""
    sentence = (
        f"CleverTap has nothing of {spell_day(last)} and before any more, of no event: {_records(size)} "
        f"here. Compare its data retention ({_RETENTION}); where this is a test account, "
        "somebody may have reset it."
    )
    return Cause(codes.DATA_RETENTION, size, sentence)


def say_deleted(size: int) -> Cause:
    """Profiles went, and their events with them."""
    sentence = (
        f"CleverTap does not count {_records(size)} of people who were erased: their profiles "
        "were deleted from CleverTap, and their events went with them. Nothing is wrong."
    )
    return Cause(codes.PROFILES_DELETED, size, sentence)


def say_account_empty(size: int, first: date | None, *, are_undefined: bool) -> Cause:
    """Nothing is counted, of no name, since a day; None: the whole week."""
    since = f"since {spell_day(first)}" if first else "in the whole week"
    sentence = (
        f"CleverTap counts nothing at all {since}, of no event: {_are(size)} missing here. Check that "
        "the account ID is the one whose dashboard you read, that nobody reset the test "
        "account, and under Settings → Billing that the plan is not used up, which stops queries."
    )
    if are_undefined:
        sentence += (
            " None of the events is defined in its schema: check also that no schema was "
            "published that drops such events."
        )
    return Cause(codes.ACCOUNT_EMPTY, size, sentence)


def say_counts_people(size: int) -> Cause:
    """The number is of people."""
    sentence = (
        f"CleverTap's number is that of people, not of records: {_are(size)} further ones "
        "of people who are counted already. Nothing is wrong."
    )
    return Cause(codes.COUNTS_PEOPLE, size, sentence)
