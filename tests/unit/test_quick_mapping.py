"""Quick mapping makes what the mapper makes, or hands the event over."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from sys import getsizeof
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from clevertap_sync.clevertap import quick_mapping
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    KeptBack,
    MappingSettings,
    make_mapper,
)
from clevertap_sync.clevertap.quick_mapping import find_quick_mapper
from clevertap_sync.insight.picks import make_pick
from referrals.schema import Event, Person
from referrals.vocabulary import EventType, FraudStatus
from tests.builders import NOON
from tests.unit.test_mapping_always import (
    events as any_events,
    good_events,
    mapping_settings,
    open_settings,
)

ANN = Person({"email": "ann@example.com", "custom_id": "42", "clevertap_id": "__g1"})
BOB = Person({"email": "bob@example.com", "custom_id": "43", "clevertap_id": "__g2"})
BY_EMAIL = MappingSettings("email")


@dataclass
class Mapped:
    picks: list[int] = field(default_factory=list)
    records: list[EventRecord] = field(default_factory=list)
    kept_back: list[int] = field(default_factory=list)
    requests: dict[str, None] = field(default_factory=dict)


def an_event(**changes):
    described: dict[str, Any] = {
        "id": "e1",
        "type": EventType.APP_INSTALL,
        "occurred_at": NOON,
        "user": ANN,
        "referrer": BOB,
        "channel": "whatsapp",
        "content": "spring",
    }
    return Event(**(described | changes))


def make_rows(events):
    return [
        (
            position,
            msgspec.json.encode(event).decode(),
            ("", "a", "b")[position // 2 % 3],
        )
        for position, event in enumerate(events, 1)
    ]


def map_with_mapper(settings, mapped):
    """Return what maps one row as `Mapper` does."""

    def map_row(position, body, request_id):
        event = msgspec.json.decode(body, type=Event)
        for side in make_mapper(settings).map_event(event):
            pick = make_pick(position, side.side)
            if isinstance(side, EventRecord):
                mapped.picks.append(pick)
                mapped.records.append(side)
                mapped.requests |= {request_id: None} if request_id else {}
            elif isinstance(side, KeptBack):
                mapped.kept_back.append(pick)

    return map_row


def map_slowly(events, settings):
    mapped = Mapped()
    for row in make_rows(events):
        map_with_mapper(settings, mapped)(*row)
    return mapped


def map_quickly(events, settings):
    """Return what was mapped, and the positions of events that were looked at closely."""
    mapped, looked_at = Mapped(), []
    look = map_with_mapper(settings, mapped)

    def note_and_look(position, *rest):
        looked_at.append(position)
        look(position, *rest)

    quick = find_quick_mapper(settings)
    quick.map_rows(make_rows(events), mapped, note_and_look)
    return mapped, looked_at


@given(
    st.lists(any_events | good_events, min_size=1, max_size=4),
    mapping_settings | open_settings,
)
def test_it_makes_the_bytes_that_the_mapper_makes_of_any_event(events, settings):
    settings = msgspec.structs.replace(settings, send_event_id=False)

    mapped, _ = map_quickly(events * 2, settings)

    assert mapped == map_slowly(events * 2, settings)


@pytest.mark.parametrize("provider", ["email", "custom_id", "clevertap_id"])
def test_no_event_of_a_campaign_is_looked_at_closely(provider):
    kinds = [t for t in EventType if t is not EventType.CUSTOM]
    events = [
        *[an_event(type=kind) for kind in kinds],
        an_event(type=EventType.LINK_CLICK, user=None),
        an_event(type=EventType.CUSTOM, name="Level Up", name_number=1),
        an_event(
            type=EventType.CUSTOM,
            name="Level Up",
            name_number=1,
            event_data={"level": 7},
        ),
        an_event(status=FraudStatus.SUSPICIOUS, channel=None, content="frühling"),
    ]
    settings = MappingSettings(provider)

    mapped, looked_at = map_quickly(events, settings)

    assert looked_at == []
    assert mapped == map_slowly(events, settings)
    assert len(mapped.records) == 2 * len(events) - 4


ODD = {
    "an identity of another provider": {"user": Person({"custom_id": "42"})},
    "a provider in other letters": {"user": Person({"EMAIL": "ann@example.com"})},
    "an erased person": {"referrer": Person(erased=True)},
    "an erased one, named": {
        "referrer": Person({"email": "b@example.com"}, erased=True)
    },
    "the last referrer": {"referrer": Person(last=True)},
    "no ASCII": {"user": Person({"email": "zoë@example.com"})},
    "a quote": {"user": Person({"email": 'a"b@example.com'})},
    "a backslash": {"user": Person({"email": "a\\b@example.com"})},
    "a blank": {"user": Person({"email": "a b@example.com"})},
    "a control character": {"user": Person({"email": "a\x7fb@example.com"})},
    "an empty identity": {"user": Person({"email": ""})},
    "a forbidden identity": {"user": Person({"email": "NULL"})},
    "a long identity": {"user": Person({"email": "a" * 1_025})},
    "a time before 1970": {"occurred_at": NOON - timedelta(days=80 * 366)},
    "a time far ahead": {"occurred_at": NOON.replace(year=9_999)},
    "a long content": {"content": "c" * 2_000},
    "a name that clashes": {"type": EventType.CUSTOM, "name": "App Install"},
    "a new name": {"type": EventType.CUSTOM, "name": "Level Up", "name_number": 51},
    "a test event": {"test": True},
}


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_what_is_odd_is_looked_at_closely_and_alone(changes):
    events = [an_event(), an_event(**changes), an_event()]

    mapped, looked_at = map_quickly(events, BY_EMAIL)

    assert looked_at == [2]
    assert mapped == map_slowly(events, BY_EMAIL)


@pytest.mark.parametrize("late", [timedelta(), timedelta(microseconds=1)])
def test_events_of_before_the_integration_are_looked_at_closely(late):
    settings = MappingSettings("email", since=NOON.timestamp())
    early = an_event(occurred_at=NOON - timedelta(microseconds=1))
    events = [early, an_event(occurred_at=NOON + late)]

    mapped, looked_at = map_quickly(events, settings)

    assert looked_at == [1]
    assert mapped == map_slowly(events, settings)
    assert mapped.kept_back == [2, 3]


def test_a_side_that_is_switched_off_is_kept_back_at_once():
    settings = MappingSettings("email", not_sent=("app_install:referred",))
    nobody = an_event(user=Person({"custom_id": "42"}), referrer=Person())
    events = [an_event(), nobody, an_event()]

    mapped, looked_at = map_quickly(events, settings)

    assert looked_at == [2]
    assert (mapped.kept_back, mapped.picks) == ([2, 4, 6], [3, 7])
    assert mapped == map_slowly(events, settings)


def test_a_body_that_cannot_be_read_is_left_to_who_looks_closely():
    looked_at = []
    rows = [(1, "{}", ""), (2, '{"type":"of tomorrow","occurred_at":"?"}', "")]

    find_quick_mapper(BY_EMAIL).map_rows(
        rows, Mapped(), lambda position, *_: looked_at.append(position)
    )

    assert looked_at == [1, 2]


@pytest.mark.parametrize(
    "settings",
    [
        MappingSettings("email", send_event_id=True),
        MappingSettings("email", suppressions_until=1),
        MappingSettings('e"mail'),
    ],
    ids=["an ID in each record", "suppressed people", "no name of a field"],
)
def test_some_settings_leave_nothing_quick(settings):
    assert find_quick_mapper(settings) is None


def test_where_hardly_an_event_is_quick_the_rest_is_looked_at_closely_at_once():
    odd = an_event(user=Person({"custom_id": "42"}))
    many = [an_event(content=f"c{number}") for number in range(100)]

    mapped, looked_at = map_quickly([*many, odd, *many[:20]], BY_EMAIL)

    assert looked_at == list(range(looked_at[0], 122))
    assert looked_at[0] < 101
    assert mapped == map_slowly([*many, odd, *many[:20]], BY_EMAIL)


def test_as_many_kinds_as_there_are_fit_into_bounded_memory():
    contents = map(str, itertools.count())

    for _ in range(40):
        events = [an_event(content=content) for content in islice(contents, 30)]
        mapped, looked_at = map_quickly(events, BY_EMAIL)
        assert looked_at == []
        assert mapped == map_slowly(events, BY_EMAIL)

    kept = find_quick_mapper(BY_EMAIL)._kinds
    assert len(kept) <= quick_mapping._MOST_KINDS


def test_long_kinds_are_kept_in_no_more_memory_than_many_short_ones():
    texts = itertools.count()

    # A character beyond all others quadruples what Python needs for a text.
    def long_data():
        return {f"k{key}": f"🦊{next(texts):0100}" for key in range(12)}

    for _ in range(12):
        custom = {"type": EventType.CUSTOM, "name": "Level Up", "name_number": 1}
        events = [an_event(**custom, event_data=long_data()) for _ in range(16)]
        mapped, looked_at = map_quickly(events, BY_EMAIL)
        assert looked_at == []
        assert mapped == map_slowly(events, BY_EMAIL)

    kept = find_quick_mapper(BY_EMAIL)._kinds
    held = sum(getsizeof(side[3]) for sides in kept.values() for side in sides)
    assert 0 < held <= quick_mapping._MOST_KIND_BYTES
