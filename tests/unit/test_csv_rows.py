"""Rows of a CSV: each that is read is sure, and each that is sure is read."""

import csv
import io

import pytest
from hypothesis import assume, given, strategies as st

from referrals.files.csv_grammar import CsvGrammar
from referrals.files.csv_rows import LONGEST_ROW, read_rows
from referrals.files.encodings import read_lines
from referrals.files.file_errors import FileError

WIDTH = 3
#: What means something to a CSV, and a letter that does not.
SIGNS = ',"\n\r\\a'


def read(text, *, width=WIDTH, separator=","):
    """Return the rows with their lines, and why reading stopped, if it did."""
    rows, error = read_marked(text, width=width, separator=separator)
    return [(row.line, row.cells) for row in rows], error


def taken(text, *, width=WIDTH):
    """Return the cells of the rows that are taken for events."""
    rows, _ = read_marked(text, width=width)
    return [r.cells for r in rows if len(r.cells) == width and not r.may_be_cut]


def read_marked(text, *, width=WIDTH, separator=","):
    """Return the rows as they are read, and why reading stopped, if it did."""
    lines = read_lines(
        io.TextIOWrapper(io.BytesIO(text.encode()), newline="\n"), LONGEST_ROW
    )
    grammar = CsvGrammar(separator)
    rows = []
    try:
        for row in read_rows(lines, grammar, width=width, after=1, encoding="utf-8"):
            rows.append(row)  # noqa: PERF402 - it may stop half-way
    except FileError as error:
        return rows, error
    return rows, None


def written(rows, **options):
    """Return the rows as Python writes them."""
    file = io.StringIO()
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


def test_cells_with_separators_quotes_and_line_breaks_are_read():
    text = 'a,"b,""c""",\r\nd,"two\r\nlines",f\r\n\r\n  \ng,"",i'

    assert read(text) == (
        [
            (2, ["a", 'b,"c"', ""]),
            (3, ["d", "two\r\nlines", "f"]),
            (7, ["g", "", "i"]),
        ],
        None,
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_each_separator_is_only_itself(separator):
    row = ["a,b", "c;d", "e\tf|g"]
    text = written([row], delimiter=separator)

    assert read(text, separator=separator) == ([(2, row)], None)


@pytest.mark.parametrize(
    ("doubtful", "words"),
    [
        ('d,e,"f\n', "opens a cell on line 3 is not closed"),
        ('d,e,"f\ng,h,i\nj,k,l\n', "opens a cell on line 3 is not closed"),
        ('d,e,"f\ng,h,"i"\n', "opens a cell on line 3 is closed on line 4, and more"),
        ('d,e,"f\ng,h,"\n', "joins lines 3 to 4"),
        ('d,"e,f\ng,",i\n', "joins lines 3 to 4"),
        ('d,e,"say \\"hi\\""\n', "is closed on line 3, and more text"),
        ('d,e,"abc"def\n', "is closed on line 3, and more text"),
        ('d,e,"abc" \n', "is closed on line 3, and more text"),
        ('d,e, "abc"\n', "inside a cell that begins without one"),
        ('d,5" pipe,f\n', "inside a cell that begins without one"),
        ('d,e",f\n', "inside a cell that begins without one"),
        ('d,e,f"\n', "inside a cell that begins without one"),
        ("d,e\rf,g\n", "A CR without an LF"),
        ('d,"e\nf",g,h\n', "The row has 4 cells, the heading 3"),
        ("d,e," + "f" * LONGEST_ROW + "\n", "longer than 1,000,000 characters"),
        ('d,e,"' + ("f" * 99_999 + "\n") * 11, "opens a cell on line 3 is not closed"),
    ],
)
def test_a_doubtful_row_ends_the_reading_after_those_that_are_sure(doubtful, words):
    rows, error = read("a,b,c\n" + doubtful + "x,y,z\n")

    assert rows == [(2, ["a", "b", "c"])]
    assert error.line == 3
    assert words in error.detail


def test_a_row_is_not_sure_where_the_next_line_may_be_the_rest_of_its_last_cell():
    rows, error = read('a,b,c\nd,e,f\nand more"\ng,h,i\n')

    assert rows == [(2, ["a", "b", "c"])]
    assert error.line == 3
    assert "depends on line 4, which is not sure: A quote stands" in error.detail


@pytest.mark.parametrize(
    "cell", ["two\nlines", "\n", 'a "quote"\r\nand, a comma\n\n', "a,b,c\n"]
)
@pytest.mark.parametrize("place", [1, 2])
def test_a_cell_with_line_breaks_is_read_where_no_line_looks_like_a_row(cell, place):
    row = ["d", "e", "f"]
    row[place] = cell

    rows, error = read(written([["a", "b", "c"], row, ["g", "h", "i"]]))

    assert error is None
    assert [cells for _, cells in rows] == [["a", "b", "c"], row, ["g", "h", "i"]]


@pytest.mark.parametrize("cell", ["x\ry", "one\rd,e,f\rg,h,i", "\r"])
def test_a_carriage_return_alone_in_a_cell_ends_the_reading(cell):
    rows, error = read(f'a,b,c\nx,y,"{cell}"\ng,h,i\n')

    assert [cells for _, cells in rows] == [["a", "b", "c"]]
    assert error.line == 3
    assert "Some programs end a line so" in error.detail


def test_a_row_on_one_line_may_have_more_cells_than_the_heading_or_fewer():
    rows, error = read("a,b\nc,d,e,f\ng,h,i\n")

    assert error is None
    assert [len(cells) for _, cells in rows] == [2, 4, 3]


def test_rows_that_are_never_sure_do_not_fill_the_memory():
    rows, error = read("a,b,c\n" + "d,e\n" * 2000)

    assert rows == []
    assert error.line == 2
    assert "more than 1,000 rows have fewer cells" in error.detail


def test_what_is_not_in_the_encoding_ends_the_reading():
    text = io.TextIOWrapper(
        io.BytesIO(b"a,b,c\nd,\xe9,f\n"), "utf-8", "surrogateescape", newline="\n"
    )
    found = read_rows(text, CsvGrammar(","), width=3, after=1, encoding="utf-8")

    assert next(found).cells == ["a", "b", "c"]
    with pytest.raises(FileError, match="not UTF-8") as caught:
        next(found)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b,c\nd,e,user@exam\nple.com\ng,h,i\nj,k,l\n", [[*"abc"], [*"jkl"]]),
        ("a,b,c\nuser@exam\nple.com,e,f\ng,h,i\n", [[*"ghi"]]),
        ("a,b,c\nd,user@exam\nple.com,f\ng,h,i\nj,k,l\n", [[*"jkl"]]),
        ("a,b,c\nd,e,one\ntwo, three\ng,h,i\nj,k,l\n", [[*"abc"], [*"jkl"]]),
        ("a,b,c\nd,e,one\n\n \ntwo\n\ng,h,i\nj,k,l\n", [[*"abc"], [*"jkl"]]),
        ('a,b,c\nd,e,"o"\n"ne"\ng,h,i\nj,k,l\n', [[*"abc"], [*"jkl"]]),
        ('a,b,c\nd\n,"two\nlines",f\ng,h,i\n', [[*"ghi"]]),
        ('a,b,c\nd,e,\n"two\nlines"\ng,h,i\n', [[*"abc"]]),
        ('a,b,c\nd,e,\n"two, and\nlines"\ng,h,i\n', [[*"abc"]]),
        ("a,b,c\nd,e,user@exam\nple.com", [[*"abc"]]),
    ],
    ids=[
        *("last cell", "first cell", "middle cell", "more cells behind", "blank lines"),
        *("within a quote", "before a cell of lines", "a last cell of lines"),
        *("with a separator", "at the end"),
    ],
)
def test_a_row_that_a_line_break_may_have_cut_is_not_taken(text, expected):
    assert taken(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'a,b,c,d,"x\ne,f,g,h",i\n',
        'a,b,c,"x\ne,f,g",h,i\n',
        'a,b,c,d,"x\ne,f,g,h\nj",k\n',
    ],
    ids=["one short", "two short", "one short between"],
)
def test_a_quote_swallows_no_rows_that_are_short(text):
    rows, error = read(f"1,2,3,4,5,6\n{text}7,8,9,10,11,12\n", width=6)

    assert [line for line, _ in rows] == [2]
    assert error.line == 3


def test_a_text_over_several_lines_may_have_separators_in_each():
    text = "Dear Ann,\nthank you for apples, pears, and plums,\nyours, Bob"
    row = ["a", "b", "c", "d", "e", "f", text, "h"]

    assert read(written([row]), width=8) == ([(2, row)], None)


@st.composite
def files(draw):
    """Return rows, and the text that Python writes for them."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    # Python leaves a CR without quotes where lines do not end in it.
    signs = SIGNS if "\r" in end else SIGNS.replace("\r", "")
    cells = st.text(st.sampled_from(signs), max_size=3)
    row = st.lists(cells, min_size=WIDTH, max_size=WIDTH)
    rows = draw(st.lists(row, max_size=4))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    return rows, written(rows, lineterminator=end, quoting=quoting)


def is_blank(row):
    return not any(cell.strip() for cell in row)


@given(files())
def test_what_python_writes_is_read_as_it_was(file):
    rows, text = file
    expected = [row for row in rows if not is_blank(row)]

    found, error = read(text)

    cells = [cells for _, cells in found]
    if any({"\n", "\r"} & set(cell) for row in rows for cell in row):
        # A cell whose lines look like rows is refused, and nothing is guessed.
        assert cells == expected[: len(cells)]
        assert error or cells == expected
    else:
        assert (cells, error) == (expected, None)


@given(files(), st.data())
def test_one_quote_more_or_less_yields_no_row_that_was_none(file, data):
    _, text = file
    original, error = read(text)
    assume(error is None)
    quotes = [place for place, sign in enumerate(text) if sign == '"']
    if quotes and data.draw(st.booleans()):
        place = data.draw(st.sampled_from(quotes))
        mutated = text[:place] + text[place + 1 :]
    else:
        place = data.draw(st.integers(0, len(text)))
        mutated = text[:place] + '"' + text[place:]

    found, error = read(mutated)

    assert error is not None
    assert found == original[: len(found)]


def quoted_at(text, place):
    return text.count('"', 0, place) % 2 == 1


@given(files(), st.data())
def test_one_line_break_more_or_less_yields_no_row_that_was_none(file, data):
    _, text = file
    _, error = read(text)
    assume(error is None)
    breaks = [place for place, sign in enumerate(text) if sign == "\n"]
    if breaks and data.draw(st.booleans()):
        place = data.draw(st.sampled_from(breaks))
        mutated = text[:place] + text[place + 1 :]
    else:
        place = data.draw(st.integers(0, len(text)))
        mutated = text[:place] + "\n" + text[place:]

    found, original = taken(mutated), taken(text)

    if quoted_at(text, place):
        # What a cell says over several lines nobody can tell from what it should say.
        found, original = (
            [["".join(cell.split("\n")) for cell in row] for row in rows]
            for rows in (found, original)
        )
    assert all(row in original for row in found)
