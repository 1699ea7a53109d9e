"""What of a mapping changed, rule by rule, for the history. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Final

from referrals.history import EMPTY, Difference
from referrals.rules import extend_pointer

#: More are counted in one line.
MOST: Final = 20
_TABLES: Final = ("kinds", "event")
_LONGEST: Final = 200


def list_mapping_changes(
    before: dict[str, Any], after: dict[str, Any]
) -> list[Difference]:
    """Return what changed, each with the pointer to it: at most `MOST`, and how many more."""
    changed = list(_find_changes("", before, after))
    more = len(changed) - MOST
    if more > 0:
        changed[MOST:] = [("Mapping", EMPTY, f"{more} more rules changed")]
    return changed


def _find_changes(
    pointer: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        at = extend_pointer(pointer, name)
        if not pointer and name in _TABLES:
            yield from _find_changes(at, old or {}, new or {})
        else:
            yield f"Mapping {at}", _describe(old), _describe(new)


def _describe(value: object) -> str:
    if value is None:
        return EMPTY
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
