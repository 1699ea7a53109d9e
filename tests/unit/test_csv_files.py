"""CSV files: nothing in a cell acts when a spreadsheet opens it."""

import csv
import io
from datetime import datetime, timedelta, timezone

import pytest

from referrals.admin.kit import csv_download

MARK = "\ufeff"


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "\uff1d1",
        '=HYPERLINK("http://192.0.2.1","x")',
    ],
)
def test_a_formula_is_a_text(text):
    assert str(csv_download.format_cell(text)).startswith("'")


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("a;=1+2;b", "a;'=1+2;b"),
        ("a; @SUM(A1)", "a; '@SUM(A1)"),
        ('a;"=1+2"', 'a;"\'=1+2"'),
        ("a|+1|-2", "a|'+1|'-2"),
        ("=1;=2", "'=1;'=2"),
    ],
)
def test_a_formula_behind_another_separator_is_a_text(text, inert):
    assert csv_download.format_cell(text) == inert


@pytest.mark.parametrize("text", ["a=b", "ann@example.com", "1-2", "", "'quoted"])
def test_a_plain_text_stays_as_it_is(text):
    assert csv_download.format_cell(text) == text


def test_what_turns_text_around_or_breaks_lines_is_marked():
    assert csv_download.format_cell("a\u202eb\x00c\nd\u2066e\x9ff") == "a�b�c�d�e�f"


def test_numbers_yes_and_no_and_instants_have_one_form():
    instant = datetime(2026, 11, 23, 13, 0, tzinfo=timezone(timedelta(hours=1)))

    cells = [csv_download.format_cell(v) for v in (None, True, False, -5, 2.5, instant)]

    assert cells == ["", "yes", "no", -5, 2.5, "2026-11-23T12:00:00+00:00"]


def test_a_file_is_streamed_and_can_be_read_again():
    asked = []

    def rows():
        for number in range(3):
            asked.append(number)
            yield [number, 'with "quotes", commas', "=1"]

    answer = csv_download.stream_csv("things", ["N", "Text", "Formula"], rows())

    assert asked == []
    text = b"".join(answer).decode()
    assert text.startswith(MARK)
    table = list(csv.reader(io.StringIO(text.removeprefix(MARK), newline="")))
    assert table[0] == ["N", "Text", "Formula"]
    assert table[1] == ["0", 'with "quotes", commas', "'=1"]
    assert len(table) == 4
    assert answer.headers["Content-Disposition"] == 'attachment; filename="things.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
