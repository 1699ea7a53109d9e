"""Maps what nearly all events are, from the log's JSON to the records' in one step.

Pure: imports msgspec and no framework. An event is quick where nothing of it has to be looked
at closely: its people carry plain identities of the provider, its time is an ordinary one, and
its kind may be shared. Of such an event little is decoded, and its records are those that
`mapping.Mapper` makes, byte for byte. All others are left to that.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from sys import getsizeof
from typing import Any, Final, Protocol

import msgspec

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappingSettings,
    count_seconds,
    find_kept_back_kind,
    find_shelf,
    find_since,
    make_identity_rules,
)
from clevertap_sync.clevertap.moulds import MOST_SHELVES, Mould
from referrals.decoding import prepare_type
from referrals.schema import Event
from referrals.vocabulary import EventType, Side

_CUSTOM: Final = EventType.CUSTOM.value
_REFERRED: Final = Side.REFERRED
# JSON writes these characters as they are, in a byte each; none of them is a blank.
_LONG: Final = limits.MAX_IDENTITY
_PLAIN_IDENTITY: Final = re.compile(rf"[!#-\[\]-~]{{1,{_LONG}}}")
#: JSON writes it as it is, and other control characters as escapes.
_DELETE: Final = "\x7f"
#: More than an hour has seconds.
_MOST_TIMES: Final = 4_096
# Each takes a kilobyte. Long ones take up to 17, so their texts are counted as well: all that may be
# kept by all settings takes 50 MB.
_MOST_KINDS: Final = 512
_MOST_KIND_BYTES: Final = 1_000_000
# A longer identity is none that CleverTap takes for nobody's.
_SHORT: Final = max(map(len, limits.FORBIDDEN_IDENTITIES))
# What is longer is hardly shared, and no record that ends in so little is too large.
_LONGEST_BODY: Final = 2_000
_LONGEST_ENDING: Final = 2_000

# An event that is looked at in vain, or is the first of its kind, takes as much longer as a quick
# one saves. After so many, and where there were no more quick ones, all are looked at closely.
_PATIENCE: Final = 32

_events: Final = msgspec.json.Decoder(Event)
#: Events with the same values have records that differ in people and time alone.
_Kind = tuple[str | int | bytes | None, ...]
#: An event's position, its body, and the request that brought it.
Row = tuple[int, str, str]
#: The side as a number, as itself, its records' name, what they end in, texts shortened there.
#: They end in nothing where the settings keep them back. A tuple is unpacked in one go.
_SeenSide = tuple[int, Side, str, str, int]
#: A record's time as JSON, in seconds, and as it was.
_Time = tuple[str, int, datetime]


class Records(Protocol):
    """Where records go: `picks[i]`, twice the position plus the side, is that of `records[i]`."""

    picks: list[int]
    records: list[EventRecord]
    kept_back: list[int]
    #: The requests that brought what `records` has.
    requests: dict[str, None]


@prepare_type
class _PlainEvent(msgspec.Struct, frozen=True, gc=False):
    """What is decoded of an event. Its people are declared when their provider is known."""

    type: str
    occurred_at: str
    via: str | None = None
    channel: str | None = None
    content: str | None = None
    status: str = ""
    name: str = ""
    name_number: int = 0
    event_data: msgspec.Raw = msgspec.Raw(b"")
    test: bool = False


class QuickMapper:
    """Maps events by the settings of one upload. Several threads may use it at once."""

    __slots__ = (
        "_decode",
        "_is_by_identity",
        "_kept_back_kind",
        "_kind_bytes",
        "_kinds",
        "_match",
        "_shelf",
        "_since",
        "_start",
    )

    def __init__(self, settings: MappingSettings) -> None:
        rules = make_identity_rules(settings)
        self._decode = _make_decoder(settings.identity_provider)
        self._is_by_identity = not rules.by_object_id
        self._match = (
            limits.match_object_id if rules.by_object_id else _PLAIN_IDENTITY.fullmatch
        )
        self._start = rules.start.decode()
        self._shelf = find_shelf(settings)
        self._kinds: dict[_Kind, tuple[_SeenSide, ...]] = {}
        self._kind_bytes = 0
        self._kept_back_kind = find_kept_back_kind(settings)
        self._since = find_since(settings)

    def map_rows(
        self,
        rows: Iterable[Row],
        mapped: Records,
        look_closely: Callable[[int, str, str], object],
    ) -> None:
        """Add the events' records to `mapped`, in order; hand over each that is not quick.

        An upload has a thousand records, so there are few calls.
        """
        decode, kinds, picks = self._decode, self._kinds, mapped.picks
        misses, last_request, left = 0, "", iter(rows)
        for row in left:
            position, body, request_id = row
            try:
                event = decode(body)
                time = _read_time(event.occurred_at)
            except (ValueError, RecursionError):
                misses += 1
                look_closely(position, body, request_id)
                continue
            kind: _Kind = (
                (event.type, event.via, event.channel, event.content, event.status)
                if event.type != _CUSTOM
                else _name_custom_kind(event)
            )
            sides = kinds.get(kind)
            if sides is None:
                misses += 1
                sides = self._learn_kind(kind, body)
            if sides is None or not self._add(mapped, row, event, time, sides):
                misses += 1
                look_closely(position, body, request_id)
            elif request_id and request_id != last_request and _ends(picks, position):
                mapped.requests[request_id] = None
                last_request = request_id
            if misses > _PATIENCE and misses > len(picks) // 4:
                break
        for row in left:
            look_closely(*row)

    def _add(
        self,
        mapped: Records,
        row: Row,
        event: Any,  # noqa: ANN401 - as its decoder made it
        time: _Time,
        sides: tuple[_SeenSide, ...],
    ) -> bool:
        """Add an event's records. False, and nothing is added, where it is not quick."""
        position, body, _ = row
        text, seconds, instant = time
        if event.test is self._kept_back_kind or (
            self._since is not None and instant < self._since
        ):
            return False
        start, is_simple = self._start, self._is_by_identity and _is_simple(body)
        for number, side, name, ending, shortened in sides:
            person = event.referrer if number else event.user
            if person is None:
                continue
            pick = position * 2 + number
            if not ending:
                mapped.kept_back.append(pick)
                continue
            identity = person.identities.sent
            if person.erased or not (
                (is_simple and _SHORT < len(identity) <= _LONG and " " not in identity)
                or self._is_plain(identity)
            ):
                _take_back(mapped, position)
                return False
            json = f'{start}"{identity}"{text}{ending}'.encode()
            mapped.picks.append(pick)
            mapped.records.append(EventRecord(side, name, json, shortened, seconds))
        return True

    def _is_plain(self, identity: str) -> bool:
        """Return whether JSON writes an identity as it is, and CleverTap takes it for one."""
        return self._match(identity) is not None and not (
            len(identity) <= _SHORT and limits.is_forbidden_identity(identity)
        )

    def _learn_kind(self, kind: _Kind, body: str) -> tuple[_SeenSide, ...] | None:
        """Remember what records of this kind have in common. None where it is not quick."""
        if len(body) > _LONGEST_BODY:
            return None
        try:
            moulds = self._shelf.find(_events.decode(body))
        except Exception:  # noqa: BLE001 - whoever looks closely says what is wrong
            return None
        if not all(map(_is_quick, moulds)):
            return None
        sides = tuple(map(_see_side, moulds))
        self._keep_kind(kind, sides)
        return sides

    def _keep_kind(self, kind: _Kind, sides: tuple[_SeenSide, ...]) -> None:
        """Keep what was learned; where there is no room, forget all else before."""
        size = sum(map(getsizeof, kind)) + sum(getsizeof(side[3]) for side in sides)
        is_full = len(self._kinds) >= _MOST_KINDS
        if is_full or self._kind_bytes + size > _MOST_KIND_BYTES:
            self._kinds.clear()
            self._kind_bytes = 0
        self._kinds[kind] = sides
        self._kind_bytes += size


@lru_cache(maxsize=MOST_SHELVES)
def find_quick_mapper(settings: MappingSettings) -> QuickMapper | None:
    """Return what maps quick events by these settings; None where they allow none.

    Where each event has its own ID in its records, or people may be suppressed.
    """
    if settings.send_event_id or settings.suppressions_until:
        return None
    try:
        return QuickMapper(settings)
    except ValueError:  # msgspec reads no field with such a name
        return None


def _is_simple(body: str) -> bool:
    """Return whether the body's texts have nothing but visible ASCII and blanks.

    Where none has an escape, none has a quote, a backslash or another control character.
    """
    return body.isascii() and "\\" not in body and _DELETE not in body


def _name_custom_kind(event: Any) -> _Kind:  # noqa: ANN401 - as its decoder made it
    return event.name, event.name_number, event.status, bytes(event.event_data)


def _is_quick(mould: Mould) -> bool:
    return mould.is_kept_back or 0 < len(mould.ending) <= _LONGEST_ENDING


def _see_side(mould: Mould) -> _SeenSide:
    number = int(mould.side is not _REFERRED)
    return number, mould.side, mould.name, mould.ending.decode(), mould.shortened


def _ends(picks: list[int], position: int) -> bool:
    """Return whether the last pick is of the event at `position`."""
    return bool(picks) and picks[-1] // 2 == position


def _take_back(mapped: Records, position: int) -> None:
    """Remove what was added of the event at `position`, the last one."""
    while _ends(mapped.picks, position):
        mapped.picks.pop()
        mapped.records.pop()
    while _ends(mapped.kept_back, position):
        mapped.kept_back.pop()


@lru_cache(maxsize=_MOST_TIMES)
def _read_time(occurred_at: str) -> _Time:
    """Return an event's time. ValueError: an odd one."""
    instant = msgspec.convert(occurred_at, datetime)
    if instant.tzinfo is None:
        raise ValueError
    seconds = count_seconds(instant)
    if not 0 < seconds <= limits.LATEST_SECOND:
        raise ValueError
    return limits.encode_time(seconds).decode(), seconds, instant


@lru_cache(maxsize=MOST_SHELVES)
def _make_decoder(provider: str) -> Callable[[str], Any]:
    """Return what decodes a `_PlainEvent`, and of its people the provider's identity alone."""
    identities = msgspec.defstruct(
        "_Identities",
        [("sent", str, "")],
        rename={"sent": provider},
        frozen=True,
        gc=False,
    )
    person = msgspec.defstruct(
        "_Person",
        [("identities", identities, identities()), ("erased", bool, False)],
        gc=False,
    )
    people = [("user", person | None, None), ("referrer", person | None, None)]
    event = msgspec.defstruct("_Event", people, bases=(_PlainEvent,), gc=False)
    return msgspec.json.Decoder(event).decode
