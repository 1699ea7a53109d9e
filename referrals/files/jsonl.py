"""JSONL: one event a line, in the form of `POST /v1/events`."""

import io
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar, cast

from referrals.files.encodings import explain_encoding, is_utf_8, open_text
from referrals.files.file_errors import FileError, NumberedEvent, NumberedObject
from referrals.refusals import Code
from referrals.rules import MAX_EVENT_BYTES, BrokenRuleError, check_size
from referrals.schema import EventProblem, IncomingEvent, decode_event
from referrals.sources.document import read_json

#: A line without end must not fill the memory: it is read in pieces of so many.
_PIECE: Final = 2 * MAX_EVENT_BYTES
#: What a platform says of one event, as long as a call of it may be.
MAX_OBJECT_BYTES: Final = 1_000_000
_ARRAY: Final = (
    "The file is one JSON array. JSONL has one event a line, without brackets around them "
    "and without commas between them. This writes it: jq -c '.[]' FILE"
)
_SPREAD: Final = (
    "The first event goes over several lines. JSONL has one event a line. This writes it: "
    "jq -c . FILE"
)
_HEADING: Final = (
    "This is the heading of a CSV, and the file is read as JSONL, because its name does not "
    "end in .csv, .tsv or .tab. Say --format csv."
)
_NO_OBJECT: Final = (
    "The file is read as JSONL, and this line is no JSON object. If it is a CSV, say "
    "--format csv."
)
_TOO_LONG: Final = f"The line is longer than {MAX_OBJECT_BYTES:,} bytes, which no call of a platform is."
_CARRIAGE_RETURNS: Final = (
    "This line cannot be read, and it holds a CR without an LF: perhaps several events, "
    "as old programs end lines. Save the file with LF or CRLF at the end of each line."
)

Readline = Callable[[int], bytes]
Read = TypeVar("Read")


class _RawLine(NamedTuple):
    """A line without the blanks around it: `text` is whole where `size` is allowed."""

    number: int
    text: bytes
    size: int


def read_jsonl(
    file: BinaryIO, *, encoding: str | None = None
) -> Generator[NumberedEvent, None, None]:
    """Yield each event with its line number. Lines of nothing but blanks are skipped.

    `encoding` is that of a file without a byte order mark, UTF-8 where it is None.
    Raises `FileError` for a file that is no JSONL.
    """
    return _read_file(file, encoding, MAX_EVENT_BYTES, _check_first, _read_event)


def read_jsonl_objects(
    file: BinaryIO, *, encoding: str | None = None
) -> Generator[NumberedObject, None, None]:
    """Yield each object with its line number, read as a call of a platform is.

    The rest is as for `read_jsonl`.
    """
    return _read_file(
        file, encoding, MAX_OBJECT_BYTES, _check_first_object, _read_object
    )


def _read_file(
    file: BinaryIO,
    encoding: str | None,
    most: int,
    check_first: Callable[[_RawLine], None],
    read: Callable[[_RawLine, str], Read],
) -> Generator[tuple[int, Read], None, None]:
    """Yield what stands on each line, of which `most` bytes are kept."""
    with open_text(file, encoding) as text:
        number = 0
        try:
            for line in _read_lines(_choose_readline(text), most):
                if not number:
                    check_first(line)
                number = line.number
                yield number, read(line, text.encoding)
        except UnicodeDecodeError as error:
            raise FileError(number + 1, explain_encoding(text.encoding)) from error


def _choose_readline(text: io.TextIOWrapper) -> Readline:
    """Return a function that reads a line as UTF-8, or the next piece of a long line."""
    if is_utf_8(text.encoding):
        # No text is decoded twice, and invalid UTF-8 costs one event only.
        reader = cast("io.BufferedReader", text.buffer)
        if text.encoding == "utf-8-sig":
            reader.read(len(BOM_UTF8))
        return reader.readline
    return lambda longest: text.readline(longest).encode(errors="surrogatepass")


def _read_lines(readline: Readline, most: int) -> Iterator[_RawLine]:
    """Yield the lines that hold something. None is cut without its size saying so."""
    number = 0
    while piece := readline(_PIECE):
        number += 1
        text = b""
        size = end = 0
        while piece:
            # Blanks before an event and behind it may be longer than any event.
            kept = piece if size else piece.lstrip()
            if size <= most:
                text += kept
            if stripped := kept.rstrip():
                end = size + len(stripped)
            size += len(kept)
            piece = b"" if piece.endswith(b"\n") else readline(_PIECE)
        if end:
            yield _RawLine(number, text[:end], end)


def _check_first(line: _RawLine) -> None:
    """Raise `FileError` where the first line shows that the file is other JSON, or a CSV."""
    if line.text.startswith(b"["):
        raise FileError(line.number, _ARRAY)
    if line.text == b"{":
        raise FileError(line.number, _SPREAD)
    # Every heading has this column, and in JSON a colon follows.
    if b"occurred_at" in line.text and b":" not in line.text:
        raise FileError(line.number, _HEADING)


def _check_first_object(line: _RawLine) -> None:
    """Raise `FileError` where the first line is no JSON, or as `_check_first` does."""
    if not line.text.startswith((b"{", b"[")):
        raise FileError(line.number, _NO_OBJECT)
    _check_first(line)


def _read_event(line: _RawLine, encoding: str) -> IncomingEvent | EventProblem:
    try:
        check_size(line.size)
    except BrokenRuleError as error:
        event: IncomingEvent | EventProblem = EventProblem(
            error.code, error.pointer, error.detail
        )
    else:
        event = decode_event(line.text)
    if isinstance(event, EventProblem) and not event.pointer:
        if b"\r" in line.text:
            return EventProblem(Code.NOT_JSON, "", _CARRIAGE_RETURNS)
        if not _is_text(line):
            return EventProblem(Code.NOT_JSON, "", explain_encoding(encoding))
    return event


def _read_object(line: _RawLine, encoding: str) -> dict[str, Any] | EventProblem:
    if line.size > MAX_OBJECT_BYTES:
        return EventProblem(Code.TOO_LARGE, "", _TOO_LONG)
    if not _is_text(line):
        return EventProblem(Code.NOT_JSON, "", explain_encoding(encoding))
    try:
        found = read_json(line.text)
    except BrokenRuleError as error:
        return EventProblem(error.code, error.pointer, error.detail)
    if isinstance(found, dict):
        return found
    return EventProblem(Code.WRONG_SHAPE, "", _NO_OBJECT)


def _is_text(line: _RawLine) -> bool:
    """Return whether the line is in its encoding. One that was cut may end anywhere."""
    try:
        line.text.decode()
    except UnicodeDecodeError:
        return line.size > len(line.text)
    return True
