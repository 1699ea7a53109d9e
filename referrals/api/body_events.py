"""The events of a body, each judged by itself, however many are read in one go."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple

from referrals import rules, values
from referrals.api.body import JSON
from referrals.api.body_pieces import (
    MAX_EVENTS,
    MAX_VALUES,
    Piece,
    cut_body,
    make_listing,
)
from referrals.api.lenient_text import LenientText
from referrals.memory import LARGE_BYTES
from referrals.plain_events import PlainEvents, read_plain_body, read_plain_events
from referrals.refusals import Code
from referrals.repeated_keys import find_repeated_key
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
#: What is made of a longer body takes several times its length, if it is there all at once.
MAX_WHOLE_BYTES: Final = LARGE_BYTES
#: So many events of one are read at once.
_AT_ONCE: Final = 25
_EVENTS: Final = make_listing("events", "event")


class BodyEvents(NamedTuple):
    """All events of a body in order, or some that follow one another, each checked or with its problem.

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
        return _decode_pieces(cut.pieces, now)
    return _complete_plain(read, lambda: cut.texts, now)


def is_large(body: bytes) -> bool:
    """Return whether what is made of all of a body at once would take much memory."""
    return len(body) > MAX_WHOLE_BYTES


def decode_in_runs(media_type: str, body: bytes) -> Iterator[BodyEvents]:
    """Do as `decode_body` with some events after the others, as they are asked for.

    So the texts, each of whose characters takes four bytes where one is an emoji, are never
    there all at once. What is raised is raised before the first of the events.
    """
    now, pieces = datetime.now(UTC), cut_body(media_type, body, _EVENTS)
    starts = range(0, len(pieces), _AT_ONCE)
    return (_decode_pieces(pieces[start : start + _AT_ONCE], now) for start in starts)


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
            bytes(piece) for piece in self.pieces if not isinstance(piece, LenientText)
        ]


def _read_plain(body: _CutBody, now: datetime) -> PlainEvents | None:
    """Return the plain events of a body, read in one go; None where it is to be cut."""
    data = body.data
    # Nothing is made of a body of which the values have to be counted first.
    if (
        body.media_type != JSON
        or len(data) <= _FEW_BYTES
        or not values.has_few_members(data, MAX_VALUES)
    ):
        return None
    return read_plain_body(data, MAX_EVENTS, now, cut=lambda: body.texts)


def _decode_pieces(pieces: Sequence[Piece], now: datetime) -> BodyEvents:
    texts = _take_short(pieces)
    if len(texts) <= _FEW:
        events = [_decode_one(piece, now) for piece in pieces]
        return BodyEvents(events, [None] * len(events))
    return _complete_plain(read_plain_events(texts, now), lambda: texts, now)


def _take_short(pieces: Sequence[Piece]) -> Sequence[bytes]:
    """Return the pieces as texts; none where one is lenient, or where they are long.

    Long events are never plain, and to cut them into texts takes as much memory as they do.
    So the few short ones among events that are long on average are read by the rules.
    """
    most, size = rules.MAX_VALUES * len(pieces), 0
    for piece in pieces:
        if isinstance(piece, LenientText):
            return ()
        size += len(piece)
    return () if size > most else [bytes(piece) for piece in pieces]  # type: ignore[arg-type] # none is lenient


def _complete_plain(
    read: PlainEvents, find_texts: Callable[[], Sequence[bytes]], now: datetime
) -> BodyEvents:
    """Return what was read, and by the rules each event that is not plain."""
    if all(read.events):
        return BodyEvents(read.events, read.forms)  # type: ignore[arg-type] # none is None
    events = [
        event or decode_event(text, now=now)
        for text, event in zip(find_texts(), read.events, strict=True)
    ]
    return BodyEvents(events, read.forms)


def _decode_one(piece: Piece, now: datetime) -> Incoming:
    if not isinstance(piece, LenientText):
        return decode_event(piece, now=now)
    try:
        rules.check_size(len(piece.text))
        value = piece.load()
    except (ValueError, RecursionError):
        # A strict decoder refuses it as well, and says why.
        return decode_event(piece.text, now=now)
    event = check_object(value, now=now)
    if isinstance(event, EventProblem):
        return event
    # What no event may have was read, and is gone: its key stood twice.
    pointer = find_repeated_key(bytes(piece.text)) or ""
    return EventProblem(Code.REPEATED_KEY, pointer, rules.REPEATED_KEY_RULE, event.id)
