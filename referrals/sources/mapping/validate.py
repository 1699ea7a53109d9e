"""Whether a mapping can be run: each mistake with a pointer into it and a sentence. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from referrals.rules import MAX_NAME_CHARACTERS, extend_pointer
from referrals.sources.mapping.check_rule import check_condition, check_rule
from referrals.sources.mapping.fold import fold_mapping
from referrals.sources.mapping.mistakes import Mistake, find_path_mistakes
from referrals.sources.mapping.rules import (
    MAX_KEYS,
    MAX_MAPPING_BYTES,
    MAX_PATHS,
    MAX_RULES,
    Condition,
    Kind,
    Mapping,
    ReferrerKeys,
    Rule,
    list_inner_rules,
    list_rules,
)
from referrals.sources.mapping.type_mistakes import describe_type_mistake
from referrals.vocabulary import BUILT_IN_NAMES, EventType, normalise_name

#: The fields of an event that have a rule.
FIELDS: Final = (
    "id",
    "occurred_at",
    "channel",
    "content",
    "status",
    "event_data",
    "metadata",
    "test",
)
_OF_PERSON: Final = re.compile(
    r"(?:user|referrer)\.(?:id|ip|device_id|advertising_id|identities"
    r"|(?:identities|handles)\.[A-Za-z0-9_.-]{1,64})"
)
_OF_NATIVE: Final = ("id", "occurred_at")
_PREFIX: Final = re.compile(r"[a-z0-9_-]{0,20}")
_PARTS: Final[dict[str, Any]] = {
    "each": str | None,
    "when": tuple[Condition, ...],
    "kind": str | Rule | None,
    "organic": tuple[Condition, ...],
    "referrer": ReferrerKeys | None,
    "id_prefix": str,
    "native": str | Rule | None,
}
_TABLES: Final[dict[str, Any]] = {"kinds": Kind, "event": str | Rule}
_AT: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
Part = TypeVar("Part")


class _Parts(NamedTuple):
    """What of a mapping could be read, by its pointer."""

    values: dict[str, Any]
    mistakes: list[Mistake]


def validate_mapping(value: object) -> Mapping | tuple[Mistake, ...]:
    """Return the mapping that decoded JSON holds, ready to run, or all of its mistakes.

    Never raises for what JSON can say.
    """
    if not isinstance(value, dict):
        return (Mistake("", "A mapping is an object of rules."),)
    try:
        size = len(msgspec.json.encode(value))
        if size > MAX_MAPPING_BYTES:
            return (_too_large(size),)
        parts = _read_parts(value)
    except (ValueError, RecursionError):
        return (
            Mistake("", "The mapping is nested too deeply, or has half a character."),
        )
    if parts.mistakes:
        return tuple(parts.mistakes)
    mapping = Mapping(**parts.values)
    mistakes = tuple(_find_mistakes(mapping))
    return mistakes or fold_mapping(mapping)


def validate_referrer_keys(keys: Sequence[str]) -> tuple[Mistake, ...]:
    """Return the mistakes in a source's own referrer keys, by their index."""
    if len(keys) > MAX_KEYS:
        return (Mistake("", f"Name at most {MAX_KEYS} keys."),)
    return tuple(
        mistake
        for index, key in enumerate(keys)
        for mistake in find_path_mistakes(f"/{index}", key)
    )


def _too_large(size: int) -> Mistake:
    return Mistake(
        "",
        f"The mapping is {size:,} bytes long; {MAX_MAPPING_BYTES:,} (32 KB) are allowed.",
    )


def _read_parts(value: dict[str, Any]) -> _Parts:
    parts = _Parts({}, [])
    for name, inner in value.items():
        pointer = extend_pointer("", name)
        if name in _PARTS:
            parts.values[name] = _convert(inner, _PARTS[name], pointer, parts)
        elif name not in _TABLES:
            known = ", ".join((*_PARTS, *_TABLES))
            parts.mistakes.append(
                Mistake(pointer, f"A mapping has no such part. It has {known}.")
            )
        elif not isinstance(inner, dict):
            parts.mistakes.append(Mistake(pointer, "Here an object has to stand."))
        else:
            parts.values[name] = {
                key: _convert(row, _TABLES[name], extend_pointer(pointer, key), parts)
                for key, row in inner.items()
            }
    return parts


def _convert(value: object, kind: Any, pointer: str, parts: _Parts) -> Any:  # noqa: ANN401 - a type and its value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _AT.search(message)
        if found:
            message = message[: found.start()]
            steps = (
                found["path"].replace("[...]", "").replace("[", ".").replace("]", "")
            )
            pointer += steps.replace(".", "/")
        parts.mistakes.append(Mistake(pointer, describe_type_mistake(message, pointer)))
        return None


def _find_mistakes(mapping: Mapping) -> Iterator[Mistake]:
    yield from _find_amounts(mapping)
    if mapping.each is not None:
        yield from find_path_mistakes("/each", mapping.each)
    for name in ("when", "organic"):
        for index, condition in enumerate(getattr(mapping, name)):
            yield from check_condition(f"/{name}/{index}", condition)
    yield from _check_subject(mapping)
    for kind_name, kind in mapping.kinds.items():
        yield from _check_kind(extend_pointer("/kinds", kind_name), kind)
    yield from _check_referrer(mapping)
    yield from _check_id(mapping)
    for target, rule in mapping.event.items():
        pointer = extend_pointer("/event", target)
        yield from _check_target(pointer, target, mapping)
        yield from check_rule(pointer, rule, target)


def _check_subject(mapping: Mapping) -> Iterator[Mistake]:
    """Yield what is wrong with that which says what happened."""
    if mapping.native is not None:
        yield from check_rule("/native", mapping.native)
    elif mapping.kind is None:
        yield Mistake(
            "/kind",
            "Say where the call names what happened: kind is missing. For calls of one "
            'kind write {"const": "a name"}.',
        )
    if mapping.kind is not None:
        yield from check_rule("/kind", mapping.kind)


def _find_amounts(mapping: Mapping) -> Iterator[Mistake]:
    rules, paths = _count_rules(mapping)
    if rules > MAX_RULES:
        yield Mistake("", f"The mapping has {rules} rules; {MAX_RULES} are allowed.")
    if paths > MAX_PATHS:
        yield Mistake("", f"The mapping has {paths} paths; {MAX_PATHS} are allowed.")


def _count_rules(mapping: Mapping) -> tuple[int, int]:
    """Return how many rules and conditions there are, and how many paths in all."""
    conditions = len(mapping.when) + len(mapping.organic)
    looked_up = 0
    if mapping.referrer is not None:
        looked_up = len(mapping.referrer.keys) * len(mapping.referrer.places)
    paths = sum(map(_count_paths, list_rules(mapping))) + looked_up + conditions
    return len(mapping.event) + conditions, paths


def _count_paths(rule: str | Rule | None) -> int:
    """Return how many paths a rule has, with those within it."""
    if rule is None or isinstance(rule, str):
        return int(rule is not None)
    own = len(rule.pick or ()) + len(rule.when) + (rule.template or "").count("{")
    return (
        own
        + int(rule.path is not None)
        + sum(map(_count_paths, list_inner_rules(rule)))
    )


def _check_kind(pointer: str, kind: Kind) -> Iterator[Mistake]:
    said = [
        name
        for name in ("type", "name", "name_of", "ignore")
        if getattr(kind, name) is not None
    ]
    if len(said) != 1:
        yield Mistake(
            pointer, "Say exactly one of: type, name, name_of, or ignore with a reason."
        )
    if kind.type is EventType.CUSTOM:
        yield Mistake(
            f"{pointer}/type", "A custom event is said by its name: write name."
        )
    if kind.name is not None:
        name = normalise_name(kind.name)
        if not name or len(kind.name) > MAX_NAME_CHARACTERS:
            yield Mistake(
                f"{pointer}/name",
                f"A name has 1 to {MAX_NAME_CHARACTERS} characters.",
            )
        elif name in BUILT_IN_NAMES:
            yield Mistake(
                f"{pointer}/name",
                "This is the name of a built-in event: write its type in place of it.",
            )
    if kind.name_of is not None:
        yield from check_rule(f"{pointer}/name_of", kind.name_of)


def _check_referrer(mapping: Mapping) -> Iterator[Mistake]:
    if mapping.referrer is None:
        return
    if "referrer.id" in mapping.event:
        yield Mistake(
            "/event/referrer.id",
            "The referrer's ID is found by the keys of referrer already. Keep one of both.",
        )
    if len(mapping.referrer.keys) > MAX_KEYS:
        yield Mistake("/referrer/keys", f"Name at most {MAX_KEYS} keys.")
    if not 1 <= len(mapping.referrer.places) <= MAX_KEYS:
        yield Mistake("/referrer/places", f"Name 1 to {MAX_KEYS} places.")
    for index, key in enumerate(mapping.referrer.keys):
        yield from find_path_mistakes(f"/referrer/keys/{index}", key)
    for index, place in enumerate(mapping.referrer.places):
        yield from check_rule(f"/referrer/places/{index}", place)


def _check_id(mapping: Mapping) -> Iterator[Mistake]:
    if not _PREFIX.fullmatch(mapping.id_prefix):
        yield Mistake(
            "/id_prefix", "A prefix has at most 20 of a-z, 0-9, hyphen and underscore."
        )
    if "id" not in mapping.event:
        yield Mistake(
            "/event/id",
            "Without a rule for id, a call that is sent again would count twice. Name the "
            "platform's ID of the event, or a hash of what tells it from others.",
        )


def _check_target(pointer: str, target: str, mapping: Mapping) -> Iterator[Mistake]:
    if mapping.native is not None:
        if target not in _OF_NATIVE:
            yield Mistake(
                pointer,
                "Beside native only id and occurred_at have rules: all else is in the "
                "event already.",
            )
    elif target not in FIELDS and not _OF_PERSON.fullmatch(target):
        yield Mistake(
            pointer,
            f"An event has no such field to fill. There are {', '.join(FIELDS)}, and of "
            "user and referrer: id, ip, device_id, advertising_id, identities, "
            "identities.NAME, handles.NAME.",
        )
