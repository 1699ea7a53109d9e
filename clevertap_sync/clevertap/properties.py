"""Builds an event's `evtData`: its properties, within CleverTap's limits.

Pure: imports msgspec and no framework.
"""

import math
from typing import Any, Literal

import msgspec

from clevertap_sync.clevertap import limits
from referrals.schema import Event
from referrals.vocabulary import INVITE_CHANNELS, EventType, Via

EventDataFormat = Literal["flattened", "json", "nested"]

_NONE = "none"
# A character has at most four bytes, so a text this short needs no count.
_SURELY_FITS = limits.MAX_TEXT_BYTES // 4
_SHOWN = 60


class Properties(msgspec.Struct, frozen=True, gc=False):
    """The JSON of an `evtData`, and how many of its texts were shortened."""

    json: bytes
    shortened: int


class MappingRefusal(msgspec.Struct, frozen=True):
    """Why the properties cannot be sent. `detail` carries no identity."""

    reason: str
    detail: str


class PropertySettings(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The integration's settings that decide about properties."""

    event_data_format: EventDataFormat
    send_none: bool
    refuse_long_texts: bool
    send_event_id: bool
    property_limit: int


def build_properties(
    event: Event, rules: PropertySettings
) -> Properties | MappingRefusal:
    """Return the `evtData` of `event`, the same for both sides."""
    draft = _Draft(event, rules)
    try:
        draft.write()
    except _MappingRefusedError as refused:
        return refused.refusal
    return Properties(limits.encode(draft.properties), draft.shortened)


class _MappingRefusedError(Exception):
    """Ends the building of nested values where one of them cannot be sent."""

    def __init__(self, refusal: MappingRefusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Draft:
    """The properties of one event while they are written."""

    __slots__ = ("event", "inner", "properties", "rules", "shortened")

    def __init__(self, event: Event, rules: PropertySettings) -> None:
        self.event = event
        self.rules = rules
        self.properties: dict[str, Any] = {}
        self.inner = 0  # pairs inside nested objects
        self.shortened = 0

    def write(self) -> None:
        if self.event.type is not EventType.CUSTOM:
            self._write_built_in()
        elif self.event.event_data:
            self._write_event_data()
        if self.rules.send_event_id:
            self.properties["Event ID"] = self._fit("Event ID", self.event.id)
        count = len(self.properties) + self.inner
        if count > self.rules.property_limit:
            detail = f"It has {count}; the limit is {self.rules.property_limit}."
            raise _MappingRefusedError(MappingRefusal("too_many_properties", detail))

    def _write_built_in(self) -> None:
        event = self.event
        self._write_text("Channel", _spell_channel(event))
        self._write_text("Content", event.content)
        self.properties["Status"] = event.status

    def _write_text(self, name: str, text: str | None) -> None:
        if text:
            self.properties[name] = self._fit(name, text)
        elif self.rules.send_none:
            self.properties[name] = _NONE

    def _write_event_data(self) -> None:
        match self.rules.event_data_format:
            case "flattened":
                self._write_pairs()
            case "json":
                text = _json_text(self.event.event_data)
                self.properties["Event Data"] = self._fit("Event Data", text)
            case "nested":
                if nested := self._object(self.event.event_data, level=1):
                    self.properties["Event Data"] = nested

    def _write_pairs(self) -> None:
        properties = self.properties
        for key, value in self.event.event_data.items():
            # Texts first: most values are, and none of them is null.
            if type(value) is str:
                name = self._name(key, "Event Data ", properties)
                properties[name] = self._fit(name, value)
            elif not _is_null(value):
                name = self._name(key, "Event Data ", properties)
                properties[name] = self._leaf(name, value)

    def _leaf(self, name: str, value: object) -> object:
        if isinstance(value, dict | list):
            return self._fit(name, _json_text(value))
        return self._scalar(name, value)

    def _object(self, value: dict[str, Any], level: int) -> dict[str, Any]:
        self._check_level(level)
        pairs: dict[str, Any] = {}
        branches = 0
        for key, item in value.items():
            kept = None if _is_null(item) else self._nested(key, item, level)
            if kept is None:
                continue
            branches += isinstance(kept, dict | list)
            pairs[self._name(key, "", pairs)] = kept
        if branches > limits.MAX_BRANCHES:
            detail = f"An object holds {branches} objects or lists; the limit is {limits.MAX_BRANCHES}."
            raise _MappingRefusedError(MappingRefusal("nested_too_wide", detail))
        self.inner += len(pairs)
        return pairs

    def _nested(self, key: str, value: object, level: int) -> object:
        """Return a value inside a nested object, or None: CleverTap takes no empty one."""
        if isinstance(value, dict):
            return self._object(value, level + 1) or None
        if isinstance(value, list):
            return self._list(key, value, level) or None
        return self._scalar(key, value)

    def _list(self, key: str, value: list[Any], level: int) -> list[Any]:
        self._check_level(level)
        items = []
        for item in value:
            # A list straight in a list is a level of its own, like an object in one.
            below = level + isinstance(item, list)
            kept = None if _is_null(item) else self._nested(key, item, below)
            if kept is not None:
                items.append(kept)
        if len(items) > limits.MAX_LIST_ITEMS:
            detail = (
                f"A list has {len(items)} items; the limit is {limits.MAX_LIST_ITEMS}."
            )
            raise _MappingRefusedError(MappingRefusal("nested_too_wide", detail))
        return items

    def _check_level(self, level: int) -> None:
        if level > limits.MAX_LEVELS:
            detail = f"The limit is {limits.MAX_LEVELS} levels of keys."
            raise _MappingRefusedError(MappingRefusal("nested_too_deep", detail))

    def _name(self, key: str, prefix: str, taken: dict[str, Any]) -> str:
        clean = limits.clean_property_name(key)
        name = prefix + clean
        if not clean:
            detail = f"Nothing remains of {self._quoted(key)}."
            raise _MappingRefusedError(MappingRefusal("property_name_empty", detail))
        if len(name) > limits.MAX_PROPERTY_NAME:
            detail = f"{self._quoted(name)} has {len(name)} characters; the limit is {limits.MAX_PROPERTY_NAME}."
            raise _MappingRefusedError(MappingRefusal("property_name_too_long", detail))
        # Property names are compared exactly: only of event names do we know otherwise.
        if name in taken:
            detail = f"Two keys become {self._quoted(name)}."
            raise _MappingRefusedError(MappingRefusal("property_clash", detail))
        return name

    def _scalar(self, name: str, value: object) -> object:
        if isinstance(value, str):
            return self._fit(name, value)
        if isinstance(value, int) and not (
            limits.MIN_INTEGER <= value <= limits.MAX_INTEGER
        ):
            return self._fit(name, str(value))
        return value

    def _fit(self, name: str, text: str) -> str:
        if len(text) <= _SURELY_FITS:
            return text
        short = limits.shorten_text(text)
        if short is text:
            return text
        if self.rules.refuse_long_texts:
            size = len(text.encode())
            detail = f"{self._quoted(name)} has {size} bytes; the limit is {limits.MAX_TEXT_BYTES}."
            raise _MappingRefusedError(MappingRefusal("text_too_long", detail))
        self.shortened += 1
        return short

    def _quoted(self, name: str) -> str:
        """Return `name` in quotes, or a description if it contains an identity of the event."""
        people = filter(None, (self.event.user, self.event.referrer))
        identities = (i for person in people for i in person.identities.values())
        if any(_contains_identity(identity, name) for identity in identities):
            return "A name that contains an identity"
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
        return f'"{make_printable(shown)}"'


def make_printable(text: str) -> str:
    """Return `text` as a log line or a database can hold it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _contains_identity(identity: str, name: str) -> bool:
    """Return whether `name` contains `identity`, as sent or as cleaned."""
    folded = name.casefold()
    clean = limits.clean_property_name(identity)
    return any(form and form.casefold() in folded for form in (identity, clean))


def _spell_channel(event: Event) -> str | None:
    """Return the channel; the invite channels' names have one spelling.

    A marketing link's channel is free text, and stays as it is.
    """
    if not event.channel or event.via is Via.SMART_LINK:
        return event.channel
    folded = event.channel.casefold()
    return folded if folded in INVITE_CHANNELS else event.channel


def _is_null(value: object) -> bool:
    """Return whether JSON writes `value` as null, which CleverTap does not take."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _json_text(value: object) -> str:
    return limits.encode(value).decode()
