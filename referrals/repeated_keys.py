"""Keys that stand twice in one JSON object. Pure.

RFC 8259, section 4, advises against it and does not forbid it. Every decoder silently takes
one of the two values: with two `email`, the event may go to the wrong person.
"""

import json
from collections import Counter
from typing import Any, Final, NamedTuple

import msgspec

from referrals.rules import extend_pointer, find_instances


class _Repeated(NamedTuple):
    """Stands where an object has a key twice."""

    key: str


def may_have_lost(text: bytes, decoded: object) -> bool:
    """Return False where `decoded`, read from the JSON `text`, surely has all its keys.

    Each key has a colon, and a colon within a text stays one, so that an object that lost
    a key has fewer. Costs a fraction of what reading the text did. `decoded` may lack what
    the text has, but must not write colons that the text has not.
    """
    if b"\\u003" in text:  # a colon in disguise
        return True
    count = text.count(b":")
    if count == msgspec.json.encode(decoded).count(b":"):
        return False
    # A struct leaves nulls out, and writes times in its own form.
    return count != msgspec.json.encode(msgspec.json.decode(text)).count(b":")


def find_repeated_key(text: bytes | str) -> str | None:
    """Return the JSON pointer to the first key that stands twice in sound JSON, or None."""
    decoded = _decoder.decode(text if isinstance(text, str) else text.decode())
    found = find_instances(_Repeated, "", decoded)
    return next((extend_pointer(pointer, each.key) for pointer, each in found), None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Repeated:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    counts = Counter(key for key, _ in pairs)
    return _Repeated(next(key for key, count in counts.items() if count > 1))


# What numbers say does not matter, and how many digits they have must not.
_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=len, parse_float=len
)
