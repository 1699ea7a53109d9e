"""A body cut into the pieces that it holds: a bad one costs its own result only."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from referrals import values
from referrals.api.body import NDJSON
from referrals.api.lenient_text import (
    LenientText,
    replace_constants,
    replace_halves,
)
from referrals.api.problems import (
    NOT_JSON,
    TOO_MANY_EVENTS,
    TOO_MANY_VALUES,
    WRONG_SHAPE,
    ProblemError,
)
from referrals.rules import extend_pointer

MAX_EVENTS: Final = 1_000
# In all pieces of a request: each value costs a microsecond or more of shared CPU.
MAX_VALUES: Final = 100_000
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# A line that holds more than white space.
LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")
_OBJECT: Final = re.compile(rb"[ \t\r\n]*+\{")
#: What stands between the pieces of a list, and behind the last.
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")
_BEHIND: Final = re.compile(rb"[ \t\r\n]*\][ \t\r\n]*\}[ \t\r\n]*")


Piece = msgspec.Raw | bytes | memoryview | LenientText


class Listing(NamedTuple):
    """What a body holds one or several of.

    `name` is that of several, and of the member that lists them; `decoder` reads a body
    with such a list and nothing else.
    """

    name: str
    one: str
    decoder: msgspec.json.Decoder[Any]
    batch: re.Pattern[bytes]


def make_listing(name: str, one: str) -> Listing:
    """Return the form of bodies with one, or with several in a list of that name."""
    batch = msgspec.defstruct(
        name, [(name, list[msgspec.Raw])], forbid_unknown_fields=True
    )
    return Listing(
        name, one, msgspec.json.Decoder(batch), values.compile_batch(name.encode())
    )


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def cut_body(media_type: str, body: bytes, listing: Listing) -> Sequence[Piece]:
    """Return the pieces of a body in order, 1 to `MAX_EVENTS`.

    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither one nor a list.
    """
    if values.may_have_more(body, MAX_VALUES):
        _check_amount(media_type, body, listing)
    pieces: Sequence[Piece]
    pieces = _cut_lines(body) if media_type == NDJSON else _cut_json(body, listing)
    if len(pieces) > MAX_EVENTS:
        raise _too_many_events(listing)
    if not pieces:
        raise ProblemError(
            WRONG_SHAPE, f"The body has no {listing.one}. Nothing was stored."
        )
    return pieces


def _check_amount(media_type: str, body: bytes, listing: Listing) -> None:
    """Refuse a body with too many pieces or values, before it is decoded.

    A few kilobytes of gzip can hold millions of pieces.
    """
    try:
        if media_type == NDJSON:
            _check_lines(body, listing)
        elif listing.batch.match(body):
            values.check_batch(body, MAX_EVENTS, MAX_VALUES)
        elif values.count_values(body, MAX_VALUES) > MAX_VALUES:
            raise _too_many_values(None, listing)
    except values.TooMuchError as error:
        if not error.of_values:
            raise _too_many_events(listing) from error
        pointer = extend_pointer(f"/{listing.name}", error.event)
        raise _too_many_values(pointer, listing) from error


def _check_lines(body: bytes, listing: Listing) -> None:
    left = MAX_VALUES
    for line in _cut_lines(body):
        left -= values.count_values(line, left)
        if left < 0:
            raise _too_many_values(None, listing)


def _too_many_events(listing: Listing) -> ProblemError:
    return ProblemError(
        TOO_MANY_EVENTS,
        f"The request has more than {MAX_EVENTS:,} {listing.name}. Nothing was stored. Send "
        "them in several requests.",
    )


def _too_many_values(pointer: str | None, listing: Listing) -> ProblemError:
    return ProblemError(
        TOO_MANY_VALUES,
        f"The {listing.name} of the request have more than {MAX_VALUES:,} values: members of "
        "objects and elements of lists, at any depth. Nothing was stored. Send fewer "
        f"{listing.name} in one request, or less with each.",
        pointer=pointer,
    )


def _cut_lines(body: bytes) -> list[memoryview]:
    # One more than allowed is enough to know that there are too many.
    lines = islice(LINE.finditer(body), MAX_EVENTS + 1)
    return [memoryview(body)[slice(*line.span())] for line in lines]


def _cut_json(body: bytes, listing: Listing) -> list[Piece]:
    try:
        return _read_strictly(body, listing)
    except UNREADABLE as error:
        return _read_leniently(body, listing, error)


def _read_strictly(body: bytes, listing: Listing) -> list[Piece]:
    try:
        return list(_list_pieces(body, listing))
    except msgspec.ValidationError:
        return [_read_single(body, listing)]


def _list_pieces(body: bytes | bytearray, listing: Listing) -> list[msgspec.Raw]:
    """Return the pieces that a body lists. Raises `UNREADABLE`, and `ProblemError`."""
    name = listing.name
    pieces: list[msgspec.Raw] = getattr(listing.decoder.decode(body), name)
    # Of two lists, the decoder has dropped one. Their name may be spelt with escapes.
    is_doubtful = body.count(f'"{name}"'.encode()) != 1 or b"\\u" in body
    if is_doubtful and _locate_pieces(body, pieces) is None:
        raise ProblemError(
            WRONG_SHAPE,
            f"`{name}` stands twice. Put all {name} into one list. Nothing was stored.",
            pointer=f"/{name}",
        )
    return pieces


def _locate_pieces(
    body: bytes | bytearray, pieces: Sequence[msgspec.Raw]
) -> list[slice] | None:
    """Return where the pieces stand in a body that has one list; None where it has two."""
    found = []
    # Nothing else can stand before the first list.
    end = body.index(b"[") + 1
    for piece in pieces:
        start = _BETWEEN.match(body, end).end()  # type: ignore[union-attr] # perhaps nothing
        end = start + len(piece)
        if body[start:end] != bytes(piece):
            return None
        found.append(slice(start, end))
    return found if _BEHIND.fullmatch(body, end) else None


def _read_single(body: bytes, listing: Listing) -> Piece:
    """Return the body as one piece, or say why it is neither one nor a list."""
    name = listing.name
    try:
        fields = _object.decode(body)
    except msgspec.ValidationError as error:
        # A decoder stops at the first wrong type, and has not seen the rest.
        msgspec.json.decode(body, type=msgspec.Raw)
        raise ProblemError(
            WRONG_SHAPE,
            f"The body is JSON, but no object. Several {name} go into "
            f'{{"{name}": [ … ]}}, one {listing.one} is sent as it is. Nothing was stored.',
        ) from error
    if name not in fields:
        return body
    other = next((each for each in fields if each != name), None)
    if other is not None:
        raise ProblemError(
            WRONG_SHAPE,
            f"Beside `{name}` nothing else may stand. Put it into each {listing.one}, or "
            "remove it. Nothing was stored.",
            pointer=extend_pointer("", other),
        )
    raise ProblemError(
        WRONG_SHAPE,
        f"`{name}` is no list of {name}. Nothing was stored.",
        pointer=f"/{name}",
    )


def _read_leniently(body: bytes, listing: Listing, error: Exception) -> list[Piece]:
    """Return the pieces where some hold what `lenient_text` tells of; each is judged by itself."""
    if not _OBJECT.match(body):
        raise _explain_not_json(body, error) from error
    halved = replace_halves(body)
    harmless = replace_constants(halved)
    try:
        places = _locate_pieces(harmless, _list_pieces(harmless, listing))
        seen = memoryview(body)
        return [
            seen[place] if seen[place] == harmless[place] else LenientText(seen[place])
            for place in places or ()
        ]
    except msgspec.ValidationError:
        # Half a pair is JSON, if barely (RFC 8259, section 8.2); NaN is not.
        if harmless == halved and _is_single(harmless, listing.name):
            return [LenientText(body)]
    except UNREADABLE:
        pass
    raise _explain_not_json(body, error) from error


def _is_single(body: bytes | bytearray, name: str) -> bool:
    try:
        return name not in _object.decode(body)
    except UNREADABLE:
        return False


def _explain_not_json(body: bytes, error: Exception) -> ProblemError:
    match error:
        case _ if not body.strip():
            reason = "it is empty"
        case RecursionError():
            reason = "it is nested too deeply"
        case UnicodeDecodeError():
            reason = "it is not UTF-8"
        case _:
            # The decoder names the fault and the byte, never the text.
            reason = str(error)
    return ProblemError(
        NOT_JSON, f"The body cannot be read as JSON: {reason}. Nothing was stored."
    )
