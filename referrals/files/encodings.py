"""From bytes to lines of text, by byte order mark, by a named encoding, or as UTF-8."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, cast

from referrals.files.file_errors import FileError

_UTF_8: Final = ("utf-8", "utf-8-sig")
#: A byte order mark, and the encoding that it stands for. UTF-32's begins with UTF-16's.
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: How files begin that hold no text, and what to do with them.
_NO_TEXT: Final = {
    b"PK\x03\x04": "The file is a workbook or a ZIP archive, not text. Save the sheet as "
    '"CSV UTF-8", or unpack the archive, and import that.',
    b"\x1f\x8b": "The file is compressed with gzip. Unpack it and import that, for example "
    "with gzip -dc FILE | manage.py import_events APP - (and --format csv for a CSV).",
}
_ADVICE: Final = (
    'Save the file as UTF-8 ("CSV UTF-8" in a spreadsheet), or name the encoding that it '
    "has, for example --encoding cp1252."
)
_HEAD_BYTES: Final = 4


@contextmanager
def open_text(file: BinaryIO, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    """Give `file` as text whose lines end in LF; a CR is left where it stands.

    A byte order mark counts first, then `encoding`, then UTF-8. Bytes that are invalid in
    the encoding become half a surrogate pair, which `check_text` finds. Raises `FileError` for a
    file that is no text. The file is the caller's, and stays open.
    """
    reader = io.BufferedReader(cast("io.RawIOBase", file))
    try:
        name = _recognise(reader.peek(_HEAD_BYTES), encoding)
        # The codecs of UTF-16 and UTF-32 know no other lenience.
        wide = codecs.lookup(name).name.startswith(("utf-16", "utf-32"))
        errors = "surrogatepass" if wide else "surrogateescape"
        text = io.TextIOWrapper(reader, encoding=name, errors=errors, newline="\n")
        try:
            yield text
        finally:
            text.detach()
    finally:
        reader.detach()


def read_lines(text: io.TextIOWrapper, longest: int) -> Iterator[str]:
    """Yield each line with its end; of one over `longest` characters only a beginning.

    The rest of such a line comes as the next line, so that the caller has to stop there.
    """
    number = 1
    try:
        while line := text.readline(longest + 1):
            yield line
            number += 1
    except UnicodeDecodeError as error:
        raise FileError(number, explain_encoding(text.encoding)) from error


def check_text(line: str, number: int, encoding: str) -> None:
    """Raise `FileError` where something in `line` is not in its encoding."""
    if line.isascii():
        return
    try:
        line.encode()
    except UnicodeEncodeError as error:
        raise FileError(number, explain_encoding(encoding)) from error


def explain_encoding(encoding: str) -> str:
    """Return the fault and remedy of a file that is not in `encoding`."""
    name = "UTF-8" if is_utf_8(encoding) else encoding
    return f"Something here is not {name}. {_ADVICE}"


def is_utf_8(encoding: str) -> bool:
    """Return whether `encoding`, as Python spells it, is UTF-8."""
    return encoding in _UTF_8


def is_encoding(name: str) -> bool:
    """Return whether `name` is an encoding of text that Python knows."""
    try:
        return "id\n".encode(name).decode(name) == "id\n"
    except (LookupError, ValueError):
        return False


def _recognise(head: bytes, named: str | None) -> str:
    """Return the encoding of a file that begins with `head`. Raises `FileError`."""
    for beginning, advice in _NO_TEXT.items():
        if head.startswith(beginning):
            raise FileError(1, advice)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if named:
        return codecs.lookup(named).name
    if b"\0" in head[:_HEAD_BYTES]:
        raise FileError(
            1,
            "The file is no UTF-8. It looks like UTF-16 without a byte order mark: save "
            "it as UTF-8, or import it with --encoding utf-16-le or utf-16-be.",
        )
    return _UTF_8[0]
