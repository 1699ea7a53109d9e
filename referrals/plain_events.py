"""Reads plain events, as nearly all are, at half of what it costs to ask each rule.

An event is plain where a few looks show that no rule refuses it. Any other is left to
`schema.decode_event`, which asks them one by one and words the refusal. Pure.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import force_setattr

from referrals import precision, rules
from referrals.event_forms import make_forms
from referrals.schema import IncomingEvent, IncomingPerson, may_be_odd
from referrals.vocabulary import EventType


class PlainEvents(NamedTuple):
    """The plain events among some, and their forms; None in place of each that is not."""

    events: Sequence[IncomingEvent | None]
    forms: Sequence[bytes | None]


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    events: list[IncomingEvent]


_NOT_PLAIN: Final = (ValueError, RecursionError, precision.LostDigitsError)
#: By how much a time becomes longer that was a number of ten digits.
_LONGER: Final = len('"2026-11-23T10:15:00Z"') - 10
_TEN_DIGITS: Final = 10**9
_TIME_COLONS: Final = 2
_EARLIEST_SECOND: Final = rules.EARLIEST.timestamp()
# To look a member up in its enum takes as long as a rule.
_CUSTOM: Final = EventType.CUSTOM
_IDENTIFY: Final = EventType.IDENTIFY
_LINK_CLICK: Final = EventType.LINK_CLICK
_decode: Final = msgspec.json.Decoder(
    IncomingEvent, float_hook=precision.read_float
).decode
_decode_batch: Final = msgspec.json.Decoder(
    _Batch, float_hook=precision.read_float
).decode
#: What a body has around its events, and between them a comma each.
_AROUND: Final = len(b'{"events":[]}')
#: How a body begins. One with blanks has some here, too, and would be read in vain.
_BEGINNING: Final = b'{"events":['
#: Shorter ones may be dots.
_SHORTEST_ID: Final = 3
_LONGEST_ID: Final = 200


def read_plain_events(texts: Sequence[bytes], now: datetime) -> PlainEvents:
    """Return each event as `decode_event` does, or None where that has to look."""
    whole = b"".join(texts)
    is_odd = may_be_odd(whole)
    reader = _Reader(now, whole)
    plain = reader.take_plain([_try_to_decode(text, is_odd=is_odd) for text in texts])
    return reader.check_texts(texts, plain)


def read_plain_body(
    body: bytes, most: int, now: datetime, *, cut: Callable[[], Sequence[bytes]]
) -> PlainEvents | None:
    """Do so with the events that a body lists; None where they are to be read one by one.

    To read them in one go takes less than to `cut` the body into their texts, which is done
    only where one of them is not plain. A body with more than `most`, or none, is not read.
    """
    if may_be_odd(body) or not body.startswith(_BEGINNING):
        return None
    try:
        events = _decode_batch(body).events
    except _NOT_PLAIN:
        return None
    if not 0 < len(events) <= most:
        return None
    reader = _Reader(now, body)
    plain = reader.take_plain(events)
    if all(plain):
        return reader.check_body(plain)  # type: ignore[arg-type] # none is None
    texts = cut()
    is_short = max(map(len, texts)) <= rules.MAX_VALUES
    return reader.check_texts(texts, plain) if is_short else None


def _try_to_decode(text: bytes, *, is_odd: bool) -> IncomingEvent | None:
    # A text as short as this breaks no rule of size.
    if len(text) > rules.MAX_VALUES or (is_odd and may_be_odd(text)):
        return None
    try:
        return _decode(text)
    except _NOT_PLAIN:
        return None


class _Reader:
    """Reads the events of one body, `whole`.

    It keeps how their JSON changes when they are written again: how many of them have a
    number as their time, by how many characters those become longer, and whether anything
    else may become longer, too.
    """

    def __init__(self, now: datetime, whole: bytes) -> None:
        self._now = now
        self._whole = whole
        self._numbers = 0
        self._longer = 0
        self._may_grow = False

    def take_plain(
        self, events: Sequence[IncomingEvent | None]
    ) -> Sequence[IncomingEvent | None]:
        """Return the events that are plain, if no key stood twice; None for each other one."""
        now_second, plain = self._now.timestamp(), list(events)
        numbers, numbered = [], []
        for index, event in enumerate(events):
            if event is None:
                continue
            time, referrer, user = event.occurred_at, event.referrer, event.user
            if (
                type(referrer) is not IncomingPerson
                # Without null, there are identities.
                or "" in referrer.identities  # type: ignore[operator]
                or (
                    event.type is not _LINK_CLICK
                    if user is None
                    else "" in user.identities  # type: ignore[operator]
                )
                or event.metadata
                or (
                    (event.name or event.event_data or event.type is _IDENTIFY)
                    if event.type is not _CUSTOM
                    else not _is_plain_custom(event)
                )
            ):
                plain[index] = None
            elif type(time) is int and _EARLIEST_SECOND <= time <= now_second:
                numbers.append(time)
                numbered.append(event)
            elif not (time is None or self._is_plain_instant(time)):
                plain[index] = None
        self._make_instants(numbered, numbers)
        return plain

    def _make_instants(
        self, events: Sequence[IncomingEvent], numbers: Sequence[int]
    ) -> None:
        """Give the events the instants that their numbers tell."""
        instants = msgspec.convert(numbers, list[datetime], strict=False)
        for event, instant in zip(events, instants, strict=True):
            # Nobody has seen the event yet, and to copy it takes four times as long.
            force_setattr(event, "occurred_at", instant)
        are_nine = sum([number < _TEN_DIGITS for number in numbers])
        self._numbers = len(numbers)
        self._longer = _LONGER * len(numbers) + are_nine

    @cached_property
    def _may_be_finer(self) -> bool:
        return precision.may_be_finer(self._whole)

    def _is_plain_instant(self, time: datetime | float) -> bool:
        if not isinstance(time, datetime) or self._may_be_finer:
            return False
        self._may_grow |= time.microsecond != 0
        return time.tzinfo is UTC and rules.EARLIEST <= time <= self._now

    def check_texts(
        self, texts: Sequence[bytes], plain: Sequence[IncomingEvent | None]
    ) -> PlainEvents:
        """Return what was read of `texts`: all of it, or nothing where a key may have been lost.

        Of an event that has lost a key, less is written than was sent. So all of them are
        whole if they are as long as they were, or else if they have as many colons.
        """
        events = [event for event in plain if event]
        forms = make_forms(events)
        sent = b"".join([t for t, event in zip(texts, plain, strict=True) if event])
        written = b"".join(forms)
        if _have_ids(events) and (
            self._are_as_long(len(sent), len(written))
            or self._count_colons(sent) == written.count(b":")
        ):
            left = iter(forms)
            return PlainEvents(
                plain, [next(left) if event else None for event in plain]
            )
        # Which of them is at fault, `decode_event` finds.
        none = [None] * len(texts)
        return PlainEvents(none, none)

    def check_body(self, events: Sequence[IncomingEvent]) -> PlainEvents | None:
        """Return all that was read of the body; None where that may be less than was sent.

        So it is where it has blanks. Where it has none, no event was longer than it is now.
        """
        forms = make_forms(events)
        lengths = list(map(len, forms))
        sent = len(self._whole) - _AROUND - (len(events) - 1)
        is_whole = (
            _have_ids(events)
            and self._are_as_long(sent, sum(lengths))
            and max(lengths) <= rules.MAX_VALUES
        )
        return PlainEvents(events, forms) if is_whole else None

    def _are_as_long(self, sent: int, written: int) -> bool:
        return not self._may_grow and sent + self._longer == written

    def _count_colons(self, sent: bytes) -> int:
        """Return how many colons should be written of what was sent."""
        return sent.count(b":") + _TIME_COLONS * self._numbers


def _have_ids(events: Sequence[IncomingEvent]) -> bool:
    """Return whether each event surely has an id that `rules.check_id` takes."""
    ids = [event.id for event in events]
    lengths = list(map(len, ids))
    together = "".join(ids)
    return (
        min(lengths, default=_SHORTEST_ID) >= _SHORTEST_ID
        and max(lengths, default=_SHORTEST_ID) <= _LONGEST_ID
        and together.isascii()
        and together.isprintable()
        and " " not in together
        and "/" not in together
    )


def _is_plain_custom(event: IncomingEvent) -> bool:
    """Return whether the name may be one, and event data is flat."""
    try:
        rules.check_name(_CUSTOM, event.name)
    except rules.BrokenRuleError:
        return False
    data = event.event_data
    return not data or all(map(_is_plain_value, data.values()))


def _is_plain_value(value: object) -> bool:
    kind = type(value)
    return (
        kind is str
        or kind is bool
        or (isinstance(value, int) and abs(value) <= rules.MAX_INTEGER)
    )
