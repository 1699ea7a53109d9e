"""What a call says: JSON, a form, or a query."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.call import make_call
from referrals.sources.document import MAX_DEPTH, read_document, read_json
from tests.platforms import a_call

FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def refusal(call, **limits):
    with pytest.raises(BrokenRuleError) as raised:
        read_document(call, **limits)
    return raised.value.code, raised.value.pointer


def test_a_body_is_json_under_any_media_type():
    for media_type in (
        "application/json",
        "text/plain",
        "application/cloudevents+json",
        "x",
    ):
        call = a_call({"a": 1}, headers=[("Content-Type", media_type)])

        assert read_document(call).body == {"a": 1}


def test_json_that_calls_itself_a_form_is_json():
    assert read_document(a_call(b' {"a": "b=c"}', headers=FORM)).body == {"a": "b=c"}


def test_a_form_is_read_by_its_names():
    document = read_document(
        a_call(b"kind=install&label=u%2D7&kind=install&x=1&x=2", headers=FORM)
    )

    assert document.body == {"kind": "install", "label": "u-7", "x": ["1", "2"]}


def test_a_get_says_it_in_its_query():
    document = read_document(
        make_call("GET", query_string="kind=click&at=5", body=b"{")
    )

    assert document.body == document.query == {"kind": "click", "at": "5"}


def test_headers_that_repeat_are_joined():
    document = read_document(a_call({}, headers=[("X", "a"), ("Y", "b"), ("x", "c")]))

    assert document.headers == {"x": "a, c", "y": "b"}


@pytest.mark.parametrize("body", [b"", b" \n", b"\xef\xbb\xbf"])
def test_nothing_is_an_empty_object(body):
    assert read_document(a_call(body)).body == {}


def test_a_byte_order_mark_is_no_part_of_the_json():
    assert read_document(a_call(b'\xef\xbb\xbf{"a":1}')).body == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a":1', b"\xff\xfe", b"nonsense", b'{"a":1}{"b":2}', b"\x00"],
)
def test_what_is_no_json_is_refused_without_a_word_of_it(body):
    with pytest.raises(BrokenRuleError) as raised:
        read_document(a_call(body))

    assert raised.value.code is Code.NOT_JSON
    assert "nonsense" not in raised.value.detail


def test_a_key_that_stands_twice_is_refused_with_its_place():
    body = b'{"data":{"email":"ann@example.com","email":"bob@example.com"}}'

    assert refusal(a_call(body)) == (Code.REPEATED_KEY, "/data/email")


def test_a_key_that_stands_twice_beside_half_a_character_is_refused_too():
    assert refusal(a_call(b'{"a":"\\ud800","b":1,"b":2}')) == (Code.REPEATED_KEY, "/b")


def test_half_a_character_and_nan_are_kept_for_whoever_reads_them():
    body = read_document(a_call(b'{"a":"\\ud800","n":NaN,"id":"e-1"}')).body

    assert (body["a"], body["id"]) == ("\ud800", "e-1")
    assert body["n"] != body["n"]


def test_a_body_has_at_most_100_000_values():
    allowed = b"[" + b"1," * 99_999 + b"1]"
    refused = b"[" + b"1," * 100_000 + b"1]"

    assert len(read_document(a_call(allowed)).body) == 100_000
    assert refusal(a_call(refused)) == (Code.TOO_MANY_VALUES, "")
    assert refusal(a_call({"a": [1, 2]}), most_values=2) == (Code.TOO_MANY_VALUES, "")


def test_a_body_is_at_most_64_deep():
    def nested(depth):
        return b"[" * depth + b"1" + b"]" * depth

    assert isinstance(read_json(nested(MAX_DEPTH)), list)
    assert refusal(a_call(nested(MAX_DEPTH + 1))) == (Code.TOO_DEEP, "")
    assert refusal(a_call(b'{"a":' * 20_000)) == (Code.TOO_DEEP, "")


def test_brackets_in_texts_are_no_depth():
    assert read_json(b'["' + b"[" * 500 + b'"]') == ["[" * 500]


@pytest.mark.parametrize("headers", [[], FORM])
def test_more_than_300_parameters_are_refused(headers):
    pairs = "&".join(f"p{number}=" for number in range(301))

    assert refusal(make_call("GET", query_string=pairs)) == (Code.TOO_MANY_VALUES, "")
    assert refusal(a_call(pairs.encode(), headers=FORM)) == (Code.TOO_MANY_VALUES, "")


def test_a_document_shows_nothing_that_was_sent():
    assert "planted" not in repr(read_document(a_call({"a": "planted"})))


@given(st.binary(max_size=300))
def test_any_body_is_read_or_refused(body):
    try:
        document = read_document(a_call(body))
    except BrokenRuleError:
        return
    assert document.size == len(body)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_sound_json_is_read_as_it_is(tree):
    assert read_json(msgspec.json.encode(tree)) == tree
