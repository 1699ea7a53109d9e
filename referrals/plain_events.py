"""Reads plain events, as nearly all are, at half of what it costs to ask each rule.

An event is plain where a few looks show that no rule refuses it. Any other is left to
`schema.decode_event`, which asks them one by one and words the refusal. Pure.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from referrals import precision, rules
from referrals.schema import IncomingEvent, IncomingPerson, may_be_odd
from referrals.vocabulary import EventType

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
_from_timestamp: Final = datetime.fromtimestamp
_decode: Final = msgspec.json.Decoder(
    IncomingEvent, float_hook=precision.read_float
).decode
_encode_lines: Final = msgspec.json.Encoder().encode_lines
#: Shorter ones may be dots.
_SHORTEST_ID: Final = 3
_LONGEST_ID: Final = 200


def read_plain_events(
    texts: Sequence[bytes], now: datetime
) -> Sequence[IncomingEvent | None]:
    """Return each event as `decode_event` does, or None where that has to look."""
    reader = _Reader(now, b"".join(texts))
    events = [reader.read(text) for text in texts]
    # Which of them is at fault, `decode_event` finds.
    are_plain = _have_ids(events) and reader.has_all_keys(texts, events)
    return events if are_plain else [None] * len(events)


def _have_ids(events: Sequence[IncomingEvent | None]) -> bool:
    """Return whether each event surely has an id that `rules.check_id` takes."""
    ids = [event.id for event in events if event]
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


class _Reader:
    """Reads the events of one body.

    It keeps how their JSON changes when they are written again: how many of them have a
    number as their time, by how many characters those become longer, and whether anything
    else may become longer, too.
    """

    def __init__(self, now: datetime, whole: bytes) -> None:
        self._now = now
        self._now_second = now.timestamp()
        self._whole = whole
        self._is_odd = may_be_odd(whole)
        self._numbers = 0
        self._longer = 0
        self._may_grow = False

    def read(self, text: bytes) -> IncomingEvent | None:
        """Return the event that `text` holds, if it is plain."""
        # A text as short as this breaks no rule of size.
        if len(text) > rules.MAX_VALUES or (self._is_odd and may_be_odd(text)):
            return None
        try:
            event = _decode(text)
        except _NOT_PLAIN:
            return None
        time, referrer, user = event.occurred_at, event.referrer, event.user
        if (
            type(referrer) is not IncomingPerson
            # Without null, there are identities.
            or "" in referrer.identities  # type: ignore[operator]
            or (
                event.type is not _LINK_CLICK if user is None else "" in user.identities  # type: ignore[operator]
            )
            or event.metadata
            or (
                (event.name or event.event_data or event.type is _IDENTIFY)
                if event.type is not _CUSTOM
                else not _is_plain_custom(event)
            )
        ):
            return None
        if type(time) is int and _EARLIEST_SECOND <= time <= self._now_second:
            # Nobody has seen the event yet, and to copy it takes four times as long.
            force_setattr(event, "occurred_at", _from_timestamp(time, UTC))
            self._numbers += 1
            self._longer += _LONGER if time >= _TEN_DIGITS else _LONGER + 1
            return event
        return event if time is None or self._is_plain_instant(time) else None

    @cached_property
    def _may_be_finer(self) -> bool:
        return precision.may_be_finer(self._whole)

    def _is_plain_instant(self, time: datetime | float) -> bool:
        if not isinstance(time, datetime) or self._may_be_finer:
            return False
        self._may_grow |= time.microsecond != 0
        return time.tzinfo is UTC and rules.EARLIEST <= time <= self._now

    def has_all_keys(
        self, texts: Sequence[bytes], events: Sequence[IncomingEvent | None]
    ) -> bool:
        """Return whether no key of what was read stood twice in its object.

        Of an event that has lost a key, less is written than was sent. So all of them are
        whole if they are as long as they were, or else if they have as many colons.
        """
        sent = b"\n".join([t for t, event in zip(texts, events, strict=True) if event])
        written = _encode_lines([event for event in events if event])
        if not self._may_grow and len(sent) + 1 + self._longer == len(written):
            return True
        return sent.count(b":") + _TIME_COLONS * self._numbers == written.count(b":")


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
