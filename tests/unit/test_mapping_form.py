"""Mappings as a form and as JSON: nothing is lost, and nothing raises."""

import pytest
from hypothesis import given, settings, strategies as st

from referrals.admin.sources.mapping_form import (
    MOST_KINDS,
    can_say,
    read_form,
    write_form,
)
from referrals.admin.sources.mapping_text import (
    MAX_CHARACTERS,
    MistakeError,
    format_json,
    has_unseen,
    read_json_text,
)
from referrals.admin.sources.rule_text import read_rule, write_rule
from referrals.sources.mapping.rules import Mapping
from referrals.sources.mapping.validate import validate_mapping
from referrals.sources.presets import PLATFORMS, load_preset

PATHS = st.lists(
    st.sampled_from(["a", "~id", "$sku", "+url", "b[0]", "two words"]),
    min_size=1,
    max_size=3,
).map(".".join)
#: PostgreSQL keeps no NUL in JSON.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
RULES = st.recursive(
    PATHS
    | st.builds(lambda text: {"const": text}, TEXTS)
    | st.builds(lambda paths: {"pick": paths}, st.lists(PATHS, max_size=3)),
    lambda inner: st.fixed_dictionaries(
        {"first": st.lists(inner, max_size=3)}, optional={"map": st.just({"a": "b"})}
    ),
    max_leaves=6,
)
TARGETS = st.sampled_from(
    [
        "id",
        "occurred_at",
        "user.id",
        "event_data",
        "metadata",
        "status",
        "user.handles.x",
    ]
)
TIMES = st.sampled_from(["unix_s", "rfc3339"])


def said_by(**sent):
    _, mapping, mistakes = read_form(sent)
    return mapping, [(each.pointer, each.detail) for each in mistakes]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_preset_can_be_said_by_the_form(platform):
    mapping = load_preset(platform).mapping

    form = write_form(mapping)

    assert can_say(mapping)
    assert read_form(form.list_inputs())[0].list_inputs() == form.list_inputs()


@settings(max_examples=50)
@given(RULES, TARGETS)
def test_a_rule_is_read_as_it_was_written(rule, target):
    text, time = write_rule(rule, target)

    assert read_rule(text, "", target, time) == rule


@settings(max_examples=50)
@given(PATHS | st.lists(PATHS, min_size=2), TIMES)
def test_a_rule_of_a_time_is_read_as_it_was_written(paths, time):
    name = "path" if isinstance(paths, str) else "first"
    rule = {name: paths, "time": time}

    text, chosen = write_rule(rule, "occurred_at")

    assert chosen == time
    assert "{" not in text
    assert read_rule(text, "", "occurred_at", chosen) == rule


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
    )
)
def test_whatever_a_person_writes_ends_in_a_mapping_or_in_sentences(value):
    for mapping in (
        {"event": {"id": value}},
        {"referrer": value},
        {"kinds": {"a": value}},
    ):
        checked = validate_mapping(mapping)
        if isinstance(checked, Mapping):
            assert isinstance(can_say(mapping), bool)
        else:
            assert all(each.detail for each in checked)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*write_form({}).list_inputs()]), st.text()))
def test_whatever_is_sent_is_read(sent):
    form, mapping, mistakes = read_form(sent)

    validate_mapping(mapping)
    form.mark(mistakes).list_inputs()


def test_rows_become_a_mapping():
    assert said_by(
        **{
            "part-kind": "type\nname",
            "part-each": " data ",
            "part-when": '[{"path": "a", "exists": true}]',
            "kind-0": "install",
            "becomes-0": "type:app_install",
            "taken-0": "on",
            "kind-1": "paid",
            "becomes-1": "name",
            "detail-1": "Subscription Started",
            "kind-2": "other",
            "becomes-2": "name_of",
            "detail-2": "event.name",
            "taken-2": "on",
            "kind-3": "ping",
            "becomes-3": "ignore:no_event",
            "taken-3": "on",
            "kind-4": "",
            "becomes-4": "",
            "referrer-keys": "r\n\n  ref ",
            "referrer-places": ".",
            "target-0": "id",
            "rule-0": "id\r\nother",
            "target-1": "occurred_at",
            "rule-1": "at",
            "time-1": "unix_s",
            "target-2": "metadata",
            "rule-2": "a\nb.*",
            "target-3": "status",
            "rule-3": '{"const": "rejected"}',
            "target-4": "content",
            "rule-4": "  ",
        }
    ) == (
        {
            "each": "data",
            "kind": {"first": ["type", "name"]},
            "when": [{"path": "a", "exists": True}],
            "kinds": {
                "install": {"type": "app_install"},
                "paid": {"name": "Subscription Started", "taken": False},
                "other": {"name_of": "event.name"},
                "ping": {"ignore": "no_event"},
            },
            "referrer": {"keys": ["r", "ref"]},
            "event": {
                "id": {"first": ["id", "other"]},
                "occurred_at": {"path": "at", "time": "unix_s"},
                "metadata": {"pick": ["a", "b.*"]},
                "status": {"const": "rejected"},
            },
        },
        [],
    )


@pytest.mark.parametrize(
    ("sent", "pointer", "detail"),
    [
        ({"part-when": "a"}, "/when", "This is no JSON at line 1, column 1"),
        ({"part-kind": '{"a":\n 1'}, "/kind", "This is no whole JSON"),
        ({"target-0": "id", "rule-0": '{"a":\n x}'}, "/event/id", "line 2, column 2"),
        ({"target-0": "", "rule-0": "a"}, "/event/", "A rule has no field to fill"),
        (
            {"target-0": "id", "rule-0": "a", "target-1": "id", "rule-1": "b"},
            "/event/id",
            "Two rows fill this field",
        ),
        ({"kind-0": "a", "kind-1": "a "}, "/kinds/a", "Two rows have this name"),
        ({"kind-0": "", "becomes-0": "name"}, "/kinds/", "A row has no name"),
        ({"referrer-keys": 'a\n{"x"'}, "/referrer/keys/1", "This is no whole JSON"),
        (
            {"kind-0": "a/b", "becomes-0": "name_of", "detail-0": "{"},
            "/kinds/a~1b/name_of",
            "This is no whole JSON",
        ),
    ],
)  # fmt: skip
def test_what_a_row_cannot_say_has_a_place_and_a_sentence(sent, pointer, detail):
    _, ((found, told),) = said_by(**sent)

    assert found == pointer
    assert detail in told


def test_a_kind_whose_name_is_emptied_is_taken_away():
    mapping = {"kinds": {"a": {"type": "app_open"}, "b": {"name": "Bought"}}}
    sent = write_form(mapping).list_inputs()

    said, mistakes = said_by(**{**sent, "kind-0": " "})

    assert not mistakes
    assert said["kinds"] == {"b": {"name": "Bought"}}


def test_a_new_kind_needs_a_name():
    sent = write_form({"kinds": {"a": {"type": "app_open"}}}).list_inputs()

    said, mistakes = said_by(**{**sent, "becomes-1": "type:app_install"})

    assert said["kinds"] == {"a": {"type": "app_open"}}
    assert [pointer for pointer, _ in mistakes] == ["/kinds/"]


def test_a_mistake_stands_beside_its_cell():
    form, mapping, _ = read_form(
        {
            "kind-0": "a",
            "target-0": "id",
            "rule-0": "a b..",
            "target-1": "x",
            "rule-1": "y",
        }
    )

    mistakes = validate_mapping(mapping)
    assert not isinstance(mistakes, Mapping)
    marked = form.mark(mistakes)

    assert [len(cell.mistakes) for cell in marked.fields] == [1, 1]
    assert len(marked.kinds[0].mistakes) == 1
    assert marked.parts[0].mistakes[0].startswith("Say where the call names")


@pytest.mark.parametrize(
    "mapping",
    [
        {"kinds": {f"k{n}": {"type": "app_open"} for n in range(MOST_KINDS)}},
        {"kinds": {" a": {"type": "app_open"}}},
        {"event": {"id": {"path": "a", "keep": False}}, "each": ""},
        {"referrer": {"keys": ["a"], "places": ["."]}},
        {"kinds": {"a": {"type": "app_open", "taken": True}}},
        {"kinds": {"a\nb": {"type": "app_open"}}},
        {"kinds": {"a\u202eb": {"type": "app_open"}}},
        {"kind": "a\rb"},
    ],
)
def test_a_mapping_that_the_form_would_change_is_not_shown_as_one(mapping):
    assert not can_say(mapping)


def test_what_nobody_sees_is_escaped_in_json():
    value = {"a\u202e": "b\x7f\u2028\n", "spelled": r"\u0000 and \\u0000"}

    text = format_json(value)

    assert not has_unseen(text.replace("\n", ""))
    assert read_json_text(text) == value


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        ("", "", "This is no whole JSON: input data was truncated."),
        ("{", "", "This is no whole JSON: input data was truncated."),
        ('{\n "ä": x}', "", "This is no JSON at line 2, column 7: invalid character."),
        ("NaN", "", "This is no JSON at line 1, column 1: invalid character."),
        ("1e999", "", "This is no whole JSON: number out of range."),
        ("[" * 50_000, "", "This is nested too deeply"),
        ('{"a": {"b": 1, "b": 2}}', "/a/b", ""),
        ('{"a": "\\u0000"}', "", "No text of a mapping has the character NUL"),
        ('{"\\\\\\u0000": 1}', "", "No text of a mapping has the character NUL"),
        ('"\\ud800"', "", "This is"),
        (" " * (MAX_CHARACTERS + 1), "", "This is longer than 131,072 characters."),
    ],
    ids=range(11),
)  # fmt: skip
def test_text_that_is_no_json_has_a_place_and_no_word_of_it(text, pointer, detail):
    with pytest.raises(MistakeError) as error:
        read_json_text(text)

    assert error.value.mistake.pointer == pointer
    assert error.value.mistake.detail.startswith(detail)
