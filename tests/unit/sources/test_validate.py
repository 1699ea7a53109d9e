"""Mistakes in a mapping: each with its place and a sentence."""

import pytest
from hypothesis import given, strategies as st

from referrals.sources.mapping.rules import Mapping
from referrals.sources.mapping.validate import validate_mapping, validate_referrer_keys

GOOD = {"kind": "type", "event": {"id": "id"}}


def pointers(value):
    checked = validate_mapping(value)
    assert isinstance(checked, tuple), "the mapping has no mistake"
    assert all(mistake.detail.endswith(".") for mistake in checked)
    return [mistake.pointer for mistake in checked]


def with_rule(rule, target="content"):
    return {**GOOD, "event": {"id": "id", target: rule}}


def test_a_good_mapping_is_ready_to_run():
    checked = validate_mapping({**GOOD, "kinds": {"Sign Up": {"type": "web_sign_up"}}})

    assert isinstance(checked, Mapping)
    assert list(checked.kinds) == ["signup"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, [""]),
        ([], [""]),
        ("text", [""]),
        ({}, ["/kind", "/event/id"]),
        ({**GOOD, "kind": 5}, ["/kind"]),
        ({**GOOD, "kind": "a..b"}, ["/kind"]),
        ({**GOOD, "each": "a.*"}, ["/each"]),
        ({**GOOD, "planted": 1, "each": 5}, ["/planted", "/each"]),
        ({**GOOD, "kinds": []}, ["/kinds"]),
        ({**GOOD, "kinds": {"a/b": {}}}, ["/kinds/a~1b"]),
        ({**GOOD, "kinds": {"a": {"type": "planted"}}}, ["/kinds/a/type"]),
        ({**GOOD, "kinds": {"a": {"type": "custom"}}}, ["/kinds/a/type"]),
        ({**GOOD, "kinds": {"a": {"name": "App Install"}}}, ["/kinds/a/name"]),
        ({**GOOD, "kinds": {"a": {"name": " "}}}, ["/kinds/a/name"]),
        ({**GOOD, "kinds": {"a": {"name": "x" * 256}}}, ["/kinds/a/name"]),
        ({**GOOD, "kinds": {"a": {"name": "x", "type": "app_open"}}}, ["/kinds/a"]),
        ({**GOOD, "kinds": {"a": {"name_of": "a["}}}, ["/kinds/a/name_of"]),
        ({**GOOD, "kinds": {"a": {"ignore": "planted"}}}, ["/kinds/a/ignore"]),
        ({**GOOD, "when": [{"path": "a"}]}, ["/when/0"]),
        ({**GOOD, "when": [{"path": "", "in": []}]}, ["/when/0/path", "/when/0"]),
        (
            {**GOOD, "organic": [{"path": "a", "reason": "x", "in": [1]}]},
            ["/organic/0/reason"],
        ),
        ({**GOOD, "id_prefix": "A b"}, ["/id_prefix"]),
        ({**GOOD, "native": "data"}, None),
        (
            {**GOOD, "native": "data", "event": {"id": "id", "content": "a"}},
            ["/event/content"],
        ),
        (
            {**GOOD, "referrer": {"keys": ["a["], "places": []}},
            ["/referrer/places", "/referrer/keys/0"],
        ),
        ({**GOOD, "referrer": {"keys": ["k"] * 33}}, ["/referrer/keys"]),
        (
            {
                **GOOD,
                "referrer": {"keys": ["k"]},
                "event": {"id": "id", "referrer.id": "a"},
            },
            ["/event/referrer.id"],
        ),
        (with_rule("a", "planted"), ["/event/planted"]),
        (with_rule("a", "user.planted"), ["/event/user.planted"]),
        (with_rule("a", "via"), ["/event/via"]),
        (with_rule({}), ["/event/content"]),
        (with_rule({"path": "a", "const": "b"}), ["/event/content"]),
        (with_rule({"path": "a", "planted": 1}), ["/event/content"]),
        (with_rule({"first": []}), ["/event/content/first"]),
        (with_rule({"first": ["a", 5]}), ["/event/content/first/1"]),
        (with_rule({"first": ["a", {"path": "b["}]}), ["/event/content/first/1/path"]),
        (with_rule({"template": "none"}), ["/event/content/template"]),
        (with_rule({"path": "a", "json": "["}), ["/event/content/json"]),
        (with_rule({"path": "a", "query_of": ""}), ["/event/content/query_of"]),
        (with_rule({"path": "a", "else": "x"}), ["/event/content"]),
        (
            with_rule({"path": "a", "map": {}, "else": "x", "keep": True}),
            ["/event/content"],
        ),
        (with_rule({"path": "a", "without": ["b"]}), ["/event/content/without"]),
        (with_rule({"pick": []}), ["/event/content", "/event/content"]),
        (with_rule({"pick": ["a["]}, "metadata"), ["/event/metadata/pick/0"]),
        (with_rule({"pick": {"x": "a.*"}}, "metadata"), ["/event/metadata/pick/x"]),
        (with_rule({"const": "x"}, "metadata"), ["/event/metadata"]),
        (with_rule({"const": "planted"}, "status"), ["/event/status"]),
        (with_rule("at", "occurred_at"), ["/event/occurred_at"]),
        (with_rule({"path": "at"}, "occurred_at"), ["/event/occurred_at"]),
        (with_rule({"first": ["at"]}, "occurred_at"), ["/event/occurred_at/first/0"]),
        (
            with_rule({"path": "at", "time": "planted"}, "occurred_at"),
            ["/event/occurred_at/time"],
        ),
        (with_rule({"path": "at", "time": "unix_s"}), ["/event/content/time"]),
        (
            with_rule({"path": "at", "time": "unix_s", "map": {}}, "occurred_at"),
            ["/event/occurred_at/time"],
        ),
    ],
    ids=lambda value: repr(value)[:80] if value is not None else "none",
)
def test_a_mistake_is_said_where_it_is(value, found):
    if found is None:
        assert isinstance(validate_mapping(value), Mapping)
    else:
        assert pointers(value) == found


@pytest.mark.parametrize(
    ("value", "pointer", "sentence"),
    [
        (
            {"kinds": {"a": {"type": "sign_up"}}},
            "/kinds/a/type",
            (
                "There is no such word here. Write one of app_install, app_reinstall, app_open, "
                "web_sign_up, web_open, link_click, identify."
            ),
        ),
        (
            with_rule({"path": "at", "time": "ms"}, "occurred_at"),
            "/event/occurred_at/time",
            "There is no such word here. Write one of rfc3339, unix_s, unix_ms, utc_text.",
        ),
        (
            with_rule({"first": ["b", {"path": "a", "upper": True}]}),
            "/event/content/first/1",
            (
                "A rule has no upper. It has path, first, const, template, hash, json, query_of, "
                "pick, without, map, else, keep, time, when."
            ),
        ),
        (
            {"kinds": {"a": {"types": "app_open"}}},
            "/kinds/a",
            "A row of kinds has no types. It has type, name, name_of, ignore, taken.",
        ),
        (
            {"kinds": {"a": "app_open"}},
            "/kinds/a",
            "Here stands a text. Write an object of type, name, name_of, ignore, taken.",
        ),
        (
            {"referrer": "invited.by"},
            "/referrer",
            "Here stands a text. Write an object of keys, places.",
        ),
        (
            {"when": [{"in": ["a"]}]},
            "/when/0",
            "A condition needs path: add it.",
        ),
        (
            with_rule({"path": "a", "when": [{"path": "b", "is": 1}]}),
            "/event/content/when/0",
            "A condition has no is. It has path, in, not_in, exists, reason.",
        ),
        (
            with_rule({"path": "a", "map": {"x": {}}}),
            "/event/content/map",
            "Here stands an object. Write true or false, a number or a text.",
        ),
        (with_rule(5), "/event/content", "Here stands a number. Write a text or an object."),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_told_what_to_write(value, pointer, sentence):
    mistakes = validate_mapping({**GOOD, **value})

    assert not isinstance(mistakes, Mapping)
    assert [(each.pointer, each.detail) for each in mistakes] == [(pointer, sentence)]


def test_all_mistakes_are_said_at_once():
    value = {**GOOD, "event": {"id": "a[", "content": {}, "x": "y"}, "id_prefix": "!"}

    assert pointers(value) == [
        "/id_prefix",
        "/event/id",
        "/event/content",
        "/event/x",
    ]


def nested(depth):
    rule = "a"
    for _ in range(depth):
        rule = {"first": [rule]}
    return rule


def test_rules_stand_four_deep_within_one_another():
    assert isinstance(validate_mapping(with_rule(nested(4))), Mapping)
    assert pointers(with_rule(nested(5))) == [
        "/event/content/first/0/first/0/first/0/first/0"
    ]
    assert pointers(with_rule(nested(5000))) == [""]


def test_a_mapping_has_at_most_64_rules_256_paths_and_32_kb():
    def of(targets):
        return {**GOOD, "event": {"id": "id", **targets}}

    rules = {f"user.identities.p{number}": "a" for number in range(64)}
    paths = {"content": {"first": ["a"] * 256}}
    large = {"content": {"const": "x" * 33_000}}

    assert pointers(of(rules)) == [""]
    assert pointers(of(paths)) == [""]
    assert pointers(of(large)) == [""]
    assert isinstance(validate_mapping(of(dict(list(rules.items())[:63]))), Mapping)


def test_a_sources_own_referrer_keys_are_paths():
    assert validate_referrer_keys(["inviter", "a.b", "~ref"]) == ()
    assert [each.pointer for each in validate_referrer_keys(["a", "b["])] == ["/1"]
    assert [each.pointer for each in validate_referrer_keys(["k"] * 33)] == [""]


WORDS = st.sampled_from(
    [
        "path",
        "first",
        "const",
        "json",
        "pick",
        "map",
        "else",
        "time",
        "when",
        "in",
        "kind",
        "kinds",
        "event",
        "id",
        "type",
        "each",
        "referrer",
        "keys",
        "native",
        "a.b",
        "rfc3339",
    ]
) | st.text(max_size=5)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4)
    ),
    max_leaves=25,
)


@given(TREES)
def test_whatever_is_saved_is_a_mapping_or_has_mistakes(tree):
    checked = validate_mapping(tree)

    assert isinstance(checked, Mapping) or (checked and isinstance(checked, tuple))
