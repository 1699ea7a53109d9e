"""The events of a body, each judged by itself, however many are read in one go."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple

from referrals import rules, values
from referrals.api.body import JSON
from referrals.api.body_pieces import (
    MAX_EVENTS,
    MAX_VALUES,
    LenientlyRead,
    Piece,
    cut_body,
    make_listing,
)
from referrals.plain_events import PlainEvents, read_plain_body, read_plain_events
from referrals.schema import (
    EventProblem,
    IncomingEvent,
    check_object,
    decode_event,
)

Incoming = IncomingEvent | EventProblem

#: So few are read one by one: to prepare for many takes as long.
_FEW: Final = 4
#: A shorter body has few.
_FEW_BYTES: Final = 400
_EVENTS: Final = make_listing("events", "event")


class BodyEvents(NamedTuple):
    """The events of a body in order, each checked or with its problem.

    `forms` are theirs, as `event_forms` makes them, where reading has made them.
    """

    events: Sequence[Incoming]
    forms: Sequence[bytes | None]


def decode_events(media_type: str, body: bytes) -> list[Incoming]:
    """Return the events of a body in order, each checked or with its problem.

    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither an event nor a list.
    """
    return list(decode_body(media_type, body).events)


def decode_body(media_type: str, body: bytes) -> BodyEvents:
    """Do the same, and return the forms that were made, too."""
    now, cut = datetime.now(UTC), _CutBody(media_type, body)
    read = _read_plain(cut, now)
    if read is None:
        events = [_decode_one(piece, now) for piece in cut.pieces]
        return BodyEvents(events, [None] * len(events))
    if all(read.events):
        return BodyEvents(read.events, read.forms)  # type: ignore[arg-type] # none is None
    events = [
        event or decode_event(text, now=now)
        for text, event in zip(cut.texts, read.events, strict=True)
    ]
    return BodyEvents(events, read.forms)


class _CutBody:
    """A body that is cut into its pieces when they are asked for. May raise `ProblemError`."""

    def __init__(self, media_type: str, data: bytes) -> None:
        self.media_type, self.data = media_type, data

    @cached_property
    def pieces(self) -> Sequence[Piece]:
        return cut_body(self.media_type, self.data, _EVENTS)

    @cached_property
    def texts(self) -> Sequence[bytes]:
        """Each piece, where a strict decoder found them."""
        return [
            bytes(piece)
            for piece in self.pieces
            if not isinstance(piece, LenientlyRead)
        ]


def _read_plain(body: _CutBody, now: datetime) -> PlainEvents | None:
    """Return the plain events of a body; None where each is to be read by the rules."""
    data = body.data
    # Nothing is made of a body of which the values have to be counted first.
    if (
        body.media_type == JSON
        and len(data) > _FEW_BYTES
        and values.has_few_members(data, MAX_VALUES)
    ):
        read = read_plain_body(data, MAX_EVENTS, now, cut=lambda: body.texts)
        if read is not None:
            return read
    # Long events are never plain, and to cut them into texts takes as much memory as they do.
    # So the few short ones of a body whose events are long on average are read by the rules.
    if (
        len(body.pieces) <= _FEW
        or isinstance(body.pieces[0], LenientlyRead)
        or len(data) > rules.MAX_VALUES * len(body.pieces)
    ):
        return None
    return read_plain_events(body.texts, now)


def _decode_one(piece: Piece, now: datetime) -> Incoming:
    if isinstance(piece, LenientlyRead):
        return check_object(piece.value, now=now)
    return decode_event(piece, now=now)
