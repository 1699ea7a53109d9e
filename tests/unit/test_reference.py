"""Pages for looking things up say what the code says, and the rest is a person's."""

from argparse import BooleanOptionalAction

import pytest
from django.core.management.base import BaseCommand

from scripts.reference.commands import write_help, write_invocation
from scripts.reference.pages import PAGES
from scripts.reference.parts import fill_part, fill_rows, find_empty, write_table
from scripts.reference.variables import read_defaults
from tests.documented import page

#: It is asked of a database, as `make check` does: see test_metrics.py.
OF_A_DATABASE = "reference/logs-and-metrics"

TABLES = """# Things

<!-- written from the things: begin -->

## First

| thing | size | words |
|---|---|---|
| `a` | `1` | What *a* is. |
| `gone` | `9` | Nobody has it. |

## Second

| thing | size | words |
|---|---|---|
| `b` | `2` (two) | What `b` is. |

<!-- written from the things: end -->

| `a` | elsewhere |
"""


@pytest.mark.parametrize("name", sorted(PAGES.keys() - {OF_A_DATABASE}))
def test_a_page_says_what_the_code_says(name):
    text = page(name)

    assert text == PAGES[name](text), "Run: python -m scripts.reference"


@pytest.mark.parametrize("name", PAGES)
def test_each_row_has_its_sentence(name):
    assert find_empty(page(name)) == []


def test_the_code_has_its_columns_and_a_person_the_others():
    rows = {
        "a": ("`a`", "`3`", None),
        "b": ("`b`", "`2`", "What b is."),
        "new": ("`new`", "`4`", None),
    }

    filled = fill_rows(TABLES, "the things", rows)

    assert filled == TABLES.replace("| `a` | `1` |", "| `a` | `3` |").replace(
        "| `gone` | `9` | Nobody has it. |\n", ""
    ).replace("What `b` is. |\n", "What `b` is. |\n| `new` | `4` |  |\n")
    assert find_empty(filled) == ["new"]
    assert fill_rows(filled, "the things", rows) == filled


def test_a_cell_that_says_something_else_is_written_anew():
    rows = {"a": ("`a`", "`1`", "Another word."), "b": ("`b`", "`20`", "What b is.")}

    filled = fill_rows(TABLES, "the things", rows)

    assert "| `a` | `1` | Another word. |" in filled
    assert "| `b` | `20` | What `b` is. |" in filled


def test_what_is_written_around_a_part_stays():
    text = "before\n<!-- written from x: begin -->\nold\n<!-- written from x: end -->\nafter\n"

    filled = fill_part(text, "x", "new")

    assert filled == text.replace("old", "\nnew\n")
    assert fill_part(filled, "x", "new") == filled


def test_a_page_without_its_marks_is_a_mistake():
    with pytest.raises(ValueError, match="lacks the lines <!-- written from y: begin"):
        fill_part("before\n", "y", "new")


def test_a_table_is_written_as_markdown():
    assert write_table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_defaults_are_read_from_code_that_does_not_run(tmp_path):
    file = tmp_path / "settings.py"
    file.write_text(
        'A = env.whole("A", 5, least=1, most=9)\n'
        'B = env.seconds("B", A + 1, least=1, most=9)\n'
        'C = env.flag("C", default=True)\n'
        'D = env.flag("D")\n'
        'E = env.choice("E", "info", among=("info",))\n'
        'F = env.text("F", "x")\n'
        'G = env.seconds("G", 86_400.0, least=0, most=1)\n'
        'H = other.whole("H", 5)\n',
        encoding="utf-8",
    )

    assert read_defaults(file) == {
        "A": "`5`",
        "B": None,
        "C": "`true`",
        "D": "`false`",
        "E": "`info`",
        "F": None,
        "G": "`86400`",
    }


def test_an_option_is_written_alike_on_every_python():
    parser = BaseCommand().create_parser("manage.py", "x")
    a = parser.add_argument("--reason", required=True, help="why | not")
    b = parser.add_argument("--json", action="store_true")
    c = parser.add_argument("--dry", action=BooleanOptionalAction)
    d = parser.add_argument(
        "--kind", choices=["a", "b"], default="a", help="%(default)s"
    )

    assert [write_invocation(each) for each in (a, b, c, d)] == [
        *("--reason REASON", "--json", "--dry, --no-dry", "--kind {a,b}"),
    ]
    assert write_help(parser, a) == r"Required: why \| not"
    assert write_help(parser, d) == "a"
