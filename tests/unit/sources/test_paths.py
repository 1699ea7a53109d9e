"""Where in a call a value stands."""

import pytest
from hypothesis import given, strategies as st

from referrals.sources.mapping.paths import (
    MAX_STEPS,
    Path,
    PathError,
    follow_steps,
    name_path,
    parse_path,
    parse_template,
)
from referrals.sources.mapping.work import TooMuchWorkError, Work

TREE = {"a": {"b": [{"c": 1}, {"c": 2}]}, "odd.name": 3, "~id": 4, "$og_title": 5}


def find(text, value=TREE):
    return follow_steps(value, parse_path(text).steps)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (".", Path("item", ())),
        ("a", Path("item", ("a",))),
        ("a.b[0].c", Path("item", ("a", "b", 0, "c"))),
        ("a[-1]", Path("item", ("a", -1))),
        ('["odd.name"].x', Path("item", ("odd.name", "x"))),
        ('a["b[0]"]', Path("item", ("a", "b[0]"))),
        ("$", Path("body", ())),
        ("$.a.b", Path("body", ("a", "b"))),
        ("$[0].a", Path("body", (0, "a"))),
        ("$og_title", Path("item", ("$og_title",))),
        ("~id", Path("item", ("~id",))),
        ("headers.X-Kind", Path("headers", ("x-kind",))),
        ("query.id", Path("query", ("id",))),
        ("$.headers.x", Path("body", ("headers", "x"))),
        ("headers", Path("item", ("headers",))),
        ("a.*", Path("item", ("a",), takes_all=True)),
        ("*", Path("item", (), takes_all=True)),
        ("$.*", Path("body", (), takes_all=True)),
    ],
)
def test_a_path_is_read_once(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a..b",
        ".a",
        "a.",
        "a[",
        "a[x]",
        "a[0",
        "a{b}",
        "a.[0]",
        '[""]',
        "a[0]b",
        "a.*.b",
        "**",
        "a[99999]",
        "x" * 513,
        ".".join("a" * (MAX_STEPS + 1)),
    ],
)
def test_what_is_no_path_says_what_to_write(text):
    with pytest.raises(PathError) as raised:
        parse_path(text)

    assert str(raised.value).endswith(".")


def test_16_steps_are_a_path():
    assert len(parse_path(".".join("a" * MAX_STEPS)).steps) == 16


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b[0].c", 1),
        ("a.b[-1].c", 2),
        ("a.b[2].c", None),
        ("a.b[-3]", None),
        ("a.b.c", None),
        ("a[0]", None),
        ('["odd.name"]', 3),
        ("odd.name", None),
        ("~id", 4),
        ("$og_title", 5),
        ("none.at.all", None),
    ],
)
def test_steps_lead_to_a_value_or_to_none(text, value):
    assert find(text) == value


def test_what_is_not_allowed_is_not_done():
    work = Work(size=1, items=0)

    with pytest.raises(TooMuchWorkError):
        work.charge(work.allowed + 1)


def test_a_value_is_named_by_its_last_name():
    assert name_path("a.b[0]") == "b"
    assert name_path("$[0]") == "value"


def test_a_template_has_texts_and_paths_by_turns():
    assert parse_template("{a.b}-{c}") == ("", "a.b", "-", "c", "")


@pytest.mark.parametrize("text", ["plain", "{", "a}", "{a", "{}", "{a..b}", "{a}}"])
def test_what_is_no_template_says_so(text):
    with pytest.raises(PathError):
        parse_template(text)


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_is_not(text):
    try:
        path = parse_path(text)
    except PathError:
        return
    assert len(path.steps) <= MAX_STEPS
