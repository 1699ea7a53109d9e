"""Which records an event becomes, and which sides the settings or a name keep back."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    KeptBack,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from referrals.schema import Person
from referrals.vocabulary import SIDES, TITLES, EventType, FraudStatus, Side, Via
from tests.builders import (
    ANN,
    BOB,
    NOON_SECONDS,
    a_custom_event,
    a_link_click,
    a_person,
    an_event,
)

BY_EMAIL = MappingSettings(identity_provider="email")

# That the titles are the documented ones is in test_vocabulary.
BUILT_IN = [
    (each, [(side, f"{side.title()} {title}") for side in SIDES[each]])
    for each, title in TITLES.items()
]
IDENTITIES = {Side.REFERRED: ANN, Side.GENERATED: BOB}


def mapped(event, **settings):
    return list(
        map_event(event, MappingSettings(**{"identity_provider": "email", **settings}))
    )


def refusals(event, **settings):
    return [(m.side, m.name, m.reason) for m in mapped(event, **settings)]


def wire_bytes(identity, name, data):
    return (
        f'{{"identity":"{identity}","ts":{NOON_SECONDS},"type":"event",'
        f'"evtName":"{name}","evtData":{data}}}'
    ).encode()


@pytest.mark.parametrize(("event_type", "names"), BUILT_IN)
def test_a_built_in_event_becomes_one_record_per_side(event_type, names):
    event = an_event(type=event_type, status=FraudStatus.SUSPICIOUS)

    records = mapped(event)

    data = '{"Channel":"whatsapp","Content":"spring","Status":"suspicious"}'
    assert records == [
        EventRecord(
            side, name, wire_bytes(IDENTITIES[side], name, data), 0, NOON_SECONDS
        )
        for side, name in names
    ]


def test_a_link_click_becomes_one_record_for_the_referrer():
    records = mapped(a_link_click())

    name = "Generated Link Click"
    data = '{"Channel":"whatsapp","Content":"spring","Status":"valid"}'
    assert records == [
        EventRecord(Side.GENERATED, name, wire_bytes(BOB, name, data), 0, NOON_SECONDS)
    ]


def test_a_custom_event_becomes_one_record_per_side_with_its_event_data_alone():
    event = a_custom_event(channel="whatsapp", content="spring")

    records = mapped(event)

    referred, generated = (
        "Referred Subscription Started",
        "Generated Subscription Started",
    )
    data = '{"Event Data plan":"gold"}'
    assert records == [
        EventRecord(
            Side.REFERRED, referred, wire_bytes(ANN, referred, data), 0, NOON_SECONDS
        ),
        EventRecord(
            Side.GENERATED, generated, wire_bytes(BOB, generated, data), 0, NOON_SECONDS
        ),
    ]


def test_a_link_click_names_the_referrer_alone_even_if_it_has_a_user():
    records = mapped(a_link_click(user=a_person(ANN)))

    assert [r.name for r in records] == ["Generated Link Click"]


def test_a_smart_links_click_without_a_referrer_names_nobody():
    assert mapped(a_link_click(referrer=None, via=Via.SMART_LINK)) == []


def test_an_event_without_a_referrer_becomes_the_users_record_alone():
    records = mapped(an_event(referrer=None, via=Via.SMART_LINK))

    assert [(r.side, r.name) for r in records] == [
        (Side.REFERRED, "Referred App Install")
    ]


def test_a_record_can_be_previewed_as_an_object():
    (record, _) = mapped(an_event())

    assert decode_record(record) == {
        "identity": ANN,
        "ts": NOON_SECONDS,
        "type": "event",
        "evtName": "Referred App Install",
        "evtData": {"Channel": "whatsapp", "Content": "spring", "Status": "valid"},
    }


# The instant


def test_the_time_is_cut_to_whole_seconds_never_rounded_up():
    event = an_event(
        occurred_at=datetime(5000, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    )

    assert [decode_record(r)["ts"] for r in mapped(event)] == [95649119999, 95649119999]


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1970, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        datetime(5139, 1, 1, tzinfo=UTC),
    ],
)
def test_a_time_that_clevertap_refuses_is_said(instant):
    assert refusals(an_event(occurred_at=instant)) == [
        (Side.REFERRED, "Referred App Install", "timestamp_invalid"),
        (Side.GENERATED, "Generated App Install", "timestamp_invalid"),
    ]


def test_the_first_second_after_1970_is_sent():
    event = an_event(occurred_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))

    assert [decode_record(r)["ts"] for r in mapped(event)] == [1, 1]


# What the settings keep back


def test_a_switched_off_side_is_withheld_and_the_other_is_sent():
    event = an_event(type=EventType.APP_OPEN)

    sides = mapped(event, not_sent=("app_open:generated", "app_install:referred"))

    assert [type(s) for s in sides] == [EventRecord, KeptBack]
    assert sides[1] == KeptBack(Side.GENERATED)


def test_custom_events_can_be_switched_off():
    sides = mapped(a_custom_event(), not_sent=("custom:referred",))

    assert sides[0] == KeptBack(Side.REFERRED)
    assert sides[1].name == "Generated Subscription Started"


@pytest.mark.parametrize(
    ("kinds", "is_test", "is_sent"),
    [
        ("production", False, True),
        ("production", True, False),
        ("test", False, False),
        ("test", True, True),
        ("both", False, True),
        ("both", True, True),
    ],
)
def test_only_the_chosen_kinds_of_event_are_sent(kinds, is_test, is_sent):
    sides = mapped(an_event(test=is_test), event_kinds=kinds)

    expected = EventRecord if is_sent else KeptBack
    assert [type(s) for s in sides] == [expected, expected]


@pytest.mark.parametrize(
    ("status", "settings", "is_sent"),
    [
        (FraudStatus.VALID, {"send_suspicious": False, "send_rejected": False}, True),
        (FraudStatus.SUSPICIOUS, {"send_suspicious": False}, False),
        (FraudStatus.SUSPICIOUS, {"send_rejected": False}, True),
        (FraudStatus.REJECTED, {"send_rejected": False}, False),
        (FraudStatus.REJECTED, {"send_suspicious": False}, True),
        (FraudStatus.REJECTED, {}, True),
    ],
)
def test_suspected_fraud_is_sent_unless_switched_off(status, settings, is_sent):
    sides = mapped(an_event(status=status), **settings)

    expected = EventRecord if is_sent else KeptBack
    assert [type(s) for s in sides] == [expected, expected]


def test_what_is_withheld_is_not_also_unmappable():
    event = an_event(user=Person(), referrer=Person(), test=True)

    assert mapped(event) == [KeptBack(Side.REFERRED), KeptBack(Side.GENERATED)]


# People who asked to be forgotten


def test_a_suppressed_side_has_no_record_and_the_other_side_has():
    event = an_event()

    referred, generated = map_event(event, BY_EMAIL, {Side.REFERRED})

    assert referred == Unmappable(
        Side.REFERRED, "Referred App Install", "suppressed", ""
    )
    assert generated == list(map_event(event, BY_EMAIL))[1]


def test_of_an_erased_person_is_said_that_and_not_that_an_identity_is_missing():
    event = a_custom_event(
        name_number=99, user=Person(erased=True), referrer=Person(erased=True)
    )

    sides = list(map_event(event, BY_EMAIL, set(Side)))

    assert [(m.name, m.reason) for m in sides] == [
        ("Referred Subscription Started", "erased"),
        ("Generated Subscription Started", "erased"),
    ]


def test_what_the_settings_keep_back_is_not_also_suppressed_or_erased():
    event = an_event(test=True, user=Person(erased=True))

    sides = list(map_event(event, BY_EMAIL, set(Side)))

    assert sides == [KeptBack(Side.REFERRED), KeptBack(Side.GENERATED)]


# Names of custom events


@pytest.mark.parametrize("name", ["", "   "])
def test_a_blank_name_is_refused(name):
    assert [m.reason for m in mapped(a_custom_event(name))] == ["event_name_empty"] * 2


def test_a_name_is_refused_only_on_the_side_where_it_is_too_long():
    name = "n" * 503

    sides = mapped(a_custom_event(name))

    assert sides[0].name == f"Referred {name}"
    assert isinstance(sides[0], EventRecord)
    assert sides[1] == Unmappable(
        Side.GENERATED,
        f"Generated {name}"[:512],
        "event_name_too_long",
        "It has 513 characters.",
    )


@pytest.mark.parametrize(
    "character", [*"%><!|&.:;$'\"\\", "\n", "\x00", "\x7f", "\x85"]
)
def test_a_name_with_a_character_that_clevertap_prohibits_is_refused(character):
    sides = mapped(a_custom_event(f"Plan{character}Bought"))

    assert [s.reason for s in sides] == ["event_name_characters"] * 2


def test_a_refused_name_is_shown_without_control_characters():
    sides = mapped(a_custom_event("Plan\x00Bought"))

    assert sides[0].name == "Referred Plan\N{REPLACEMENT CHARACTER}Bought"


@pytest.mark.parametrize(
    "name", ["App Install", "appinstall", "WEB  SIGN UP", "Link Click"]
)
def test_a_name_that_clevertap_reads_as_a_built_in_events_is_refused(name):
    assert refusals(a_custom_event(name)) == [
        (Side.REFERRED, f"Referred {name}", "event_name_clash"),
        (Side.GENERATED, f"Generated {name}", "event_name_clash"),
    ]


def test_a_name_that_clevertap_keeps_for_itself_is_refused(monkeypatch):
    # None of the known ones begins as ours do, so one has to be made up.
    monkeypatch.setattr(limits, "RESTRICTED_NAMES", frozenset({"referredkeptback"}))

    sides = mapped(a_custom_event("Kept BACK"))

    assert sides[0].reason == "event_name_restricted"
    assert sides[1].name == "Generated Kept BACK"
    assert isinstance(sides[1], EventRecord)


def test_a_system_events_name_is_fine_behind_our_word():
    records = mapped(a_custom_event("App Uninstalled"))

    assert [r.name for r in records] == [
        "Referred App Uninstalled",
        "Generated App Uninstalled",
    ]
    assert all(isinstance(r, EventRecord) for r in records)


def test_names_up_to_the_limit_go_by_themselves():
    records = mapped(a_custom_event("Coins Bought", name_number=50))

    assert [type(r) for r in records] == [EventRecord, EventRecord]


def test_a_further_name_waits_for_a_person():
    assert refusals(a_custom_event("Coins Bought", name_number=51)) == [
        (Side.REFERRED, "Referred Coins Bought", "new_event_name"),
        (Side.GENERATED, "Generated Coins Bought", "new_event_name"),
    ]


def test_a_further_name_goes_once_a_person_approved_it():
    event = a_custom_event("Coins BOUGHT", name_number=51)

    records = mapped(event, approved_names=("coinsbought",))

    assert [r.name for r in records] == [
        "Referred Coins BOUGHT",
        "Generated Coins BOUGHT",
    ]


# Faults


def test_what_json_cannot_say_becomes_a_reason_and_not_a_crash():
    event = an_event(user=a_person("lone \ud800 surrogate"))

    sides = mapped(event)

    assert sides[0] == Unmappable(
        Side.REFERRED, "Referred App Install", "mapping_failed", "UnicodeEncodeError"
    )
    assert isinstance(sides[1], EventRecord)


def test_settings_from_an_upload_are_read_back_as_they_were():
    settings = MappingSettings("email", not_sent=("app_open:generated",))

    stored = json.loads(json.dumps(msgspec.to_builtins(settings)))

    assert msgspec.convert(stored, MappingSettings) == settings
