"""What records of events that are alike share, and what keeps events apart."""

import gc
import weakref
from datetime import timedelta

import msgspec
import pytest

from clevertap_sync.clevertap import moulds
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappingSettings,
    make_mapper,
    map_event,
)
from clevertap_sync.clevertap.properties import PropertySettings
from referrals.vocabulary import EventType, FraudStatus, Via
from tests.builders import BOB, NOON, NOON_SECONDS, a_custom_event, a_person, an_event

SETTINGS = MappingSettings(identity_provider="email")


def bodies(event, settings=SETTINGS):
    sides = map_event(event, settings)
    assert all(isinstance(side, EventRecord) for side in sides), sides
    return [side.json for side in sides]


def shelf_of(settings=SETTINGS):
    return moulds.MouldShelf(
        moulds.MouldRules(
            properties=PropertySettings(
                event_data_format="flattened",
                send_none=False,
                refuse_long_texts=False,
                send_event_id=settings.send_event_id,
                property_limit=100,
            ),
            kept_back_sides=frozenset(),
            kept_back_statuses=frozenset(),
            approved_names=frozenset(),
            custom_names_limit=50,
        )
    )


def test_people_and_time_alone_differ_in_the_records_of_a_campaign():
    first = an_event()
    second = an_event(
        user=a_person("zoë@example.com"), occurred_at=NOON + timedelta(seconds=1)
    )

    assert bodies(second) == [
        json.replace(b"ann@example.com", "zoë@example.com".encode()).replace(
            str(NOON_SECONDS).encode(), str(NOON_SECONDS + 1).encode()
        )
        for json in bodies(first)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"type": EventType.APP_OPEN},
        {"channel": "sms"},
        {"channel": None},
        {"content": "summer"},
        {"content": ""},
        {"status": FraudStatus.SUSPICIOUS},
        {"via": Via.SMART_LINK, "channel": "WhatsApp"},
    ],
    ids=str,
)
def test_events_that_differ_in_what_is_sent_have_records_of_their_own(changes):
    event = an_event()
    other = msgspec.structs.replace(event, **changes)

    before = bodies(event)
    assert set(bodies(other)).isdisjoint(before)
    assert bodies(event) == before


def test_a_mould_is_made_once_for_events_that_are_alike():
    shelf = shelf_of()

    assert shelf.find(an_event()) is shelf.find(an_event(user=a_person(BOB)))


@pytest.mark.parametrize(
    "make",
    [a_custom_event, lambda: an_event(content="x" * 129)],
    ids=["custom", "long"],
)
def test_what_hardly_repeats_is_not_kept(make):
    shelf = shelf_of()
    event = make()

    assert shelf.find(event) == shelf.find(event)
    assert shelf.find(event) is not shelf.find(event)


def test_an_event_that_is_sent_with_its_id_shares_its_mould_with_none():
    settings = MappingSettings(identity_provider="email", send_event_id=True)
    first, second = an_event(), an_event()

    for event in (first, second):
        assert all(event.id.encode() in json for json in bodies(event, settings))


def test_a_shelf_holds_so_many_moulds_and_no_more(monkeypatch):
    monkeypatch.setattr(moulds, "_MOST_KEPT", 2)
    shelf = shelf_of()
    first = shelf.find(an_event(content="first"))
    shelf.find(an_event(content="second"))

    assert shelf.find(an_event(content="first")) is first
    shelf.find(an_event(content="third"))
    again = shelf.find(an_event(content="first"))
    assert again == first
    assert again is not first


def test_a_process_keeps_no_more_shelves_than_it_has_room_for():
    kept = weakref.WeakSet()
    for number in range(200):
        settings = msgspec.structs.replace(SETTINGS, approved_names=(f"name{number}",))
        kept.add(make_mapper(settings)._shelf)

    gc.collect()

    assert len(kept) == moulds.MOST_SHELVES
