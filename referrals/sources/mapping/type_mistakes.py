"""What is wrong with a value of a type that does not stand there, in a sentence. Pure."""

import re
from enum import StrEnum
from typing import Any, Final

import msgspec

from referrals.sources.mapping.rules import (
    Condition,
    Kind,
    Reason,
    ReferrerKeys,
    Rule,
)
from referrals.sources.mapping.times import TimeForm
from referrals.vocabulary import EventType

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*)`")
_EXPECTED: Final = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)`")
_IN_WORDS: Final = {
    "object": "an object",
    "array": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}
#: The words that may stand at the end of a pointer; of events, one of a name has no type.
_WORDS: Final[dict[str, tuple[StrEnum, ...]]] = {
    "type": tuple(each for each in EventType if each is not EventType.CUSTOM),
    "time": tuple(TimeForm),
    "ignore": tuple(Reason),
    "reason": tuple(Reason),
}


def describe_type_mistake(message: str, pointer: str) -> str:
    """Return a sentence for what msgspec says of the value at `pointer` in a mapping."""
    if unknown := _UNKNOWN.fullmatch(message):
        what, struct = _find_struct(pointer)
        return f"{what} has no {unknown['name']}. It has {_list_members(struct)}."
    if missing := _MISSING.fullmatch(message):
        return f"{_find_struct(pointer)[0]} needs {missing['name']}: add it."
    if expected := _EXPECTED.fullmatch(message):
        found = _IN_WORDS.get(expected["found"], expected["found"])
        return f"Here stands {found}. Write {_list_types(expected['wanted'], pointer)}."
    words = _WORDS.get(pointer.rpartition("/")[2])
    if words:
        return f"There is no such word here. Write one of {', '.join(words)}."
    return f"{message}."


def _list_types(wanted: str, pointer: str) -> str:
    """Return "an object or a text" for what msgspec writes of a union."""
    types = [each for each in wanted.split(" | ") if each != "null"]
    said = list(dict.fromkeys(_IN_WORDS.get(each, each) for each in types))
    struct = _find_struct(pointer)[1]
    if said == [_IN_WORDS["object"]] and struct is not Rule:
        return f"an object of {_list_members(struct)}"
    return " or ".join(filter(None, (", ".join(said[:-1]), said[-1])))


def _list_members(struct: type[Any]) -> str:
    return ", ".join(field.encode_name for field in msgspec.structs.fields(struct))


def _find_struct(pointer: str) -> tuple[str, type[Any]]:
    """Return what stands at a pointer, which is an object, with its type."""
    steps = pointer.split("/")
    if steps[-2] in {"when", "organic"} and steps[-1].isdecimal():
        return "A condition", Condition
    if steps[1] == "kinds" and "name_of" not in steps:
        return "A row of kinds", Kind
    if pointer == "/referrer":
        return "referrer", ReferrerKeys
    return "A rule", Rule
