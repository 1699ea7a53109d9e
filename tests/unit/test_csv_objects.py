"""A CSV whose columns a platform has named: which heading is taken, and what a row holds."""

import io

import pytest

from referrals.files import FileError, read_csv_objects, read_jsonl_objects
from referrals.schema import EventProblem


def read(text, **options):
    return list(read_csv_objects(io.BytesIO(text.encode()), **options))


def refusal(text, **options):
    """Return the line at which the file is refused, and why."""
    with pytest.raises(FileError) as caught:
        read(text, **options)
    return caught.value.line, caught.value.detail


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_row_is_an_object_of_texts(separator):
    lines = ["Event Name,User", "install,u-1", "open,", ",", " ,u-2"]
    text = "".join(f"{line}\n" for line in lines).replace(",", separator)

    assert read(text) == [
        (2, {"Event Name": "install", "User": "u-1"}),
        (3, {"Event Name": "open"}),
        (5, {"User": "u-2"}),
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name\na\n", 1, "this one has a single name"),
        ("a,b,\n1,2,3\n", 1, "Column 3 has no name."),
        ("Event Name,x,eventname\n1,2,3\n", 1, "Columns 1 and 3 have the same name"),
        ("a,b,c\n1,2,3\nb,a,c\n", 3, "This row is a heading with other columns"),
        ("a,b\n1\n", 1, "The line below the heading has one cell."),
        ('a,b\n1,2\n1,2\n1,"2\n', 4, "is not closed"),
    ],
)
def test_what_is_not_sure_stops_the_reading(text, line, said):
    found = refusal(text)

    assert found[0] == line
    assert said in found[1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,2,3\n", "The row has 3 cells, the heading 2."),
        ("user,event\n", "This row is the heading again."),
        ("1.2E+09,x\n", "Column 1: A spreadsheet has shortened this number"),
        ("#N/A,x\n", "Column 1: A spreadsheet shows here that it failed"),
        ("1,half of a us", "The file ends within this row's last cell"),
    ],
)
def test_a_row_that_is_spoilt_is_refused(rows, said):
    ((line, problem),) = read(f"user,event\n{rows}")

    assert line == 2
    assert isinstance(problem, EventProblem)
    assert problem.detail.startswith(said)


def test_an_amount_may_be_short():
    assert read("user,Event Revenue\nu-1,1.0E7\n") == [
        (2, {"user": "u-1", "Event Revenue": "1.0E7"})
    ]


def read_lines(data):
    return list(read_jsonl_objects(io.BytesIO(data)))


def test_a_line_is_an_object():
    assert read_lines(b'{"a": {"b": 1}}\n\n{"a": "%s"}' % (b"x" * 100_000)) == [
        (1, {"a": {"b": 1}}),
        (3, {"a": "x" * 100_000}),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "The body of the call cannot be read as JSON"),
        (b"3", "The file is read as JSONL, and this line is no JSON object."),
        (
            b'{"a": "%s"}' % (b"x" * 1_000_000),
            "The line is longer than 1,000,000 bytes",
        ),
        (b'{"a": "\xff"}', "Something here is not UTF-8."),
    ],
)
def test_a_line_that_is_none_is_refused_by_itself(line, said):
    (_, (number, problem), (_, last)) = read_lines(b'{"a": 1}\n%s\n{"a": 2}' % line)

    assert (number, last) == (2, {"a": 2})
    assert isinstance(problem, EventProblem)
    assert problem.detail.startswith(said)


@pytest.mark.parametrize("first", [b"Event Name,User", b"[{", b"{\n"])
def test_a_file_that_is_no_jsonl_is_refused(first):
    with pytest.raises(FileError) as caught:
        read_lines(first)

    assert caught.value.line == 1
