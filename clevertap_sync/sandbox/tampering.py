"""Answers that are wrong on purpose. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from clevertap_sync.sandbox.answers import Answer, envelope, spaced
from clevertap_sync.sandbox.faults import Tamper

Entries = list[dict[str, Any]]
_NUMBER = re.compile(r"\s*Skipped record number : \d+")


def tampered(entries: Entries, processed: int, how: Sequence[Tamper]) -> Answer:
    """Return the answer to an upload, with everything wrong that `how` lists."""
    if "empty_fail" in how:
        return envelope([], processed=0, status="fail")
    for tamper in how:
        entries = _REWRITES[tamper](entries) if tamper in _REWRITES else entries
    return envelope(
        entries,
        processed=processed + ("wrong_count" in how),
        status="success" if "success_status" in how else None,
    )


def _without(key: str) -> Callable[[Entries], Entries]:
    def rewrite(entries: Entries) -> Entries:
        return [{k: v for k, v in each.items() if k != key} for each in entries]

    return rewrite


def _without_numbers(entries: Entries) -> Entries:
    return [{**each, "error": _NUMBER.sub("", each["error"])} for each in entries]


def _string_records(entries: Entries) -> Entries:
    return [{**each, "record": spaced(each["record"])} for each in entries]


_REWRITES: dict[Tamper, Callable[[Entries], Entries]] = {
    "reordered": lambda entries: entries[::-1],
    "missing_entries": lambda entries: entries[1:],
    "duplicated_entries": lambda entries: [e for e in entries for _ in range(2)],
    "without_records": _without("record"),
    "without_codes": _without("code"),
    "without_numbers": _without_numbers,
    "string_records": _string_records,
    "keyed_entries": lambda entries: [
        {spaced(e["record"]): e["error"]} for e in entries
    ],
}
