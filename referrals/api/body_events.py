"""A body cut into its events, each decoded by itself: a bad event costs one result."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from referrals import values
from referrals.api.body import NDJSON
from referrals.api.problems import (
    NOT_JSON,
    TOO_MANY_EVENTS,
    TOO_MANY_VALUES,
    WRONG_SHAPE,
    ProblemError,
)
from referrals.repeated_keys import find_repeated_key
from referrals.rules import extend_pointer
from referrals.schema import EventProblem, IncomingEvent, check_object, decode_event

MAX_EVENTS: Final = 1_000
# In all events of a request: each value costs a microsecond or more of shared CPU.
MAX_VALUES: Final = 100_000
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# A line that holds more than white space.
LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")


class _LenientlyRead(msgspec.Struct, frozen=True):
    """An event that only a lenient decoder could read."""

    value: Any


Piece = msgspec.Raw | bytes | _LenientlyRead


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_batch: Final = msgspec.json.Decoder(_Batch)
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode_events(media_type: str, body: bytes) -> list[IncomingEvent | EventProblem]:
    """Return the events of a body in order, each checked or with its problem.

    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither an event nor a list.
    """
    return [
        check_object(piece.value)
        if isinstance(piece, _LenientlyRead)
        else decode_event(piece)
        for piece in _cut(media_type, body)
    ]


def _cut(media_type: str, body: bytes) -> Sequence[Piece]:
    if values.may_have_more(body, MAX_VALUES):
        _check_amount(media_type, body)
    pieces: Sequence[Piece]
    pieces = _cut_lines(body) if media_type == NDJSON else _cut_json(body)
    if len(pieces) > MAX_EVENTS:
        raise _too_many_events()
    if not pieces:
        raise ProblemError(WRONG_SHAPE, "The body has no event. Nothing was stored.")
    return pieces


def _check_amount(media_type: str, body: bytes) -> None:
    """Refuse a body with too many events or values, before it is decoded.

    A few kilobytes of gzip can hold millions of events.
    """
    try:
        if media_type == NDJSON:
            _check_lines(body)
        elif values.BATCH.match(body):
            values.check_batch(body, MAX_EVENTS, MAX_VALUES)
        elif values.count_values(body, MAX_VALUES) > MAX_VALUES:
            raise _too_many_values(None)
    except values.TooMuchError as error:
        if not error.of_values:
            raise _too_many_events() from error
        raise _too_many_values(extend_pointer("/events", error.event)) from error


def _check_lines(body: bytes) -> None:
    left = MAX_VALUES
    for line in _cut_lines(body):
        left -= values.count_values(line, left)
        if left < 0:
            raise _too_many_values(None)


def _too_many_events() -> ProblemError:
    return ProblemError(
        TOO_MANY_EVENTS,
        f"The request has more than {MAX_EVENTS:,} events. Nothing was stored. Send them "
        "in several requests.",
    )


def _too_many_values(pointer: str | None) -> ProblemError:
    return ProblemError(
        TOO_MANY_VALUES,
        f"The events of the request have more than {MAX_VALUES:,} values: members of "
        "objects and elements of lists, at any depth. Nothing was stored. Send fewer "
        "events in one request, or less with each.",
        pointer=pointer,
    )


def _cut_lines(body: bytes) -> list[bytes]:
    lines = LINE.finditer(body)
    # One more than allowed is enough to know that there are too many.
    return [line[0] for _, line in zip(range(MAX_EVENTS + 1), lines, strict=False)]


def _cut_json(body: bytes) -> list[Piece]:
    try:
        return _read_strictly(body)
    except UNREADABLE as error:
        return _read_leniently(body, error)


def _read_strictly(body: bytes) -> list[Piece]:
    try:
        events = _batch.decode(body).events
    except msgspec.ValidationError:
        return [_read_single(body)]
    # Of two lists, the decoder has dropped one.
    if body.count(b'"events"') > 1 and find_repeated_key(body) == "/events":
        raise ProblemError(
            WRONG_SHAPE,
            "`events` stands twice. Put all events into one list. Nothing was stored.",
            pointer="/events",
        )
    return list(events)


def _read_single(body: bytes) -> Piece:
    """Return the body as one event, or say why it is neither an event nor a list."""
    try:
        fields = _object.decode(body)
    except msgspec.ValidationError as error:
        # A decoder stops at the first wrong type, and has not seen the rest.
        msgspec.json.decode(body, type=msgspec.Raw)
        raise ProblemError(
            WRONG_SHAPE,
            "The body is JSON, but no object. Several events go into "
            '{"events": [ … ]}, one event is sent as it is. Nothing was stored.',
        ) from error
    if "events" not in fields:
        return body
    other = next((name for name in fields if name != "events"), None)
    if other is not None:
        raise ProblemError(
            WRONG_SHAPE,
            "Beside `events` nothing else may stand. Put it into each event, or remove "
            "it. Nothing was stored.",
            pointer=extend_pointer("", other),
        )
    raise ProblemError(
        WRONG_SHAPE,
        "`events` is no list of events. Nothing was stored.",
        pointer="/events",
    )


def _read_leniently(body: bytes, error: Exception) -> list[Piece]:
    """Return the events where some hold NaN or half a surrogate pair.

    Either makes the whole text unreadable to a strict decoder, though writers of JSON do
    emit both; a lenient one finds the events, and each is judged by itself.
    """
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    try:
        # A float that was read here would have lost what its text says beyond a double.
        match json.loads(
            body.decode(),
            parse_constant=constant,
            parse_float=lambda number: msgspec.Raw(number.encode()),
        ):
            case {"events": [*events], **others} if not others:
                return [_LenientlyRead(event) for event in events]
            # Half a pair is JSON, if barely (RFC 8259, section 8.2); NaN is not.
            case {**fields} if "events" not in fields and not constants:
                return [_LenientlyRead(fields)]
    except (ValueError, RecursionError):
        pass
    raise _explain_not_json(body, error) from error


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
