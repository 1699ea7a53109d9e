"""The wire format: what is taken, and what is refused where and why."""

import gc
import json
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import msgspec
import pytest
from hypothesis import given, strategies as st

from referrals.refusals import Code
from referrals.schema import (
    Event,
    EventProblem,
    IncomingEvent,
    IncomingPerson,
    Person,
    build_event,
    check_object,
    decode_event,
    find_warnings,
    list_warnings,
)
from referrals.vocabulary import (
    INVITE_CHANNELS,
    REFERRAL_TYPES,
    EventType,
    FraudStatus,
    Via,
)
from tests.builders import (
    ANN,
    BOB,
    NOON,
    NOON_SECONDS,
    a_sent_custom_event,
    a_sent_event,
    a_sent_identify,
    a_sent_link_click,
)


def sent(event):
    return decode_event(json.dumps(event).encode(), now=NOON)


def read(text):
    """Return the event of a JSON text, whose spelling `sent` could not keep."""
    return decode_event(text.encode(), now=NOON)


def refused_at(event):
    problem = sent(event)
    assert isinstance(problem, EventProblem), "it was taken"
    assert problem.detail.endswith((".", "}"))
    return problem.pointer


def test_every_field_arrives_as_it_was_sent():
    event = sent(
        {
            "id": "b1c2",
            "type": "custom",
            "name": "Subscription Started",
            "occurred_at": "2026-11-23T12:00:00Z",
            "user": {
                "identities": {"email": ANN, "custom_id": " 42 "},
                "ip": "203.0.113.7",
                "device_id": "D-1",
                "advertising_id": "A-1",
            },
            "referrer": {"identities": {"email": BOB}},
            "via": "smart_link",
            "channel": "Newsletter",
            "content": "spring",
            "status": "suspicious",
            "event_data": {"plan": "gold", "seats": 3},
            "metadata": {"source": "billing"},
            "test": True,
        }
    )

    assert event == IncomingEvent(
        id="b1c2",
        type=EventType.CUSTOM,
        name="Subscription Started",
        occurred_at=NOON,
        user=IncomingPerson(
            {"email": ANN, "custom_id": " 42 "}, "203.0.113.7", "D-1", "A-1"
        ),
        referrer=IncomingPerson({"email": BOB}),
        via=Via.SMART_LINK,
        channel="Newsletter",
        content="spring",
        status=FraudStatus.SUSPICIOUS,
        event_data={"plan": "gold", "seats": 3},
        metadata={"source": "billing"},
        test=True,
    )


@pytest.mark.parametrize("event_type", REFERRAL_TYPES)
def test_every_type_of_referral_is_taken(event_type):
    name = "Level Reached" if event_type is EventType.CUSTOM else None

    event = sent(a_sent_event(type=event_type.value, name=name))

    assert isinstance(event, IncomingEvent)
    assert event.type is event_type


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00Z",
        "2026-11-23T14:00:00+02:00",
        "2026-11-23 12:00:00.000z",
        "2026-11-23T06:30:00-05:30",
    ],
)
def test_an_instant_with_an_offset_is_kept_in_utc(text):
    event = sent(a_sent_event(occurred_at=text))

    assert event.occurred_at == NOON
    assert event.occurred_at.tzinfo is UTC


def test_unix_seconds_may_have_a_fraction():
    assert sent(a_sent_event(occurred_at=NOON_SECONDS)).occurred_at == NOON
    half = sent(a_sent_event(occurred_at=NOON_SECONDS + 0.5)).occurred_at
    assert half == NOON + timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("59.9999999Z", "59.999999"),
        ("59.999999999Z", "59.999999"),
        ("59.9999994Z", "59.999999"),
        ("59.1234567Z", "59.123456"),
        ("59.12345678901234567890Z", "59.123456"),
        ("59.123456Z", "59.123456"),
        ("59.1234569z", "59.123456"),
        ("59.1234569-00:00", "59.123456"),
        ("59.0000009Z", "59"),
    ],
)
def test_a_time_is_rounded_down_to_a_microsecond(text, kept):
    event = sent(a_sent_event(occurred_at="2026-11-23T23:59:" + text))

    assert event.occurred_at == datetime.fromisoformat(f"2026-11-23T23:59:{kept}+00:00")
    assert event.occurred_at.tzinfo is UTC


def test_a_fine_time_is_rounded_down_in_its_own_zone():
    event = sent(a_sent_event(occurred_at="2026-11-24 01:59:59.9999999+02:00"))

    assert event.occurred_at == datetime(2026, 11, 23, 23, 59, 59, 999999, UTC)


def with_seconds(number):
    """Return an event with this spelling of a number, which no float could carry."""
    return json.dumps(a_sent_event(occurred_at=7)).replace(": 7,", f": {number},")


@pytest.mark.parametrize(
    ("number", "microseconds"),
    [
        ("1795478399.9999999", 1795478399_999999),
        ("1795478399.99999999999999999999999999999999", 1795478399_999999),
        ("1795478399.1234567", 1795478399_123456),
        ("1795478399.123457", 1795478399_123457),
        ("1795478399.1", 1795478399_100000),
        ("1.7954783999999999e9", 1795478399_999999),
        ("17954783999999999E-7", 1795478399_999999),
        ("1795478399", 1795478399_000000),
        ("1795478399.0", 1795478399_000000),
    ],
)
def test_seconds_are_rounded_down_as_they_are_spelt(number, microseconds):
    event = read(with_seconds(number))

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert event.occurred_at == epoch + timedelta(microseconds=microseconds)


def test_a_float_in_python_is_rounded_down_as_python_writes_it():
    event = check_object(a_sent_event(occurred_at=1795478399.9999998), now=NOON)

    assert event.occurred_at == datetime(2026, 11, 23, 23, 59, 59, 999999, UTC)


@pytest.mark.parametrize(
    "time", ['"1999-12-31T23:59:59.9999999Z"', "946684799.99999999"]
)
def test_what_is_rounded_down_to_before_2000_is_refused(time):
    problem = read(with_seconds(time))

    assert problem.pointer == "/occurred_at"
    assert "before the year 2000" in problem.detail


def test_digits_after_a_dot_that_are_no_time_change_no_time():
    event = sent(a_sent_event(content="0.12345678", occurred_at=None))
    assert event.occurred_at is None
    event = sent(a_sent_event(content="0.12345678"))
    assert event.occurred_at == NOON


def test_null_means_left_out():
    optional = [
        "name",
        "occurred_at",
        "via",
        "channel",
        "content",
        "status",
        "event_data",
        "metadata",
        "test",
    ]
    bare = a_sent_event(occurred_at=None, channel=None, content=None)

    assert sent({**bare, **dict.fromkeys(optional)}) == sent(bare)


def test_a_person_may_be_full_of_nulls():
    traces = dict.fromkeys(["ip", "device_id", "advertising_id"])
    event = a_sent_event(user={"identities": {"email": ANN}}, referrer={})
    full = {
        **event,
        "user": {"identities": {"custom_id": None, "email": ANN, "": None}, **traces},
        "referrer": {"identities": None, **traces},
    }

    assert sent(full) == sent(event)
    assert sent(full).user.identities == {"email": ANN}
    assert sent(full).referrer.identities == {}
    assert check_object(full, now=NOON) == sent(event)
    # What is compared to tell a duplicate from a conflict.
    assert msgspec.json.encode(sent(full)) == msgspec.json.encode(sent(event))


def test_null_inside_data_of_ones_own_is_kept():
    data = {"coupon": None, "list": [None]}
    event = sent(a_sent_custom_event(event_data=data, metadata=data))

    assert (event.event_data, event.metadata) == (data, data)


def test_an_identity_that_reads_null_is_an_identity():
    event = sent(a_sent_event(user={"identities": {"email": "null"}}))

    assert event.user.identities == {"email": "null"}


@pytest.mark.parametrize(
    ("occurred_at", "words"),
    [
        (NOON_SECONDS * 1000, "milliseconds"),
        ("2026-11-24T12:00:01Z", "more than a day ahead"),
        (NOON_SECONDS + 86401, "more than a day ahead"),
        ("1999-12-31T23:59:59Z", "before the year 2000"),
        ("0001-01-01T00:00:00+14:00", "before the year 2000"),
        (0, "before the year 2000"),
        (-1e300, "before the year 2000"),
        (10**30, "milliseconds"),
        ("2026-11-23T12:00:00", "RFC 3339 with an offset"),
        ("2026-11-23", "RFC 3339"),
        ("23.11.2026 12:00", "RFC 3339"),
        (str(NOON_SECONDS), "RFC 3339"),
        (True, "RFC 3339"),
        ({}, "RFC 3339"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_with_advice(occurred_at, words):
    problem = sent(a_sent_event(occurred_at=occurred_at))

    assert isinstance(problem, EventProblem)
    assert problem.pointer == "/occurred_at"
    assert words in problem.detail


def test_the_edges_of_time_are_taken():
    assert (
        sent(a_sent_event(occurred_at="2000-01-01T00:00:00Z")).occurred_at.year == 2000
    )
    ahead = sent(a_sent_event(occurred_at="2026-11-24T12:00:00Z"))
    assert ahead.occurred_at == NOON + timedelta(days=1)


@pytest.mark.parametrize("event_id", ["a", "!~-.:_", "x" * 200, "...", ".a", "a."])
def test_an_id_is_visible_ascii(event_id):
    assert sent(a_sent_event(id=event_id)).id == event_id


@pytest.mark.parametrize(
    "event_id", ["", " ", "a b", "a/b", "é", "x" * 201, "a\n", "\x7f", 7, ".", ".."]
)
def test_any_other_id_is_refused(event_id):
    problem = sent(a_sent_event(id=event_id))

    assert (problem.pointer, problem.id) == ("/id", None)


@pytest.mark.parametrize("event_id", [".", ".."])
def test_an_id_that_is_a_step_in_an_address_is_refused_with_the_reason(event_id):
    assert sent(a_sent_event(id=event_id)).detail == (
        "An id of one or two dots is a step in an address, so nobody could ask what "
        "became of the event. Choose an id that says more."
    )


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"user": {"identities": {"email": ANN}, "email": ANN}}, "/user/email"),
        ({"referrer": {"name": "Bob"}}, "/referrer/name"),
        ({"type": "install"}, "/type"),
        ({"type": None}, "/type"),
        ({"via": "carrier_pigeon"}, "/via"),
        ({"status": "fine"}, "/status"),
        ({"channel": 7}, "/channel"),
        ({"content": ["spring"]}, "/content"),
        ({"test": "yes"}, "/test"),
        ({"user": None}, "/user"),
        ({"user": ANN}, "/user"),
        ({"user": {"identities": [ANN]}}, "/user/identities"),
        ({"user": {"identities": {"email": ANN, "custom_id": 42}}}, "/user/identities/custom_id"),
        ({"user": {"identities": {"email": None, "x/y": 42}}}, "/user/identities/x~1y"),
        ({"user": {"identities": {"": "42"}}}, "/user/identities/"),
        ({"referrer": {"identities": {"": "42"}}}, "/referrer/identities/"),
        ({"referrer": None}, "/referrer"),
        ({"referrer": None, "via": "smart_invite"}, "/referrer"),
        ({"name": "Subscription Started"}, "/name"),
        ({"event_data": {"plan": "gold"}}, "/event_data"),
        ({"event_data": "plan=gold"}, "/event_data"),
        ({"metadata": []}, "/metadata"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_where_it_is(changes, pointer):
    assert refused_at(a_sent_event(**changes)) == pointer


def test_a_refusal_names_the_event_where_its_id_is_good():
    problem = sent(a_sent_event(id="event-7", type="install"))

    assert problem.id == "event-7"


def test_a_refusal_never_repeats_a_value():
    canary = "canary@example.com"
    for changes in (
        {"type": canary},
        {"user": canary},
        {"status": canary},
        {"occurred_at": canary},
        {"user": {"identities": {"email": [canary]}}},
        {"id": canary + " "},
    ):
        problem = sent(a_sent_event(**changes))
        assert canary not in problem.detail
        assert canary not in problem.pointer


def test_a_click_on_a_smart_link_needs_neither_user_nor_referrer():
    event = sent(a_sent_link_click(referrer=None, via="smart_link"))

    assert (event.user, event.referrer) == (None, None)


def test_an_empty_identity_is_kept_as_it_was_sent():
    event = sent(a_sent_event(user={"identities": {"email": ""}}))

    assert event.user.identities == {"email": ""}


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "   ",
        "App Install",
        "appinstall",
        " APP\tOPEN ",
        "Link Click",
        "x" * 256,
        "ΐ" * 86,
        "a\0b",
    ],
)
def test_a_custom_name_that_cannot_be_told_apart_is_refused(name):
    assert refused_at(a_sent_custom_event(name)) == "/name"


def test_a_custom_name_may_be_long_and_foreign():
    for name in ("x" * 255, "Abo gestartet 🎉", "App Install 2"):
        assert sent(a_sent_custom_event(name)).name == name


def nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = {"k": value}
    return value


@pytest.mark.parametrize("field", ["event_data", "metadata"])
@pytest.mark.parametrize(
    ("value", "below"),
    [
        ({"k": 2**63}, "/k"),
        ({"k": [-(2**63) - 1]}, "/k/0"),
        ({"k": {"a": "x\0y"}}, "/k/a"),
        ({"a\0b": 1}, ""),
        (nested(16), "/k" * 15),
    ],
)
def test_values_that_a_database_cannot_keep_are_refused(field, value, below):
    assert refused_at(a_sent_custom_event(**{field: value})) == f"/{field}{below}"


def test_large_values_that_fit_are_taken():
    data = {
        "i": 2**63 - 1,
        "j": -(2**63),
        "f": 1.5e300,
        "n": None,
        "b": False,
        **nested(14),
    }

    assert sent(a_sent_custom_event(event_data=data)).event_data == data


@pytest.mark.parametrize("path", ["/content", "/user/identities/email", "/referrer/ip"])
def test_nul_is_refused_wherever_it_stands(path):
    event = a_sent_event()
    *keys, name = path.split("/")[1:]
    inner = event
    for key in keys:
        inner = inner[key]
    inner[name] = "a\0b"

    assert refused_at(event) == path


def test_an_escaped_backslash_before_u0000_is_no_nul():
    assert sent(a_sent_event(content="\\u0000")).content == "\\u0000"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"id":"\xff"}',
        b'{"id":"a","content":"\\ud800"}',
        b'{"id":"a","event_data":{"k":NaN}}',
        b'{"id":"a","event_data":{"k":-Infinity}}',
        b'{"id":"a","event_data":{"k":1e999}}',
        b'{"id":"a","event_data":{"k":' + b"9" * 5000 + b"}}",
        b'{"id":"a","event_data":{"k":' + b"[" * 15000 + b"]" * 15000 + b"}}",
        b'{"id":"a"}{"id":"b"}',
    ],
)
def test_what_is_no_event_is_a_problem_and_never_an_exception(raw):
    problem = decode_event(raw)

    assert isinstance(problem, EventProblem)
    assert problem.detail


@pytest.mark.parametrize(
    "raw",
    [
        b' {"id":"a","content":"fr\xfch"}',
        b' {"id":"a","con\xfcent":"early"}',
        b' {"id":"a","content":\xfc"early"}',
    ],
)
def test_the_byte_that_is_not_utf_8_is_counted_from_the_start_of_the_event(raw):
    problem = decode_event(raw)

    place = raw.index(b"\xfc") + 1
    assert problem.code is Code.NOT_JSON
    assert f"UTF-8, from its byte {place} on." in problem.detail


@pytest.mark.parametrize("field", ["event_data", "metadata"])
def test_a_number_that_no_float_can_hold_is_named_as_such(field):
    problem = decode_event(
        b'{"id":"a","type":"custom","%s":{"k":1e999}}' % field.encode()
    )

    assert problem == EventProblem(
        Code.NUMBER_TOO_LARGE,
        f"/{field}",
        "It contains a number that is too large for a float. Send it as a text.",
        "a",
    )


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b'"metadata":{"k":1e999}}', Code.BAD_IDENTITY),
        (b'"metadata":', Code.NOT_JSON),
        (b'"content":"\xff"}', Code.NOT_JSON),
        (b'"metadata":{"k":' + b"[" * 1_500 + b"]" * 1_500 + b"}}", Code.TOO_DEEP),
    ],
)
def test_whatever_follows_a_bad_identity_the_event_is_refused(rest, code):
    problem = decode_event(
        b'{"id":"a","type":"app_open","user":{"identities":{"email":5}},' + rest
    )

    assert isinstance(problem, EventProblem)
    assert problem.code == code


@pytest.mark.parametrize(
    ("rest", "pointer"),
    [
        (b'"user":{}}', "/user"),
        (b'"user":5}', "/user"),
        (b'"user":[]}', "/user"),
        (b'"user":{"identities":{"email":"ann"}}}', "/user"),
        (b'"content":"a","content":"b"}', "/content"),
    ],
)
def test_where_a_key_stands_twice_beside_a_bad_identity_the_key_is_named(rest, pointer):
    problem = decode_event(
        b'{"id":"a","type":"app_open","user":{"identities":{"email":5}},' + rest
    )

    assert isinstance(problem, EventProblem)
    assert (problem.code, problem.pointer) == (Code.REPEATED_KEY, pointer)


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_raise(raw):
    assert isinstance(decode_event(raw), EventProblem)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(IncomingEvent.__struct_fields__), JSONISH))
def test_no_object_makes_decoding_raise(value):
    assert isinstance(check_object(value), EventProblem | IncomingEvent)


def test_an_event_has_at_most_32_kilobytes():
    event = a_sent_event(content="")
    room = 32 * 1024 - len(json.dumps(event))

    assert isinstance(sent({**event, "content": "x" * room}), IncomingEvent)
    problem = sent({**event, "content": "x" * (room + 1)})
    assert (problem.pointer, problem.id) == ("", event["id"])
    assert "32,769 bytes" in problem.detail


def test_metadata_has_at_most_2_kilobytes_in_utf_8():
    fits = {"note": "é" * 1018 + "x"}
    assert len(msgspec.json.encode(fits)) == 2048

    assert sent(a_sent_event(metadata=fits)).metadata == fits
    assert refused_at(a_sent_event(metadata={"note": "é" * 1019})) == "/metadata"


def test_raw_pieces_of_a_request_are_read_as_they_are():
    raw = msgspec.json.decode(
        json.dumps([a_sent_event(id="a")]).encode(), type=list[msgspec.Raw]
    )

    assert decode_event(raw[0], now=NOON).id == "a"


class Colour(Enum):
    RED = "red"


def test_python_values_are_taken_for_what_json_makes_of_them():
    zone = timezone(timedelta(hours=1))
    event = check_object(
        a_sent_custom_event(
            occurred_at=datetime(2026, 11, 23, 13, tzinfo=zone),
            via=Via.SMART_INVITE,
            event_data={"colour": Colour.RED, "sizes": (1, 2)},
        ),
        now=NOON,
    )

    assert event.occurred_at == NOON
    assert event.via is Via.SMART_INVITE
    assert event.event_data == {"colour": "red", "sizes": [1, 2]}


# Amsterdam's mean solar time, as old zones have it.
LOCAL_MEAN_NOON = NOON.astimezone(timezone(timedelta(minutes=19, seconds=32)))


def endless():
    value = {}
    value["k"] = value
    return value


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"event_data": {"k": float("nan")}}, "/event_data/k"),
        ({"event_data": {"k": [float("inf")]}}, "/event_data/k/0"),
        ({"event_data": {1: 2}}, "/event_data"),
        ({"event_data": endless()}, "/event_data" + "/k" * 15),
        ({"content": "half \ud83d"}, "/content"),
        ({"\ud83d": 1}, ""),
        ({"occurred_at": datetime(2026, 11, 23, 12)}, "/occurred_at"),  # noqa: DTZ001
        ({"occurred_at": LOCAL_MEAN_NOON}, "/occurred_at"),
        ({"event_data": {"at": LOCAL_MEAN_NOON}}, "/event_data/at"),
        ({"user": {"identities": {"email": ANN.encode()}}}, "/user/identities/email"),
        ({"event_data": {"k": [bytearray(b"gold")]}}, "/event_data/k/0"),
        ({"metadata": {"tags": {"a", "b"}}}, "/metadata/tags"),
        ({"metadata": {"tags": frozenset("ab")}}, "/metadata/tags"),
        ({"content": object()}, ""),
    ],
)
def test_python_values_that_json_cannot_say_are_refused(changes, pointer):
    problem = check_object(a_sent_custom_event(**changes), now=NOON)

    assert isinstance(problem, EventProblem)
    assert problem.pointer == pointer


@pytest.mark.parametrize("value", [None, 7, "text", [], {1: 2}, object()])
def test_python_values_that_are_no_event_are_refused(value):
    assert isinstance(check_object(value), EventProblem)


@pytest.mark.parametrize("channel", [*sorted(INVITE_CHANNELS), "WhatsApp"])
def test_known_invite_channels_raise_no_doubt(channel):
    assert list_warnings(sent(a_sent_event(channel=channel))) == ()


def test_an_unknown_invite_channel_is_doubtful_and_a_smart_links_is_not():
    assert len(INVITE_CHANNELS) == 21
    assert [at for at, _ in find_warnings(sent(a_sent_event(channel="pigeon")))] == [
        "/channel"
    ]
    assert "whatsapp" in list_warnings(sent(a_sent_event(channel="pigeon")))[0]
    assert list_warnings(sent(a_sent_event(channel="pigeon", via="smart_link"))) == ()
    assert list_warnings(sent(a_sent_event(channel=""))) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": "WhatsApp"},
        {"channel": ""},
        {"channel": "pigeon"},
        {"channel": "pigeon", "via": "smart_link"},
        {"user": {"identities": {"email": ANN}, "ip": "10.0.0.3"}},
        {"user": {"identities": {"email": ANN}, "ip": "10.0.0.300"}},
        {"referrer": {"identities": {"email": ANN}, "ip": "nowhere"}},
        {"user": {"identities": {"email": ANN + " "}}},
        {"referrer": {"identities": {"email": "\N{ZERO WIDTH SPACE}" + ANN}}},
        {"referrer": None, "via": "smart_link"},
        {"type": "custom", "name": "Won", "referrer": "last"},
        {},
    ],
)
def test_the_quick_look_at_an_event_overlooks_no_doubt(changes):
    event = sent(a_sent_event(**changes))

    assert list_warnings(event) == tuple(detail for _, detail in find_warnings(event))


def test_an_ip_that_is_none_is_doubtful():
    event = sent(a_sent_event(user={"identities": {"email": ANN}, "ip": "10.0.0.300"}))

    assert [at for at, _ in find_warnings(event)] == ["/user/ip"]


@pytest.mark.parametrize(
    "identity",
    [
        " " + ANN,
        ANN + "\n",
        "\t" + ANN,
        ANN + "\N{NO-BREAK SPACE}",
        "\N{ZERO WIDTH SPACE}" + ANN,
        ANN + "\N{ZERO WIDTH NO-BREAK SPACE}",
        "\N{RIGHT-TO-LEFT MARK}" + ANN,
        " ",
    ],
)
@pytest.mark.parametrize("side", ["user", "referrer"])
def test_blanks_around_an_identity_are_kept_and_doubtful(side, identity):
    event = sent(
        a_sent_event(**{side: {"identities": {"custom_id": "42", "e/mail": identity}}})
    )

    assert getattr(event, side).identities["e/mail"] == identity
    assert [at for at, _ in find_warnings(event)] == [f"/{side}/identities/e~1mail"]
    [warning] = list_warnings(event)
    assert warning == (
        f"An identity of the {side} has blanks or invisible characters around it. It is "
        "kept and sent on byte for byte, so it is another one than without them. Remove "
        "them in the sender, unless they belong to it."
    )


@pytest.mark.parametrize(
    "identity", ["", "Ann Lee", "می\N{ZERO WIDTH NON-JOINER}نا", "ann"]
)
def test_an_identity_without_blanks_around_it_is_not_doubtful(identity):
    assert (
        list_warnings(sent(a_sent_event(user={"identities": {"name": identity}}))) == ()
    )


def with_number(number, field="event_data"):
    """Return an event with this spelling of a number, which no float could carry."""
    event = json.dumps({**a_sent_custom_event(), field: {"a/b": [1.5, {"k": 7}]}})
    return event.replace('"k": 7', f'"k": {number}')


LOSSY = [
    ("0.1234567890123456789", 0.12345678901234568),
    ("12345678901234567890.0", 1.2345678901234567e19),
    ("9007199254740993.0", 9007199254740992.0),
    ("-1.00000000000000000000000000001", -1.0),
    ("1e-400", 0.0),
    ("1E-99999999999999999999", 0.0),
]


@pytest.mark.parametrize("field", ["event_data", "metadata"])
@pytest.mark.parametrize(("number", "kept"), LOSSY)
def test_a_number_that_loses_digits_is_doubtful(number, kept, field):
    event = read(with_number(number, field))

    assert getattr(event, field) == {"a/b": [1.5, {"k": kept}]}
    [(pointer, detail)] = find_warnings(event)
    assert pointer == f"/{field}/a~1b/1/k"
    assert detail == (
        f"The number at {pointer} has more digits than a 64-bit float keeps, and was "
        "rounded. Send it as a text."
    )


def test_many_numbers_that_lose_digits_are_one_doubt():
    number = "0.1234567890123456789"
    event = read(with_number(f"[{number},{number},{number}]"))

    [warning] = list_warnings(event)
    assert warning == (
        "The number at /event_data/a~1b/1/k/0 has more digits than a 64-bit float keeps, "
        "and was rounded. Send it as a text. So it is with 2 more."
    )


@pytest.mark.parametrize(
    "number",
    [
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "1.50000000000000000000",
        "1e22",
        "9223372036854775807",
        "9007199254740993",
        "-0.0",
    ],
)
def test_a_number_whose_digits_a_double_keeps_is_not_doubtful(number):
    event = read(with_number(number))

    assert type(event) is IncomingEvent
    assert list_warnings(event) == ()


def test_a_lost_digit_changes_nothing_in_what_is_compared():
    rounded = read(with_number("0.1234567890123456789"))
    plain = msgspec.structs.replace(rounded)
    as_sent = msgspec.json.encode(rounded)

    assert as_sent == msgspec.json.encode(plain)
    assert b'{"k":0.12345678901234568}' in as_sent


def test_a_number_of_a_key_that_stands_twice_is_refused_with_it():
    problem = read(with_number('0.1234567890123456789,"k":1'))

    assert problem.code == "repeated_key"


def test_the_log_keeps_signals_only_as_hashes():
    event = sent(
        a_sent_event(
            user={
                "identities": {"email": ANN},
                "ip": " 203.0.113.7",
                "device_id": "Device-1",
                "advertising_id": "00000000-0000-0000-0000-000000000000",
            }
        )
    )

    kept = build_event(event, received_at=NOON, hash_signal=lambda text: f"<{text}>")

    assert kept.user == Person(
        {"email": ANN}, "<ip:203.0.113.7>", "<device:device-1>", None
    )


def test_defaults_are_applied_for_the_log():
    received_at = NOON + timedelta(seconds=3)
    event = sent(a_sent_event(id="a", occurred_at=None, channel=None, content=None))

    kept = build_event(event, received_at=received_at, hash_signal=str)

    assert kept == Event(
        id="a",
        type=EventType.APP_INSTALL,
        occurred_at=received_at,
        user=Person({"email": ANN}),
        referrer=Person({"email": BOB}),
    )


def test_who_somebody_is_is_told_by_two_identities_alone():
    event = sent(a_sent_identify(id="i-1"))

    assert event == IncomingEvent(
        id="i-1",
        type=EventType.IDENTIFY,
        user=IncomingPerson(identities={"email": ANN, "anonymous_id": "A"}),
    )


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"user": None}, "/user", Code.NO_LINK),
        ({"user": {"identities": {"email": ANN}}}, "/user", Code.NO_LINK),
        (
            {"user": {"identities": {"email": ANN, "anonymous_id": None}}},
            "/user",
            Code.NO_LINK,
        ),
        (
            {"referrer": {"identities": {"email": BOB}}},
            "/referrer",
            Code.UNKNOWN_FIELD,
        ),
        ({"referrer": "last"}, "/referrer", Code.NO_REFERRER),
        ({"via": "smart_link"}, "/via", Code.UNKNOWN_FIELD),
        ({"channel": "sms"}, "/channel", Code.UNKNOWN_FIELD),
        ({"content": "spring"}, "/content", Code.UNKNOWN_FIELD),
        ({"status": "valid"}, "/status", Code.UNKNOWN_FIELD),
        ({"metadata": {"a": 1}}, "/metadata", Code.UNKNOWN_FIELD),
        ({"name": "X"}, "/name", Code.NAME_NOT_ALLOWED),
        ({"event_data": {"a": 1}}, "/event_data", Code.EVENT_DATA_NOT_ALLOWED),
    ],
)
def test_who_somebody_is_is_refused_with_less_or_more(changes, pointer, code):
    problem = sent(a_sent_identify(**changes))

    assert (problem.pointer, problem.code) == (pointer, code)


@pytest.mark.parametrize(
    "event_type", ["app_open", "web_sign_up", "web_open", "custom"]
)
def test_last_stands_for_whoever_invited_the_user_last(event_type):
    name = "Level" if event_type == "custom" else None
    event = sent(a_sent_event(type=event_type, name=name, referrer="last"))

    kept = build_event(event, received_at=NOON, hash_signal=str)
    assert kept.referrer == Person(last=True)


@pytest.mark.parametrize("event_type", ["app_install", "app_reinstall", "link_click"])
def test_last_is_refused_where_fraud_is_judged_or_nobody_was_invited(event_type):
    problem = sent(a_sent_event(type=event_type, referrer="last"))

    assert (problem.pointer, problem.code) == ("/referrer", Code.NO_REFERRER)
    assert "app_open, web_sign_up, web_open, custom" in problem.detail


@pytest.mark.parametrize("word", ["first", "Last", "", BOB])
def test_another_word_for_the_referrer_is_refused_and_not_repeated(word):
    problem = sent(a_sent_event(type="app_open", referrer=word))

    assert problem.pointer == "/referrer"
    assert problem.detail.endswith('Or send "last" for whoever invited the user last.')
    assert BOB not in problem.detail


def test_nothing_that_is_printed_shows_an_identity():
    event = sent(a_sent_event())
    kept = build_event(event, received_at=NOON, hash_signal=str)

    for value in (event, event.user, kept, kept.user, kept.referrer):
        assert "example.com" not in f"{value!r} {value}"


@pytest.mark.parametrize(
    "data",
    [
        b"[",
        b"7",
        b"\xff",
        b'{"id":"\xff"}',
        b'{"id":"a"}',
        b'{"id":"' + b"x" * 40_000 + b'"}',
        b'{"a":1}',
    ],
    ids=(
        *("cut", "number", "no utf-8", "text of no utf-8", "missing"),
        *("too large", "unknown"),
    ),
)
def test_a_refused_event_leaves_nothing_for_the_garbage_collector(data):
    decode_event(data)
    gc.disable()
    # What is new from here on is of the youngest generation: no need to look through all.
    gc.collect(0)
    try:
        assert isinstance(decode_event(data), EventProblem)
        assert gc.collect(0) == 0
    finally:
        gc.enable()
