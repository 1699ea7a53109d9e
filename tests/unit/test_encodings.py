"""From bytes to lines of text, whatever wrote them."""

import gzip
import io

import pytest

from referrals.files import FileError
from referrals.files.encodings import (
    check_text,
    is_encoding,
    open_text,
    read_lines,
)

TEXT = "Größe,€\r\n,x\rz\nlast"
LINES = ["Größe,€\r\n", ",x\rz\n", "last"]


def read(data, encoding=None, longest=100):
    """Return the lines of `data`, each in its encoding."""
    with open_text(io.BytesIO(data), encoding) as text:
        lines = list(read_lines(text, longest))
        for number, line in enumerate(lines, 1):
            check_text(line, number, text.encoding)
        return lines


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-8-sig", "cp1252"),
        ("utf-16", None),
        ("utf-16", "utf-16-le"),
        ("utf-32", None),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "UTF_16BE"),
        ("cp1252", "cp1252"),
        ("cp1252", "Windows-1252"),
        ("iso-8859-15", "iso-8859-15"),
    ],
)
def test_a_mark_counts_before_a_name_and_a_name_before_utf_8(written, named):
    assert read(TEXT.encode(written), named) == LINES


@pytest.mark.parametrize(
    ("data", "named", "line", "words"),
    [
        (TEXT.encode("cp1252"), None, 1, "not UTF-8. Save the file as UTF-8"),
        (b"a\nb\nc\xe9\nd", None, 3, "not UTF-8. Save the file as UTF-8"),
        ("a\né".encode("utf-8-sig") + b"\xff", None, 2, "not UTF-8."),
        (b"a\n\x81", "cp1252", 2, "not cp1252."),
        (b"\xff\xfea\0\n\0\x00\xd8\n\0", None, 2, "not utf-16."),
        (b"\xff\xfea\0\n\0b", None, 2, "not utf-16."),
        ("id".encode("utf-16-le"), None, 1, "import it with --encoding utf-16-le"),
        (b"PK\x03\x04workbook", None, 1, "a workbook or a ZIP archive"),
        (gzip.compress(b"id", mtime=0), None, 1, "compressed with gzip"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(data, named, line, words):
    with pytest.raises(FileError) as caught:
        read(data, named)

    assert caught.value.line == line
    assert words in caught.value.detail


def test_a_line_without_end_comes_in_pieces():
    assert read(b"abc\n" + b"d" * 25, longest=9) == [
        "abc\n",
        "d" * 10,
        "d" * 10,
        "ddddd",
    ]


def test_the_file_stays_open():
    file = io.BytesIO(b"a\nb")
    with open_text(file, None):
        pass

    assert not file.closed


def test_only_encodings_of_text_are_known():
    assert is_encoding("cp1252")
    assert not is_encoding("cp1252x")
    assert not is_encoding("rot13")
