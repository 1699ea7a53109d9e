"""The events of a body, each decoded by itself."""

from datetime import UTC, datetime
from typing import Final

from referrals.api.body_pieces import LenientlyRead, Piece, cut_body, make_listing
from referrals.plain_events import read_plain_events
from referrals.schema import (
    EventProblem,
    IncomingEvent,
    check_object,
    decode_event,
)

#: So few are read one by one: to prepare for many takes as long.
_FEW: Final = 4
_EVENTS: Final = make_listing("events", "event")


def decode_events(media_type: str, body: bytes) -> list[IncomingEvent | EventProblem]:
    """Return the events of a body in order, each checked or with its problem.

    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither an event nor a list.
    """
    now = datetime.now(UTC)
    pieces = cut_body(media_type, body, _EVENTS)
    if len(pieces) <= _FEW or isinstance(pieces[0], LenientlyRead):
        return [_decode_one(piece, now) for piece in pieces]
    texts = [bytes(piece) for piece in pieces if not isinstance(piece, LenientlyRead)]
    return [
        event or decode_event(text, now=now)
        for text, event in zip(texts, read_plain_events(texts, now), strict=True)
    ]


def _decode_one(piece: Piece, now: datetime) -> IncomingEvent | EventProblem:
    if isinstance(piece, LenientlyRead):
        return check_object(piece.value, now=now)
    return decode_event(piece, now=now)
