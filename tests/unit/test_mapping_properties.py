"""What a record says: Channel, Content, Status, Event Data, and CleverTap's limits."""

from pathlib import Path
from typing import Any

import pytest

from clevertap_sync.clevertap.limits import MAX_TEXT_BYTES as LIMIT
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from referrals.schema import Person
from referrals.vocabulary import INVITE_CHANNELS, FraudStatus, Side, Via
from tests.builders import ANN, a_custom_event, an_event

NAME = "Referred Subscription Started"


def first(event, **settings):
    settings = {"identity_provider": "email", **settings}
    return map_event(event, MappingSettings(**settings))[0]


def properties(event, **settings):
    record = first(event, **settings)
    assert isinstance(record, EventRecord), record
    return list(decode_record(record)["evtData"].items())


def of_data(data, **settings):
    return properties(a_custom_event(event_data=data), **settings)


def refusal(data, **settings):
    side = first(a_custom_event(event_data=data), **settings)
    assert isinstance(side, Unmappable), side
    assert (side.side, side.name) == (Side.REFERRED, NAME)
    return side.reason, side.detail


# Built-in events


def test_channel_content_and_status_come_in_this_order():
    event = an_event(status=FraudStatus.REJECTED)

    assert properties(event) == [
        ("Channel", "whatsapp"),
        ("Content", "spring"),
        ("Status", "rejected"),
    ]


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_channel_and_content_are_left_out_and_status_never_is(missing):
    event = an_event(channel=missing, content=missing)

    assert properties(event) == [("Status", "valid")]


@pytest.mark.parametrize("missing", [None, ""])
def test_none_is_sent_for_what_is_missing_where_the_settings_say_so(missing):
    assert properties(an_event(channel=missing), send_none=True) == [
        ("Channel", "none"),
        ("Content", "spring"),
        ("Status", "valid"),
    ]
    assert properties(an_event(content=missing), send_none=True) == [
        ("Channel", "whatsapp"),
        ("Content", "none"),
        ("Status", "valid"),
    ]


@pytest.mark.parametrize("via", [Via.SMART_INVITE, None])
@pytest.mark.parametrize("channel", sorted(INVITE_CHANNELS))
def test_a_known_invite_channel_has_one_spelling(channel, via):
    event = an_event(channel=channel.upper(), via=via)

    assert properties(event)[0] == ("Channel", channel)


@pytest.mark.parametrize(
    ("channel", "via"),
    [
        ("WhatsApp", Via.SMART_LINK),
        ("Spring Newsletter", Via.SMART_LINK),
        ("WeChat", Via.SMART_INVITE),
        (" WhatsApp", Via.SMART_INVITE),
    ],
)
def test_any_other_channel_is_sent_as_given(channel, via):
    assert properties(an_event(channel=channel, via=via))[0] == ("Channel", channel)


def test_content_is_sent_as_given():
    event = an_event(content=' "Spring" & <Sommer>; $5 ')

    assert properties(event)[1] == ("Content", ' "Spring" & <Sommer>; $5 ')


def test_event_data_and_metadata_of_a_built_in_event_are_not_sent():
    event = an_event(event_data={"plan": "gold"}, metadata={"build": "7"})

    assert [name for name, _ in properties(event)] == ["Channel", "Content", "Status"]


def test_the_event_id_is_sent_last_where_the_settings_say_so():
    assert properties(an_event(id="b1c2"), send_event_id=True) == [
        ("Channel", "whatsapp"),
        ("Content", "spring"),
        ("Status", "valid"),
        ("Event ID", "b1c2"),
    ]
    assert properties(a_custom_event(id="b1c2"), send_event_id=True) == [
        ("Event Data plan", "gold"),
        ("Event ID", "b1c2"),
    ]


# Event Data, flattened


def test_each_pair_becomes_a_property():
    data = {"plan": "gold", "Trial Days": 14, "price": 9.5, "gift": True, "note": ""}

    assert of_data(data) == [
        ("Event Data plan", "gold"),
        ("Event Data Trial Days", 14),
        ("Event Data price", 9.5),
        ("Event Data gift", True),
        ("Event Data note", ""),
    ]


def test_objects_and_lists_become_compact_json_texts():
    data = {"items": [1, {"a": None}], "buyer": {"größe": "L"}, "nothing": []}

    assert of_data(data) == [
        ("Event Data items", '[1,{"a":null}]'),
        ("Event Data buyer", '{"größe":"L"}'),
        ("Event Data nothing", "[]"),
    ]


def test_nulls_are_dropped():
    data = {"a": None, "b": float("nan"), "c": float("inf"), "d": 0, "e": False}

    assert of_data(data) == [("Event Data d", 0), ("Event Data e", False)]


def test_an_integer_beyond_64_bits_goes_as_text():
    data = {"most": 2**63 - 1, "more": 2**63, "least": -(2**63), "less": -(2**63) - 1}

    assert of_data(data) == [
        ("Event Data most", 2**63 - 1),
        ("Event Data more", "9223372036854775808"),
        ("Event Data least", -(2**63)),
        ("Event Data less", "-9223372036854775809"),
    ]


def test_prohibited_characters_are_removed_from_keys():
    data = {" %p><!r|&.i:;c$'\"\\e\x00\n ": 1}

    assert of_data(data) == [("Event Data price", 1)]


@pytest.mark.parametrize("other", ["plan.", " plan", "$plan", "pl\nan"])
def test_two_keys_that_become_one_are_refused(other):
    assert refusal({"plan": 1, other: 2}) == (
        "property_clash",
        'Two keys become "Event Data plan".',
    )


def test_keys_that_differ_only_by_case_are_two_properties():
    assert of_data({"plan": 1, "Plan": 2}) == [
        ("Event Data plan", 1),
        ("Event Data Plan", 2),
    ]


def test_a_null_clashes_with_nothing():
    assert of_data({"plan": 1, "plan.": None}) == [("Event Data plan", 1)]


@pytest.mark.parametrize("key", ["", " ", "$.", "\x00"])
def test_a_key_of_which_nothing_remains_is_refused(key):
    assert refusal({key: 1})[0] == "property_name_empty"


def test_a_property_name_of_120_characters_is_sent():
    assert of_data({"k" * 109: 1}) == [("Event Data " + "k" * 109, 1)]


def test_a_longer_property_name_is_refused():
    assert refusal({"k" * 110: 1}) == (
        "property_name_too_long",
        f'"Event Data {"k" * 49}…" has 121 characters; the limit is 120.',
    )


@pytest.mark.parametrize("form", ["flattened", "json", "nested"])
def test_without_event_data_nothing_is_sent_for_it(form):
    assert of_data({}, event_data_format=form) == []


# Event Data as one text


def test_event_data_can_go_as_one_json_text():
    data = {"plan": "gold", "items": [1, None], "a.b": {"größe": "L"}}

    assert of_data(data, event_data_format="json") == [
        ("Event Data", '{"plan":"gold","items":[1,null],"a.b":{"größe":"L"}}')
    ]


# Event Data, nested


def test_event_data_can_go_nested_without_nulls_and_empty_objects():
    data = {
        "plan": "gold",
        "a.b": {"c": None, "d": [None, 1, []]},
        "gone": {"x": None},
        "void": [],
        "": None,
    }

    assert of_data(data, event_data_format="nested") == [
        ("Event Data", {"plan": "gold", "ab": {"d": [1]}})
    ]


def test_event_data_of_nulls_alone_is_not_sent():
    assert of_data({"a": None, "b": {}}, event_data_format="nested") == []


def test_three_levels_of_keys_are_sent():
    data: dict[str, Any] = {"one": [{"two": [{"three": [1]}]}]}

    assert of_data(data, event_data_format="nested") == [("Event Data", data)]


@pytest.mark.parametrize(
    "data",
    [
        {"one": {"two": {"three": {"four": 1}}}},
        {"one": [{"two": [{"three": [{"four": 1}]}]}]},
        {"one": [[[[1]]]]},
    ],
)
def test_a_fourth_level_is_refused(data):
    assert refusal(data, event_data_format="nested") == (
        "nested_too_deep",
        "The limit is 3 levels of keys.",
    )


def test_five_objects_or_lists_in_an_object_are_sent():
    data: dict[str, Any] = {f"k{n}": [n] for n in range(5)}
    data["scalar"] = 1

    assert of_data(data, event_data_format="nested") == [("Event Data", data)]


SIX = {f"k{n}": [n] for n in range(6)}


@pytest.mark.parametrize("data", [SIX, {"inner": SIX}])
def test_a_sixth_is_refused(data):
    assert refusal(data, event_data_format="nested") == (
        "nested_too_wide",
        "An object holds 6 objects or lists; the limit is 5.",
    )


def test_a_list_of_100_items_is_sent_and_a_longer_one_is_refused():
    fits = {"items": list(range(100))}

    assert of_data(fits, event_data_format="nested") == [("Event Data", fits)]
    assert refusal({"items": list(range(101))}, event_data_format="nested") == (
        "nested_too_wide",
        "A list has 101 items; the limit is 100.",
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"o": {"plan": 1, "plan.": 2}}, "property_clash"),
        ({"o": {"$": 1}}, "property_name_empty"),
        ({"o": {"k" * 121: 1}}, "property_name_too_long"),
    ],
)
def test_the_rules_for_names_hold_inside_too(data, reason):
    assert refusal(data, event_data_format="nested")[0] == reason


# Limits


def test_a_long_text_is_shortened_and_counted():
    record = first(an_event(content="é" * 300, channel="x" * 513, via=Via.SMART_LINK))

    assert record.shortened == 2
    assert decode_record(record)["evtData"] == {
        "Channel": "x" * LIMIT,
        "Content": "é" * (LIMIT // 2),
        "Status": "valid",
    }


@pytest.mark.parametrize("form", ["flattened", "json", "nested"])
def test_long_texts_of_event_data_are_shortened_in_every_format(form):
    event = a_custom_event(event_data={"a": "x" * (LIMIT + 88), "b": ["y"]})

    record = first(event, event_data_format=form)

    assert record.shortened == 1
    assert b"x" * (LIMIT - 11) in record.json
    assert b"x" * (LIMIT + 1) not in record.json


def test_a_text_of_just_as_many_bytes_is_sent_whole():
    record = first(an_event(content="é" * (LIMIT // 2)), refuse_long_texts=True)

    assert (record.shortened, decode_record(record)["evtData"]["Content"]) == (
        0,
        "é" * (LIMIT // 2),
    )


def test_a_long_text_is_refused_where_the_settings_say_so():
    assert first(
        an_event(content="é" * (LIMIT // 2 + 1)), refuse_long_texts=True
    ) == Unmappable(
        Side.REFERRED,
        "Referred App Install",
        "text_too_long",
        f'"Content" has {LIMIT + 2} bytes; the limit is {LIMIT}.',
    )


def test_properties_up_to_the_limit_are_sent():
    data = {f"k{n}": n for n in range(100)}

    assert len(of_data(data)) == 100
    assert len(of_data(data, send_event_id=True, property_limit=101)) == 101


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ({f"k{n}": n for n in range(101)}, {}),
        ({f"k{n}": n for n in range(100)}, {"send_event_id": True}),
        ({f"k{n}": n for n in range(100)}, {"event_data_format": "nested"}),
    ],
)
def test_more_properties_are_refused(data, settings):
    assert refusal(data, **settings) == (
        "too_many_properties",
        "It has 101; the limit is 100.",
    )


def test_a_record_over_128_kilobytes_is_refused():
    # NUL is a byte in the text and six in its JSON.
    data = {f"{n:03}" + "k" * 100: "\x00" * 512 for n in range(99)}

    reason, detail = refusal(data)

    assert (reason, detail[:7]) == ("record_too_large", "It has ")


@pytest.mark.parametrize("secret", [ANN, "annexamplecom", "ANN@EXAMPLE.COM"])
def test_a_detail_hides_a_key_that_contains_an_identity(secret):
    event = a_custom_event(
        user=Person({"email": "custom", "custom_id": ANN.replace("@", "$")}),
        referrer=Person({"email": ANN}),
        event_data={f"{secret} {'k' * 120}": 1},
    )

    detail = first(event).detail

    assert detail.startswith("A name that contains an identity has 14")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            "flattened",
            (
                b'{"Event Data plan":"gold","Event Data trial days":14,'
                b'"Event Data items":"[\\"a\\",\\"b\\"]"}'
            ),
        ),
        (
            "json",
            (
                b'{"Event Data":"{\\"plan\\":\\"gold\\",\\"trial days\\":14,'
                b'\\"items\\":[\\"a\\",\\"b\\"],\\"coupon\\":null}"}'
            ),
        ),
        (
            "nested",
            b'{"Event Data":{"plan":"gold","trial days":14,"items":["a","b"]}}',
        ),
    ],
)
def test_the_documentations_example_is_what_is_sent(form, expected):
    data = {"plan": "gold", "trial days": 14, "items": ["a", "b"], "coupon": None}

    record = first(a_custom_event(event_data=data), event_data_format=form)

    page = Path(__file__).parents[2] / "docs" / "reference" / "mapping.md"
    assert record.json.endswith(b'"evtData":' + expected + b"}")
    assert f"`{expected.decode()}`" in page.read_text()
