"""Names of which CleverTap stores nothing, by the account's schema."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import Cell
from clevertap_sync.clevertap.causes.week import AccountWeek, Cause, Schema

Verdicts = dict[tuple[str, date], Cause]


def by_name(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each name, by day."""
    ordered = sorted(cells, key=lambda cell: cell.key)
    return {
        folded: list(row) for folded, row in groupby(ordered, lambda cell: cell.folded)
    }


def judge_names(cells: Sequence[Cell], week: AccountWeek) -> Verdicts:
    """Return the causes of cells that count 0 because of their name."""
    schema = week.schema
    if schema is None:
        return {}
    rows = by_name(cells)
    is_alone = len(rows) > 1 and not any(folded in schema.events for folded in rows)
    if is_alone and not schema.is_full and any(week.counted_before.values()):
        # They were known: what happened, happened to the account.
        return {}
    verdicts: Verdicts = {}
    for folded, row in rows.items():
        for cell in _find_dropped(row, schema):
            cause = find_name_cause(
                cell.name, folded, cell.difference, schema, is_alone=is_alone
            )
            if cause is not None:
                verdicts[cell.key] = cause
    return verdicts


def _find_dropped(row: Sequence[Cell], schema: Schema) -> list[Cell]:
    """Return the cells of one name that the schema alone explains."""
    missing = [cell for cell in row if cell.is_missing]
    event = schema.events.get(row[0].folded)
    if event is not None:
        return missing if event.status == "discarded" else []
    if any(cell.counted for cell in row):
        # What is counted was known: the schema was changed, or read too late.
        return []
    is_certain = schema.is_full or any(not cell.is_recent for cell in missing)
    return missing if is_certain else []


def find_name_cause(
    name: str, folded: str, size: int, schema: Schema, *, is_alone: bool
) -> Cause | None:
    """Return why CleverTap takes nothing of a name; None where its schema takes it.

    `is_alone` says that the schema has no other name of ours either.
    """
    event = schema.events.get(folded)
    if event is not None:
        is_discarded = event.status == "discarded"
        return sentences.say_name_discarded(size, name) if is_discarded else None
    if schema.is_full:
        return sentences.say_event_types_full(size, name, schema)
    other = find_similar(name, schema)
    return sentences.say_name_unknown(size, name, other, is_alone=is_alone)


def find_similar(name: str, schema: Schema) -> str:
    """Return the schema's name that differs in signs and letter case only, or nothing.

    None with characters that a terminal or a page would obey: a sentence repeats it.
    """
    wanted = _letters(name)
    for event in schema.events.values():
        if _letters(event.name) == wanted and event.name.isprintable():
            return event.name
    return ""


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
