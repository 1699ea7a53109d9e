"""Moulds: what the records of events that are alike have in common, made once for them all.

Pure: imports msgspec and no framework.
"""

from functools import lru_cache

import msgspec

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.properties import (
    MappingRefusal,
    Properties,
    PropertySettings,
    build_properties,
    make_printable,
)
from referrals.schema import Event
from referrals.vocabulary import (
    BUILT_IN_NAMES,
    SIDES,
    TITLES,
    EventType,
    FraudStatus,
    Side,
    Via,
    normalise_name,
)

# To look a member up in its enum takes as long as to encode an identity.
_CUSTOM = EventType.CUSTOM
_PREFIXES = {Side.REFERRED: "Referred ", Side.GENERATED: "Generated "}
#: So many shelves are shared, and mappers hold at most as many others: 50 MB if all are full.
MOST_SHELVES = 32
# What a shelf keeps for events that are alike takes 1.5 KB, and three times that where
# their texts are long and no ASCII.
_MOST_KEPT = 512
# A longer text is hardly one that many events share.
_SHARED_CHARACTERS = 128

_Key = tuple[EventType, Via | None, str | None, str | None, FraudStatus]


class MouldRules(msgspec.Struct, frozen=True, cache_hash=True):
    """What an integration's settings say about a record but for its user and its time."""

    properties: PropertySettings
    kept_back_sides: frozenset[tuple[EventType, Side]]
    kept_back_statuses: frozenset[FraudStatus]
    approved_names: frozenset[str]
    custom_names_limit: int


class Mould(msgspec.Struct, frozen=True, gc=False):
    """One side of events that differ in nothing but people and time.

    `ending` is what their records have behind the time. Where it is empty there is none:
    they are kept back, or `refusal` says why. `bad_name` says it before anybody looks at
    the identity.
    """

    side: Side
    name: str
    ending: bytes = b""
    shortened: int = 0
    is_kept_back: bool = False
    bad_name: MappingRefusal | None = None
    refusal: MappingRefusal | None = None


class _Frame(msgspec.Struct, frozen=True, gc=False):
    """What a mould has without properties. `opening` is the JSON before them."""

    side: Side
    name: str
    opening: bytes
    is_kept_back: bool
    bad_name: MappingRefusal | None
    refusal: MappingRefusal | None


class MouldShelf:
    """Makes moulds by one integration's settings, and keeps those of built-in events.

    A campaign's events are alike. It may be used by several threads at once.
    """

    def __init__(self, rules: MouldRules) -> None:
        self._rules = rules
        self._kept: dict[_Key, tuple[Mould, ...]] = {}
        self._find_frames = lru_cache(maxsize=1024)(self._make_frames)

    def find(self, event: Event) -> tuple[Mould, ...]:
        """Return a mould for each side that events of this type have, the user's first."""
        key = (event.type, event.via, event.channel, event.content, event.status)
        return self._kept.get(key) or self._make(event, key)

    def _make(self, event: Event, key: _Key) -> tuple[Mould, ...]:
        frames = self._find_frames(
            event.type, event.name, event.name_number, event.status
        )
        if not frames:
            return ()
        properties = _build_properties(event, self._rules)
        moulds = tuple([_fill_frame(frame, properties) for frame in frames])
        if (
            event.type is not _CUSTOM
            and not self._rules.properties.send_event_id
            and len(event.channel or "") <= _SHARED_CHARACTERS
            and len(event.content or "") <= _SHARED_CHARACTERS
        ):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = moulds
        return moulds

    def _make_frames(
        self, event_type: EventType, custom: str, number: int, status: FraudStatus
    ) -> tuple[_Frame, ...]:
        rules, frames = self._rules, []
        for side in SIDES[event_type]:
            name = _PREFIXES[side] + (TITLES.get(event_type) or custom)
            is_kept_back = (
                status in rules.kept_back_statuses
                or (event_type, side) in rules.kept_back_sides
            )
            bad_name = refusal = None
            if event_type is _CUSTOM:
                bad_name = _refuse_name(custom, name, number, rules)
            try:
                opening = limits.encode_opening(name)
            except ValueError as error:  # JSON cannot hold a lone surrogate
                opening, refusal = b"", explain_failure(error)
            frames.append(_Frame(side, name, opening, is_kept_back, bad_name, refusal))
        return tuple(frames)


@lru_cache(maxsize=MOST_SHELVES)
def share_shelf(rules: MouldRules) -> MouldShelf:
    """Return the shelf of all uploads with these rules."""
    return MouldShelf(rules)


def _fill_frame(frame: _Frame, properties: Properties | MappingRefusal) -> Mould:
    side, name = frame.side, frame.name
    if frame.is_kept_back or frame.bad_name is not None:
        return Mould(
            side, name, is_kept_back=frame.is_kept_back, bad_name=frame.bad_name
        )
    if isinstance(properties, MappingRefusal):
        return Mould(side, name, refusal=properties)
    if frame.refusal is not None:
        return Mould(side, name, refusal=frame.refusal)
    ending = frame.opening + properties.json + b"}"
    return Mould(side, name, ending, properties.shortened)


def _build_properties(event: Event, rules: MouldRules) -> Properties | MappingRefusal:
    # JSON cannot hold a lone surrogate, an unknown type, or very deep nesting.
    try:
        return build_properties(event, rules.properties)
    except (ValueError, TypeError, RecursionError) as error:
        return explain_failure(error)


def explain_failure(error: Exception) -> MappingRefusal:
    """Return the refusal of what cannot be encoded. It names the class of the error alone."""
    return MappingRefusal("mapping_failed", type(error).__name__)


def _refuse_name(
    custom: str, name: str, number: int, rules: MouldRules
) -> MappingRefusal | None:
    if len(name) > limits.MAX_EVENT_NAME:
        return MappingRefusal("event_name_too_long", f"It has {len(name)} characters.")
    if bad := _refuse_custom_name(custom, name):
        return bad
    limit = rules.custom_names_limit
    if number > limit and normalise_name(custom) not in rules.approved_names:
        return MappingRefusal(
            "new_event_name", f"It is name {number}; {limit} go by themselves."
        )
    return None


def _refuse_custom_name(custom: str, name: str) -> MappingRefusal | None:
    """Return why a custom event's name, of a bearable length, cannot be sent.

    A cleaned name could silently count as another event in CleverTap.
    """
    if not custom.strip():
        return MappingRefusal("event_name_empty", "")
    if bad := limits.find_bad_characters(custom):
        return MappingRefusal(
            "event_name_characters", f"It contains {make_printable(bad)}"
        )
    if limits.normalise_event_name(custom) in BUILT_IN_NAMES:
        return MappingRefusal("event_name_clash", "")
    if limits.is_restricted(name):
        return MappingRefusal("event_name_restricted", "")
    return None
