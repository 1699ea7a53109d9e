"""Finds the record that a refusal is about.

CleverTap says it twice: as "Skipped record number : N", counted from 1, and by an echo
of the record, as an object or as a JSON text. The number is exact. The echo may be
mutated: recorded answers turn the phone "+35922333232" into the number 35922333232 and
numeric identities into texts.

Reference: https://github.com/tradeo/clevertap-ruby (spec/vcr_cassettes)
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

_NUMBER: Final = re.compile(
    r"record\s*(?:number|no\b\.?|\#)\s*[:#=]?\s*([0-9]{1,9})(?![0-9])", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,99}")
_EXACT_AS_FLOAT: Final = 2**53


#: In place of an index: the entry is about a record that another entry names.
REPEATED: Final = -1


def match_records(
    entries: Sequence[object], records: Sequence[bytes]
) -> list[int | None]:
    """Return for each of `entries` (the answer's `unprocessed`) its record's index.

    None where it cannot be known, and `REPEATED` where another entry names the same
    record, or where there are more entries than records.
    """
    if not entries:
        return []
    search = _Search(records)
    found: dict[int, int | None] = {}
    for search_by in (search.by_number, search.by_echo):
        for at, entry in enumerate(entries):
            index = None if at in found else search_by(entry)
            if index is not None:
                found[at] = index
    nameless = [at for at in range(len(entries)) if at not in found]
    found.update(search.share_out(nameless, entries))
    return [found[at] for at in range(len(entries))]


class _Search:
    """Finds records, each at most once."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self._records = records
        self._taken: set[int] = set()
        self._indexes: list[tuple[_Key, dict[str, list[int]]]] = []

    def by_number(self, entry: object) -> int | None:
        """Return the index in the entry's text; None without one."""
        index = read_record_number(read_error_text(entry)) - 1
        return self._take(index) if 0 <= index < len(self._records) else None

    def by_echo(self, entry: object) -> int | None:
        """Return the index of the only record that fits the entry's echo, by ever looser keys."""
        echo = _echo(entry)
        if echo is None:
            return None
        for key, index in self._by_key():
            candidates = index.get(key(echo))
            if candidates:
                return self._one_of(candidates)
        return None

    def share_out(
        self, nameless: Sequence[int], entries: Sequence[object]
    ) -> Iterator[tuple[int, int | None]]:
        """Yield (place of the entry, index or None) for entries that name no record.

        If they are as many as the records left, they are about these. Which entry is
        about which record does not matter if all have one code.
        """
        left = [i for i in range(len(self._records)) if i not in self._taken]
        alike = len({_code(entries[at]) for at in nameless}) == 1
        known = alike and len(nameless) >= len(left)
        for order, at in enumerate(nameless):
            if order >= len(left):
                yield at, REPEATED
            else:
                yield at, left[order] if known else None

    def _take(self, index: int) -> int:
        if index in self._taken:
            return REPEATED
        self._taken.add(index)
        return index

    def _one_of(self, candidates: Sequence[int]) -> int | None:
        """Return the first free index, if all free candidates are the same record."""
        free = [i for i in candidates if i not in self._taken]
        if not free:
            return REPEATED
        alike = len({_exactly(json.loads(self._records[i])) for i in free}) == 1
        return self._take(free[0]) if alike else None

    def _by_key(self) -> list[tuple["_Key", dict[str, list[int]]]]:
        """Return the index of the records by each key, strictest first; built once."""
        if not self._indexes:
            sent = [json.loads(record) for record in self._records]
            for key in (_exactly, _leniently, _essentially):
                index = defaultdict(list)
                for i, record in enumerate(sent):
                    index[key(record)].append(i)
                self._indexes.append((key, dict(index)))
        return self._indexes


_Key = Callable[[dict[str, Any]], str]


def read_error_text(entry: object) -> str:
    """Return the entry's error text; an entry may be the bare text."""
    text = _read(entry, "error", 1) if isinstance(entry, dict) else entry
    return text if isinstance(text, str) else ""


def read_record_number(text: str) -> int:
    """Return the record number, from 1, that an error text ends in; 0 if it has none."""
    numbers = _NUMBER.findall(text)
    return int(numbers[-1]) if numbers else 0


def cut_record_number(text: str) -> str:
    """Return an error text without "Skipped record number : N"."""
    return re.sub(rf"(?i:skipped\s*)?{_NUMBER.pattern}", "", text, flags=re.IGNORECASE)


def _code(entry: object) -> str:
    return str(entry.get("code")) if isinstance(entry, dict) else ""


def _read(entry: dict[str, Any], name: str, place: int) -> object:
    """Return a field of the entry.

    In October 2017 CleverTap sent an entry as one pair: the record's JSON, the error.
    """
    if len(entry) == 1:
        pair = next(iter(entry.items()))
        if pair[0].lstrip().startswith("{"):
            return pair[place]
    return entry.get(name)


def _echo(entry: object) -> dict[str, Any] | None:
    record = _read(entry, "record", 0) if isinstance(entry, dict) else None
    if isinstance(record, str):
        try:
            record = json.loads(record)
        except ValueError:
            return None
    return record if isinstance(record, dict) else None


def _exactly(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


def _leniently(record: dict[str, Any]) -> str:
    return json.dumps(_lenient(record), sort_keys=True)


def _essentially(record: dict[str, Any]) -> str:
    """Return identity, event name and time: enough, if only one record has them."""
    keys = ("identity", "objectId", "evtName", "ts")
    return json.dumps([_lenient(record.get(key)) for key in keys])


def _lenient(value: object) -> object:
    """Return `value` without the differences that CleverTap's echoes introduce."""
    match value:
        case dict():
            kept = {k: v for k, v in value.items() if v is not None and v != {}}
            return {str(k).strip(): _lenient(v) for k, v in kept.items()}
        case list():
            return [_lenient(v) for v in value]
        case bool() | None:
            return json.dumps(value)
        case float() if value.is_integer() and abs(value) < _EXACT_AS_FLOAT:
            return str(int(value))
    text = str(value).strip().lstrip("+")
    return str(int(text)) if _DIGITS.fullmatch(text) else text
