"""What a JSON text holds is counted before anything is made of it."""

import itertools
import json

import pytest
from hypothesis import given, strategies as st

from referrals import rules
from referrals.api import body_events
from referrals.api.body import JSON, NDJSON
from referrals.api.problems import ProblemError
from referrals.refusals import Code
from referrals.schema import EventProblem, IncomingEvent, check_object, decode_event
from referrals.values import (
    count_values,
    has_few_members,
    may_have_more,
    measure_depth,
)
from tests.builders import a_sent_custom_event

MANY = 10**9
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=6), inner)
    ),
)


def size_of(tree):
    """Return how many members and elements a tree has, at any depth."""
    inner = tree.values() if isinstance(tree, dict) else tree
    if not isinstance(tree, dict | list):
        return 0
    return sum(1 + size_of(value) for value in inner)


@given(TREES, st.sampled_from([None, 1]), st.booleans())
def test_every_member_and_every_element_counts_once(tree, indent, ascii_only):
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only).encode()

    size = size_of(tree)

    assert count_values(text, MANY) == size
    assert may_have_more(text, size - 1) or size == 0


def list_members(number):
    """Return a body with one event that has so many members, as short as there are any."""
    members = b"".join([b',"":1'] * (number - 2))
    return b'{"events":[{"id":"","type":""' + members + b"}]}"


@pytest.mark.parametrize("number", [2, 20, 2_000])
def test_few_members_are_known_by_their_length(number):
    text = list_members(number)
    values = count_values(text, MANY)
    few = next(most for most in itertools.count(1) if has_few_members(text, most))

    assert values <= few < values + 10


@pytest.mark.parametrize("text", [b"[[]]", b'{"events":[{"a":[]}]}'])
def test_elements_of_another_list_are_not_known_by_their_length(text):
    assert not has_few_members(text, MANY)


@given(st.binary(max_size=200), st.integers(0, 5))
def test_counting_ends_for_what_is_no_json(text, most):
    assert 0 <= count_values(text, most) <= most + 1


@pytest.mark.parametrize("text", [b'"' * 100_000, b'"a"' * 100_000, b'"\\' * 100_000])
def test_texts_without_end_are_not_counted_for_ever(text):
    assert count_values(text, 10) in {0, 1, 11}


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"1", 0),
        (b'"[[["', 0),
        (b"[[]]", 1),
        (b'{"a":[1],"b":2}', 2),
        (b'[{"a":{"b":1}},{"a":1}]', 3),
        (b"[" * 9, 6),
        (b"]" * 9, 0),
    ],
)
def test_a_depth_is_of_the_deepest_and_stops_beyond_the_most(text, depth):
    assert measure_depth(text, 5) == depth


def with_values(number):
    """Return a custom event with so many values in all, one of its lists with most."""
    event = a_sent_custom_event(event_data={"list": []})
    event["event_data"]["list"] = [0] * (number - size_of(event))
    return event


def refusal(body, media_type=JSON):
    with pytest.raises(ProblemError) as raised:
        body_events.decode_events(media_type, body)
    return raised.value


def test_an_event_has_at_most_2000_values():
    allowed = decode_event(json.dumps(with_values(rules.MAX_VALUES)).encode())
    refused = decode_event(json.dumps(with_values(rules.MAX_VALUES + 1)).encode())

    assert isinstance(allowed, IncomingEvent)
    assert isinstance(refused, EventProblem)
    assert (refused.code, refused.pointer) == (Code.TOO_MANY_VALUES, "/event_data")


def test_what_a_producer_in_python_sends_has_the_same_limit():
    refused = check_object(with_values(rules.MAX_VALUES + 1))

    assert (refused.code, refused.pointer) == (Code.TOO_MANY_VALUES, "/event_data")


def test_commas_and_brackets_in_texts_are_no_values():
    event = a_sent_custom_event(event_data={"text": '[{,\\"' * 2_500})

    assert isinstance(decode_event(json.dumps(event).encode()), IncomingEvent)


def test_a_request_has_at_most_100_000_values():
    full = with_values(2_000)

    allowed = body_events.decode_events(
        JSON, json.dumps({"events": [full] * 50}).encode()
    )
    refused = refusal(json.dumps({"events": [full] * 50 + [with_values(30)]}).encode())

    assert len(allowed) == 50
    assert refused.kind.slug == "too-many-values"
    assert refused.pointer == "/events/50"


def test_members_of_objects_have_the_same_limit_as_elements_of_lists():
    refused = refusal(list_members(100_001))

    assert refused.kind.slug == "too-many-values"
    assert refused.pointer == "/events/0"


def test_lines_have_the_same_limit_as_a_list():
    line = json.dumps(with_values(2_000)).encode() + b"\n"

    assert len(body_events.decode_events(NDJSON, line * 50)) == 50
    assert refusal(line * 51, NDJSON).kind.slug == "too-many-values"


def test_one_event_with_too_many_values_is_refused_whole():
    event = {"id": "a", "event_data": {"list": [0] * 100_001}}

    assert refusal(json.dumps(event).encode()).kind.slug == "too-many-values"


@pytest.mark.parametrize(
    "body",
    [
        b'{"events":[' + b"{}," * 2_000_000 + b"{}]}",
        b' { "events" : [' + b'{"a":[],"b":{}},' * 400_000 + b"{}]}",
    ],
)
def test_a_thousand_and_one_events_are_refused_at_the_last_of_them(body):
    refused = refusal(body)

    assert refused.kind.slug == "too-many-events"


def test_a_lenient_reader_has_the_same_limit():
    event = {"id": "a", "event_data": {"list": [float("nan")] * 100_001}}

    assert refusal(json.dumps(event).encode()).kind.slug == "too-many-values"


def test_a_pointer_names_the_value_however_deep_it_lies():
    data = {"a/b": [0, {"c~d": [1, 2**64]}]}
    refused = check_object(a_sent_custom_event(event_data=data))

    assert refused.pointer == "/event_data/a~1b/1/c~0d/1"
