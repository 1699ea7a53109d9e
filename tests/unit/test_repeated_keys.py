"""Keys that stand twice: an event is refused, and no person gets another one's."""

import io
import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from referrals.api.body import JSON
from referrals.api.body_events import decode_events
from referrals.api.problems import ProblemError
from referrals.files import read_csv, read_jsonl
from referrals.repeated_keys import find_repeated_key, may_have_lost
from referrals.schema import EventProblem, decode_event
from tests.builders import ANN, BOB, a_sent_event

TWICE = f'"user":{{"identities":{{"email":"{ANN}","email":"eve@x"}}}}'


def an_event(user=f'"user":{{"identities":{{"email":"{ANN}"}}}}', rest=""):
    return (
        f'{{"id":"a","type":"app_open",{user},'
        f'"referrer":{{"identities":{{"email":"{BOB}"}}}}{rest}}}'
    )


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (an_event(TWICE), "/user/identities/email"),
        (an_event(TWICE.replace('"email":"eve', '"\\u0065mail" :\n"eve')), "/user/identities/email"),
        (an_event(TWICE.replace("eve@x", "x\\u003ay")), "/user/identities/email"),
        (an_event(TWICE, rest=',"metadata":null'), "/user/identities/email"),
        (an_event(rest=',"id":"b"'), "/id"),
        (an_event(rest=',"id":"b","occurred_at":"2026-11-23T12:00:00+0100"'), "/id"),
        (an_event(rest=',"id":"b","occurred_at":1795428900.5'), "/id"),
        (an_event(rest=',"content":null,"content":"x"'), "/content"),
        (an_event(rest=',"metadata":{"a":[1,{"b":1,"b":2}]}'), "/metadata/a/1/b"),
    ],
    ids=["plain", "escaped key", "escaped colon", "null", "id", "offset", "number", "null first", "deep"],
)  # fmt: skip
def test_an_event_with_a_key_twice_is_refused_where_it_stands(text, pointer):
    problem = decode_event(text.encode())

    assert isinstance(problem, EventProblem)
    assert (problem.code, problem.pointer) == ("repeated_key", pointer)
    assert "eve" not in problem.detail


@pytest.mark.parametrize(
    "rest",
    [
        ',"content":"a:b:c"',
        ',"content":"\\u003a"',
        ',"content":null,"metadata":null',
        ',"occurred_at":"2026-11-23T12:00:00.5+00:00"',
        ',"occurred_at":"2026-11-23t12:00:00-03:30"',
        ',"metadata":{"a":{"b":{"b":1}}, "b" : [{"b":1},{"b":2}]}',
    ],
)
def test_a_key_that_stands_in_several_objects_is_none_that_stands_twice(rest):
    assert decode_event(an_event(rest=rest).encode()).id == "a"


def test_a_line_of_a_file_is_refused_by_itself():
    lines = f"{an_event(TWICE)}\n{json.dumps(a_sent_event(id='b'))}\n"

    (_, problem), (_, event) = read_jsonl(io.BytesIO(lines.encode()))

    assert (problem.pointer, event.id) == ("/user/identities/email", "b")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("event_data", '{""plan"": ""a"", ""plan"": ""b""}'),
        ("user.identities", '{""email"": ""a"", ""email"": ""b""}'),
    ],
)
def test_a_cell_that_holds_an_object_with_a_key_twice_is_refused(column, cell):
    text = (
        f"id,type,name,user.identities.x,referrer.identities.email,{column}\n"
        f'a,custom,Level,7,{BOB},"{cell}"\n'
    )

    [(_, problem)] = read_csv(io.BytesIO(text.encode()))

    pointer = "/" + column.replace(".", "/")
    assert (problem.code, problem.pointer) == ("repeated_key", pointer)


def test_two_lists_of_events_are_refused_as_a_whole():
    body = f'{{"events": [{an_event()}], "events": [{an_event()}]}}'

    with pytest.raises(ProblemError) as caught:
        decode_events(JSON, body.encode())
    assert caught.value.detail.startswith("`events` stands twice.")


def test_events_may_speak_of_events():
    quoted = an_event(rest=',"metadata":{"events":1}')

    [event] = decode_events(JSON, f'{{"events": [{quoted}]}}'.encode())

    assert event.metadata == {"events": 1}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(':"u003a\\', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('ab:"', max_size=2), inner, max_size=3)
    ),
)


@given(values, st.booleans())
def test_what_has_no_key_twice_is_never_said_to(value, spaced):
    separators = (", ", " : ") if spaced else (",", ":")
    text = json.dumps(value, separators=separators).encode()

    assert find_repeated_key(text) is None
    if b"\\u003" not in text:
        assert not may_have_lost(text, msgspec.json.decode(text))


@given(values, values, values)
def test_a_key_that_stands_twice_is_always_found(first, second, around):
    pair = f'{{"k":{json.dumps(first)},"k":{json.dumps(second)}}}'
    text = f"[{json.dumps(around)},{pair}]".encode()

    assert may_have_lost(text, msgspec.json.decode(text))
    assert find_repeated_key(text) == "/1/k"
