"""What an account's schema does to records that it takes: keep, cut or drop them.

Pure. Nothing of it is in the answer to an upload: what is dropped counts as processed.

Reference: https://docs.clevertap.com/docs/schema
"""

from typing import Any, Literal, NamedTuple

import msgspec

from clevertap_sync.sandbox.limits import normalised

Record = dict[str, Any]
DataType = Literal["String", "Integer", "Float", "Boolean", "Mixed", "List"]
Fallback = Literal["drop_event", "drop_property", "allow"]


class PropertyRule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One defined property of an event."""

    type: DataType = "Mixed"
    #: An event without it is dropped.
    required: bool = False
    #: What becomes of a value of another type.
    mismatch: Fallback = "drop_event"
    #: Dropped from every event.
    discarded: bool = False


class EventRule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """One defined event."""

    properties: dict[str, PropertyRule] = {}


class Schema(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """An account's schema, as it is from the instant of `published_at` on (Unix seconds)."""

    events: dict[str, EventRule] = {}
    undefined_events: Literal["allow", "drop"] = "allow"
    #: Of defined events only.
    undefined_properties: Fallback = "allow"
    published_at: float | None = None


class Kept(NamedTuple):
    """A record as the account keeps it, and why it does not, where it is dropped."""

    record: Record
    reason: str = ""


class SchemaJudge:
    """One schema, ready to judge records that arrive `now`."""

    def __init__(self, schema: Schema, now: float) -> None:
        self._schema = schema
        self._events = {normalised(name): rule for name, rule in schema.events.items()}
        published = schema.published_at is None or now >= schema.published_at
        self.is_idle = not published or schema == Schema()

    def judge(self, record: Record) -> Kept:
        """Return what the account keeps of an event that passed every other check."""
        if self.is_idle:
            return Kept(record)
        rule = self._events.get(normalised(record["evtName"]))
        if rule is not None:
            return self._judge_properties(record, rule)
        if self._schema.undefined_events == "drop":
            return Kept(record, "The event is not defined in the schema")
        return Kept(record)

    def _judge_properties(self, record: Record, rule: EventRule) -> Kept:
        data: dict[str, Any] = record["evtData"]
        for name, wanted in rule.properties.items():
            if wanted.required and name not in data:
                return Kept(record, f"The mandatory property {name} is missing")
        kept = {}
        for name, value in data.items():
            fate = self._fate(rule.properties.get(name), value)
            if fate == "drop_event":
                return Kept(record, f"The property {name} does not fit the schema")
            if fate == "allow":
                kept[name] = value
        return Kept(record if len(kept) == len(data) else {**record, "evtData": kept})

    def _fate(self, rule: PropertyRule | None, value: object) -> Fallback:
        if rule is None:
            return self._schema.undefined_properties
        if rule.discarded:
            return "drop_property"
        return "allow" if _fits(value, rule.type) else rule.mismatch


_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (float, int),
    "Boolean": (bool,),
    "List": (list,),
}


def _fits(value: object, data_type: DataType) -> bool:
    """Return whether a value has the type; a truth value is no number."""
    return data_type == "Mixed" or type(value) in _TYPES[data_type]
