"""The events of a body, each decoded by itself."""

from datetime import UTC, datetime
from typing import Final

from referrals.api.body_pieces import LenientlyRead, cut_body, make_listing
from referrals.schema import (
    EventProblem,
    IncomingEvent,
    check_object,
    decode_event,
    may_be_odd,
)

_EVENTS: Final = make_listing("events", "event")


def decode_events(media_type: str, body: bytes) -> list[IncomingEvent | EventProblem]:
    """Return the events of a body in order, each checked or with its problem.

    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither an event nor a list.
    """
    now, is_odd = datetime.now(UTC), may_be_odd(body)
    return [
        check_object(piece.value, now=now)
        if isinstance(piece, LenientlyRead)
        else decode_event(piece, now=now, is_odd=is_odd)
        for piece in cut_body(media_type, body, _EVENTS)
    ]
