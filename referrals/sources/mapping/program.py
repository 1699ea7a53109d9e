"""A mapping, ready to run: each of its rules as a function of one item. Pure."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from referrals.sources.mapping.compile_condition import Holds, compile_condition
from referrals.sources.mapping.compile_path import Read
from referrals.sources.mapping.compile_rule import (
    ReadText,
    compile_rule,
    compile_text,
)
from referrals.sources.mapping.rules import Condition, Kind, Mapping, Reason
from referrals.vocabulary import EventType

USER: Final = "user"
REFERRER: Final = "referrer"
_DEVICES: Final = ("device_id", "advertising_id")


class PersonProgram(NamedTuple):
    """What reads one side of an event. Each target comes with the name that it fills."""

    side: str
    id: Read
    ip: ReadText
    devices: tuple[tuple[str, ReadText], ...]
    identities: Read
    single: tuple[tuple[str, Read], ...]
    handles: tuple[tuple[str, ReadText], ...]


class ReferrerProgram(NamedTuple):
    """Where the referrer's ID is looked for: each of `keys` in each of `places`."""

    keys: tuple[str, ...]
    places: tuple[Read, ...]


class KindProgram(NamedTuple):
    """What becomes of the events that a platform calls by one name: see `rules.Kind`."""

    type: EventType | None
    name: str | None
    name_of: ReadText | None
    ignore: Reason | None
    is_taken: bool


class Program(NamedTuple):
    """A mapping's rules as functions."""

    each: str | None
    when: tuple[tuple[Holds, Reason], ...]
    kind: ReadText
    kinds: dict[str, KindProgram]
    organic: tuple[Holds, ...]
    referrer: ReferrerProgram | None
    id_prefix: str
    user: PersonProgram
    referring: PersonProgram
    native: Read | None
    id: ReadText
    occurred_at: Read
    channel: ReadText
    content: ReadText
    status: ReadText
    event_data: Read
    metadata: Read
    test: ReadText


@lru_cache(maxsize=512)
def compile_mapping(mapping: Mapping) -> Program:
    """Return the program of a mapping that `validate_mapping` has returned."""
    event = mapping.event
    return Program(
        each=mapping.each,
        when=tuple(map(_compile_reason, mapping.when)),
        kind=compile_text(mapping.kind),
        kinds={name: _compile_kind(kind) for name, kind in mapping.kinds.items()},
        organic=tuple(map(compile_condition, mapping.organic)),
        referrer=_compile_referrer(mapping),
        id_prefix=f"{mapping.id_prefix}." if mapping.id_prefix else "",
        user=_compile_person(USER, event),
        referring=_compile_person(REFERRER, event),
        native=None if mapping.native is None else compile_rule(mapping.native),
        id=compile_text(event.get("id")),
        occurred_at=compile_rule(event.get("occurred_at")),
        channel=compile_text(event.get("channel")),
        content=compile_text(event.get("content")),
        status=compile_text(event.get("status")),
        event_data=compile_rule(event.get("event_data")),
        metadata=compile_rule(event.get("metadata")),
        test=compile_text(event.get("test")),
    )


def _compile_reason(condition: Condition) -> tuple[Holds, Reason]:
    return compile_condition(condition), condition.reason


def _compile_kind(kind: Kind) -> KindProgram:
    return KindProgram(
        type=kind.type,
        name=kind.name,
        name_of=None if kind.name_of is None else compile_text(kind.name_of),
        ignore=kind.ignore,
        is_taken=kind.is_taken,
    )


def _compile_referrer(mapping: Mapping) -> ReferrerProgram | None:
    if mapping.referrer is None:
        return None
    return ReferrerProgram(
        keys=mapping.referrer.keys,
        places=tuple(map(compile_rule, mapping.referrer.places)),
    )


def _compile_person(side: str, event: dict[str, Any]) -> PersonProgram:
    def below(prefix: str) -> list[tuple[str, Any]]:
        return [
            (target.removeprefix(prefix), rule)
            for target, rule in event.items()
            if target.startswith(prefix)
        ]

    return PersonProgram(
        side=side,
        id=compile_rule(event.get(f"{side}.id")),
        ip=compile_text(event.get(f"{side}.ip")),
        devices=tuple(
            (name, compile_text(rule))
            for name, rule in below(f"{side}.")
            if name in _DEVICES
        ),
        identities=compile_rule(event.get(f"{side}.identities")),
        single=tuple(
            (name, compile_rule(rule)) for name, rule in below(f"{side}.identities.")
        ),
        handles=tuple(
            (name, compile_text(rule)) for name, rule in below(f"{side}.handles.")
        ),
    )
