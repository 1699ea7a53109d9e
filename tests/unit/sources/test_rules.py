"""What each part of a rule does."""

import pytest

from referrals.refusals import Code
from referrals.schema import EventProblem
from referrals.sources.mapping.rules import Choices
from referrals.sources.mapping.translate import translate_call
from tests.platforms import KEY, a_call, a_mapping, run_mapping, run_rule


@pytest.mark.parametrize(
    ("rule", "body", "value"),
    [
        ("a.b", {"a": {"b": "x"}}, "x"),
        ("a.b", {"a": "x"}, None),
        ("a", {"a": "None"}, None),
        ("a", {"a": {"b": 1}}, None),
        ({"first": ["a", "b", "c"]}, {"a": "", "b": "x", "c": "y"}, "x"),
        ({"first": ["a", {"const": "z"}]}, {}, "z"),
        ({"const": "x"}, {}, "x"),
        ({"template": "{a}-{b}!"}, {"a": "x", "b": 2}, "x-2!"),
        ({"template": "{a}-{b}"}, {"a": "x"}, None),
        ({"path": "a", "map": {"WEB_SIGN UP": "x"}}, {"a": "web-sign-up"}, "x"),
        ({"path": "a", "map": {"b": "x"}}, {"a": "c"}, None),
        ({"path": "a", "map": {"b": "x"}, "else": "y"}, {"a": "c"}, "y"),
        ({"path": "a", "map": {"b": "x"}, "else": "y"}, {}, None),
        ({"path": "a", "map": {"b": "x"}, "keep": True}, {"a": "C d"}, "C d"),
        ({"path": "a", "map": {"true": "x"}}, {"a": True}, "x"),
        ({"path": "a", "json": "b[0]"}, {"a": '{"b":["x"]}'}, "x"),
        ({"path": "a", "json": "b[0]"}, {"a": {"b": ["x"]}}, "x"),
        ({"path": "a", "json": "b"}, {"a": "no json"}, None),
        ({"path": "a", "json": "b"}, {"a": "null"}, None),
        ({"path": "a", "json": "b"}, {"a": 5}, None),
        ({"path": "a", "json": "."}, {"a": "5"}, "5"),
        ({"path": "a", "query_of": "b"}, {"a": "https://x/y?c=1&b=p%20q#b=z"}, "p q"),
        ({"path": "a", "query_of": "b"}, {"a": "b=x&c=y"}, "x"),
        ({"path": "a", "query_of": "b"}, {"a": "https://[bad"}, None),
        ({"path": "a", "query_of": "b"}, {"a": {"b": 1}}, None),
        ({"path": "a", "when": [{"path": "b", "in": [1]}]}, {"a": "x", "b": "1"}, "x"),
        ({"path": "a", "when": [{"path": "b", "in": [1]}]}, {"a": "x", "b": 2}, None),
        ({"path": "a", "when": [{"path": "b", "in": [1]}]}, {"a": "x"}, None),
        ({"path": "a", "when": [{"path": "b", "not_in": [1]}]}, {"a": "x"}, "x"),
        (
            {"path": "a", "when": [{"path": "b", "not_in": [True]}]},
            {"a": "x", "b": "TRUE"},
            None,
        ),
        (
            {"path": "a", "when": [{"path": "b", "exists": True}]},
            {"a": "x", "b": []},
            None,
        ),
        (
            {"path": "a", "when": [{"path": "b", "exists": True}]},
            {"a": "x", "b": 0},
            "x",
        ),
        ({"path": "a", "when": [{"path": "b", "exists": False}]}, {"a": "x"}, "x"),
    ],
)
def test_a_rule_makes_one_value(rule, body, value):
    assert run_rule(rule, body) == value


@pytest.mark.parametrize(
    ("rule", "body", "value"),
    [
        ({"pick": ["a.b", "c"]}, {"a": {"b": 1}, "c": [2]}, {"b": 1, "c": [2]}),
        ({"pick": {"x": "a.b"}}, {"a": {"b": 1}}, {"x": 1}),
        (
            {"pick": ["a.*", "b.*"]},
            {"a": {"x": 1}, "b": {"x": 2, "y": 3}},
            {"x": 1, "y": 3},
        ),
        ({"pick": ["*"], "without": ["a"]}, {"a": 1, "b": 2, "c": None}, {"b": 2}),
        ({"pick": ["a.*"]}, {"a": "text"}, None),
        ({"path": "a", "pick": ["b"]}, {"a": {"b": 1}, "b": 2}, {"b": 1}),
        ({"path": "a", "pick": ["b"]}, {"b": 2}, None),
        ({"path": "a", "json": ".", "pick": ["*"]}, {"a": '{"b":1}'}, {"b": 1}),
        ({"path": "a", "json": ".", "pick": ["*"]}, {"a": "null", "b": 1}, None),
    ],
)
def test_a_pick_makes_an_object(rule, body, value):
    assert run_rule(rule, body, "metadata") == value


def ids(rule, *bodies):
    mapping = a_mapping(event={"id": rule})
    people = {"type": "install", "referrer_id": "u-7"}
    return [
        outcome["id"] if isinstance(outcome, dict) else outcome.code
        for body in bodies
        for outcome in run_mapping(mapping, {**people, **body})
    ]


def test_a_hash_tells_apart_what_differs_and_where_it_stands():
    same, again, other, moved = ids(
        {"hash": ["a", "b"]}, {"a": "x"}, {"a": "x", "c": 1}, {"a": "y"}, {"b": "x"}
    )

    assert same == again
    assert len({same, other, moved}) == 3
    assert len(same) == 32


def test_a_hash_takes_a_time_in_seconds_and_objects_as_they_are():
    rule = {"hash": [{"path": "at", "time": "unix_ms"}, "data"]}
    one = {"at": 1795860301001, "data": {"a": 1, "b": 2}}
    same = {"at": "1795860301999", "data": {"b": 2, "a": 1}}
    other = {"at": 1795860301001, "data": {"a": 1, "b": 3}}

    first, second, third = ids(rule, one, same, other)

    assert first == second != third


def test_a_hash_of_nothing_is_none_whatever_its_constants():
    assert ids({"hash": [{"const": "install"}, "a"]}, {}, {"a": "None"}) == [
        Code.MISSING_FIELD,
        Code.MISSING_FIELD,
    ]


@pytest.mark.parametrize(
    "text", ["ann@example.com", "a/b", "é", "x" * 201, "has blank", "\ud800", "."]
)
def test_an_id_that_may_not_stand_in_clear_is_hashed(text):
    (made,) = ids("a", {"a": "x"})
    assert made == "x"

    mapping = a_mapping(event={"id": {"path": "a"}}, id_prefix="p")
    body = {"type": "install", "referrer_id": "u-7", "a": text}
    raw = (
        None
        if text != "\ud800"
        else (b'{"type":"install","referrer_id":"u-7","a":"\\ud800"}')
    )
    (event,) = run_mapping(mapping, raw or body)

    assert event["id"].startswith("p.")
    assert len(event["id"]) == len("p.") + 32
    assert text not in event["id"] or text == "."


def test_values_stand_in_headers_query_item_and_body():
    mapping = a_mapping(
        each="items",
        event={
            "content": {"template": "{headers.x-a}{query.b}{c}{$.d}"},
            "channel": "headers.x-none",
        },
    )
    call = a_call(
        {"d": 4, "items": [{"id": "e", "type": "install", "referrer_id": "r", "c": 3}]},
        headers=[("X-A", "1")],
        query_string="b=2",
    )

    (event,) = translate_call(call, mapping, Choices(), key=KEY)

    assert isinstance(event, dict)
    assert event["content"] == "1234"
    assert "channel" not in event


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("[" * 70 + "]" * 70, Code.TOO_DEEP),
        ('{"a":1,"a":2}', Code.REPEATED_KEY),
        ("[" + "1," * 2000 + "1]", Code.TOO_MANY_VALUES),
    ],
)
def test_json_within_a_text_is_read_as_strictly(inner, code):
    outcome = run_rule({"path": "a", "json": "b"}, {"a": inner})

    assert isinstance(outcome, EventProblem)
    assert outcome.code is code
