"""Shapes of calls: what is kept of a call, and that nothing of anybody is in it."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.translate import translate_call
from referrals.sources.presets import PLATFORMS, load_mapping, load_preset
from referrals.sources.samples import sign_sample
from referrals.sources.shapes import (
    MAX_SHAPE_BYTES,
    decode_shape,
    encode_shape,
    make_example,
    make_shape,
)
from referrals.sources.stand_ins import StandIns
from referrals.sources.verifiers import hide_secret
from tests.platforms import KEY, NOW, SECRET, a_call, a_mapping, choices_of

MIDNIGHT = datetime(2026, 11, 29, tzinfo=UTC)
SAMPLES = [
    (platform, number)
    for platform in PLATFORMS
    for number in range(len(load_preset(platform).samples))
]
#: A form of value, and two values of it.
LETTERS = st.text("qwxyz", min_size=6, max_size=12)


def stand_in(value, *words):
    return StandIns(frozenset(words), MIDNIGHT, most=100).replace_value(value)


def shape_of(body=None, *, mapping=None, **parts):
    shape = make_shape(
        a_call(body, **parts), mapping or a_mapping(), choices_of("custom"), now=NOW
    )
    assert shape is not None
    return shape


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann@example.org", "person-1@example.com"),
        ("6F0D1C1E-0000-4B7A-9A11-0A0A0A0A0A01", "A0000000-0000-4000-8000-000000000001"),
        ("6f0d1c1e-0000-4b7a-9a11-0a0a0a0a0a01", "a0000000-0000-4000-8000-000000000001"),
        ("4915112345678901", "1000000000000001"),
        ("7", "2"),
        (42, 11),
        (-42, -11),
        (9.99, 2.5),
        ("9.99", "2.55"),
        (1795860301, 1795910401),
        (1795860301422, 1795910401000),
        ("1795860301999", "1795910401000"),
        ("2026-11-27 09:14:02.118", "2026-11-29 00:00:01.000"),
        ("2026-11-28T10:00:00Z", "2026-11-29T00:00:01Z"),
        ("2020-01-15 14:57:24.898+0530", "2026-11-29 00:00:01.000+0000"),
        ("2026-11-27", "2026-11-29"),
        ("198.51.100.7", "203.0.113.2"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:db8::1"),
        ("Ann Smith", "text-1"),
        ("Nobody::Ann's Campaign", "text-1::text-2"),
        ("Nobody::WhatsApp", "text-1::WhatsApp"),
        ("whatsapp", "whatsapp"),
        ("https://ann.example.org/u/7?pid=x&who=u-7", "https://example.com/text-1/text-2?pid=text-3&who=text-4"),
        ("https://example.org/?ann", "https://example.com?key-1="),
        ("annsgame://open", "app://example.com"),
        ("http://[", "text-1"),
        ("utm_source=ann&utm_medium=bob", "utm_source=text-1&utm_medium=text-2"),
        ("YW5uIHNtaXRo=", "text-1"),
        ('{"level":10,"af_param_1":"u-7"}', '{"level":11,"af_param_1":"text-2"}'),
        ('["u-7"]', '["text-1"]'),
        ('{"cut', "text-1"),
        ([1, "u-1", "u-2", "u-3"], [2, "text-2", "text-3"]),
        ([None], [None]),
        (True, True),
        ("False", "False"),
        ("None", "None"),
        ("", ""),
        ("00000000-0000-0000-0000-000000000000",) * 2,
    ],
)  # fmt: skip
def test_a_value_has_a_stand_in_of_its_form(value, expected):
    assert stand_in(value) == expected


def test_words_that_the_mapping_knows_are_kept_however_they_are_written():
    assert stand_in("Complete-Registration", "completeregistration") == (
        "Complete-Registration"
    )
    assert stand_in(7, "7") == 7


@pytest.mark.parametrize(
    "key",
    [
        "ann@example.org",
        "6f0d1c1e-0000-4b7a-9a11-0a0a0a0a0a01",
        "4915112345678",
        "u-1234567",
        "fe80::1",
        "0a0b0c0d0e0f0a0b0c",
        "deadbeefdeadbeef",
        "Zoë",
        "k" * 65,
        "",
    ],
)
def test_a_key_that_may_be_somebodys_has_a_stand_in(key):
    assert stand_in({key: None}) == {"key-1": None}


@pytest.mark.parametrize("key", ["user_id", "~channel", "$og_title", "+url", "af_sub1"])
def test_a_key_of_a_platform_is_kept(key):
    assert stand_in({key: None}) == {key: None}


@pytest.mark.parametrize(("platform", "number"), SAMPLES)
def test_a_shape_becomes_what_its_call_becomes(platform, number):
    preset, mapping, choices = (
        load_preset(platform),
        load_mapping(platform),
        choices_of(platform, chosen=frozenset({"Subscription Started"})),
    )
    call = sign_sample(preset, SECRET, now=NOW, number=number)
    call = hide_secret(preset.verifier, call)

    shape = make_shape(call, mapping, choices, now=NOW)

    kept = decode_shape(encode_shape(shape).decode())
    assert kept == shape
    wanted = translate_call(call, mapping, choices, key=KEY)
    found = translate_call(make_example(kept), mapping, choices, key=KEY)
    assert [outline(each) for each in found] == [outline(each) for each in wanted]


def outline(outcome):
    if isinstance(outcome, Ignored):
        return outcome.reason
    assert isinstance(outcome, dict), outcome
    people = [sorted(outcome.get(side, {})) for side in ("user", "referrer")]
    return outcome["type"], sorted(outcome), people


@settings(max_examples=50)
@given(
    st.recursive(
        st.one_of(
            LETTERS,
            LETTERS.map(lambda text: f"{text}@example.org"),
            LETTERS.map(lambda text: f"https://{text}.example/{text}?a={text}&{text}"),
            LETTERS.map(lambda text: f'{{"a": "{text}"}}'),
            LETTERS.map(lambda text: f"a={text}&b={text}"),
            LETTERS.map(lambda text: f"{text}::{text}"),
            st.none() | st.booleans(),
        ),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=6)
            | st.dictionaries(LETTERS.map("{}@example.org".format), inner, max_size=2)
        ),
        max_leaves=30,
    ),
    LETTERS,
)
def test_no_value_of_a_call_is_in_its_shape(body, header):
    shape = shape_of(
        {"sent": body},
        headers=[("x-who", header), ("authorization", header)],
        query_string=f"who={header}&{header}",
    )

    kept = encode_shape(shape).decode()
    # None of our own words has five of these letters in a row.
    assert not [
        at for at in range(len(kept) - 4) if set(kept[at : at + 5]) <= set("qwxyz")
    ]


#: A form, of which two values are drawn.
FORMS = (
    st.integers(10, 99),
    st.integers(1_000_000_000, 1_800_000_000),
    st.integers(1_000_000_000_000, 1_800_000_000_000),
    st.from_regex(r"[1-9][0-9]{7}", fullmatch=True),
    st.from_regex(r"[a-f]{8}-[a-f]{4}-[a-f]{4}-[a-f]{4}-[a-f]{12}", fullmatch=True),
    st.dates().map("{}T09:14:02Z".format),
    st.ip_addresses(v=4).map(str),
    LETTERS.map("{}@example.org".format),
    LETTERS,
)  # fmt: skip


@settings(max_examples=50)
@given(st.lists(st.sampled_from(FORMS), max_size=8), st.data())
def test_calls_that_differ_in_values_alone_have_the_same_shape(forms, data):
    one, other = (
        {f"k{index}": data.draw(form) for index, form in enumerate(forms)}
        for _ in range(2)
    )

    assert shape_of(one) == shape_of(other)


@pytest.mark.parametrize(
    "body",
    [
        {f"key{letter}{number}": "x" * 1_000 for letter in "abc" for number in range(300)},
        [["x"] * 300] * 300,
        {"a": "b" * 1_000_000},
        {"k" * 60 + str(n): {"m" * 60: n} for n in range(999)},
        {"a": "?".join(["https://x.example/"] * 5_000)},
    ],
)  # fmt: skip
def test_however_large_a_call_is_its_shape_is_small(body):
    shape = shape_of(body)

    assert len(encode_shape(shape)) <= MAX_SHAPE_BYTES


def test_what_was_left_out_is_said():
    assert shape_of({"a": [1, 2, 3]}).is_cut is False
    assert shape_of({"a": [1, 2, 3, 4]}).is_cut is True


def test_a_deep_call_is_cut():
    deep = 1
    for _ in range(40):
        deep = {"a": deep}

    shape = shape_of(deep)

    assert shape.is_cut
    assert encode_shape(shape).count(b'"a"') == 17


def test_json_in_json_in_json_ends():
    text = "1"
    for _ in range(12):
        text = msgspec.json.encode({"a": text}).decode()

    assert len(encode_shape(shape_of({"a": text}))) <= MAX_SHAPE_BYTES


def test_a_form_stays_a_form():
    shape = shape_of(
        b"who=ann%40example.org&who=bob%40example.org&event=install",
        headers=[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        mapping=a_mapping(),
    )

    assert shape.body == {
        "who": ["person-1@example.com", "person-2@example.com"],
        "event": "install",
    }
    assert make_example(shape).body == (
        b"who=person-1%40example.com&who=person-2%40example.com&event=install"
    )
    assert make_example(shape).media_type == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 100])
def test_a_call_that_cannot_be_read_has_no_shape(body):
    call = a_call(body)

    assert make_shape(call, a_mapping(), choices_of("custom"), now=NOW) is None


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"method":1}', "\ud800"])
def test_what_is_no_shape_is_none(kept):
    assert decode_shape(kept) is None
