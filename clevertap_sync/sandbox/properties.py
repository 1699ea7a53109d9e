"""What CleverTap says to an event's properties (`evtData`).

Pure. Reference: https://developer.clevertap.com/docs/upload-events-api
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from clevertap_sync.sandbox import limits
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.verdicts import STRUCTURE, TOO_MANY_PROPERTIES, Refusal


def check_properties(
    name: str, data: Mapping[str, Any], rules: Rules
) -> Refusal | None:
    """Return why the properties of the event `name` are refused, or None."""
    if len(data) > rules.properties:
        return Refusal(TOO_MANY_PROPERTIES, "too many properties")
    nested = 0
    for key, value in data.items():
        problem = _key(key, rules)
        if not problem and isinstance(value, dict | list):
            nested += 1
            problem = _compound(name, key, value, rules)
        elif not problem:
            problem = _scalar(value, rules)
        if problem:
            return Refusal(STRUCTURE, f"{problem}: {key[:40]}")
    if nested and rules.nested == "accept":
        return _nested_size(nested, data)
    return None


def _key(key: str, rules: Rules) -> str | None:
    if not key.strip():
        return "a property without a name"
    if rules.long_keys == "refuse" and len(key) > rules.key_characters:
        return "a property's name is too long"
    plain = limits.PROHIBITED_CHARACTERS.isdisjoint(key)
    if not plain and rules.prohibited_characters == "refuse":
        return "a property's name has a prohibited character"
    return None


def _scalar(value: object, rules: Rules) -> str | None:
    if value is None:
        return "null" if rules.nulls == "refuse" else None
    if isinstance(value, str) and rules.long_values == "refuse":
        # Four bytes a character at most: most texts need not be encoded.
        longest = len(value) * 4
        if longest > rules.value_bytes and len(value.encode()) > rules.value_bytes:
            return "a text is too long"
    return None


def _compound(name: str, key: str, value: object, rules: Rules) -> str | None:
    if key == "Items" and limits.normalised(name) == "charged":
        return _items(value)
    if rules.nested == "refuse":
        return "an object or list, which this account has not enabled"
    if _depth(value) > limits.NESTED_DEPTH:
        return "nested too deeply"
    return None


def _items(value: object) -> str | None:
    if not isinstance(value, list) or len(value) > limits.CHARGED_ITEMS:
        return "Items is not a list, or too long"
    if not all(isinstance(item, dict) for item in value):
        return "Items holds something other than objects"
    return None


def _depth(value: object) -> int:
    """Return how many levels `value` has. The parser has bounded them already."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _nested_size(count: int, data: Mapping[str, Any]) -> Refusal | None:
    if count > limits.NESTED_ROOT_KEYS:
        return Refusal(STRUCTURE, "too many objects and lists")
    if len(msgspec.json.encode(data)) > limits.NESTED_BYTES:
        return Refusal(STRUCTURE, "the nested data is too large")
    return None
