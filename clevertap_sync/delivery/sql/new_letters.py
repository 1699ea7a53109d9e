"""New dead letters, and the rows of whom they wait for, by one statement each.

Of an app whose users are known late, each second record may be one that waits: the ORM
would take as long to write its rows as all else that becomes of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import connection

from clevertap_sync.models import Upload

_INSERT_LETTERS: Final = """
    INSERT INTO clevertap_sync_deadletter (integration_id, upload_id, created_at,
        changed_at, failures, position, side, event_name, reason, detail, state,
        delivered_at)
    SELECT %s, %s, {instant}, {instant}, 1, {values}
    RETURNING id, position, side
"""
_INSERT_WAITS: Final = """
    INSERT INTO clevertap_sync_waitingrecord (app_id, integration_id, fresh, letter_id,
        pick, test, hash, since)
    SELECT %s, %s, TRUE, {values}
"""
_ROWS: Final = {
    "postgresql": "{values} FROM json_to_recordset(%s::json) AS n({types})",
    "sqlite": "{values} FROM json_each(%s) AS n",
}


class NewLetter(msgspec.Struct):
    """What of a new dead letter is its own: the columns of `DeadLetter` by these names."""

    position: int | None
    side: str
    event_name: str
    reason: str
    detail: str
    state: str
    delivered_at: datetime | None


class NewWait(msgspec.Struct):
    """An identity that a dead letter waits for, by hash; None: a referrer, "last"."""

    letter_id: int
    pick: int
    test: bool
    hash: str | None
    since: datetime


_TYPES: Final[Mapping[type[msgspec.Struct], Mapping[str, str]]] = {
    NewLetter: {
        "position": "bigint",
        "side": "text",
        "event_name": "text",
        "reason": "text",
        "detail": "text",
        "state": "text",
        "delivered_at": "timestamptz",
    },
    NewWait: {
        "letter_id": "bigint",
        "pick": "bigint",
        "test": "boolean",
        "hash": "uuid",
        "since": "timestamptz",
    },
}


def insert_letters(
    upload: Upload, letters: Sequence[NewLetter], now: datetime
) -> dict[tuple[int | None, str], int]:
    """Insert dead letters of an upload; return their IDs by position and side."""
    if not letters:
        return {}
    instant = connection.ops.adapt_datetimefield_value(now)
    statement = _INSERT_LETTERS.format(values=_select_rows(NewLetter), instant="%s")
    owners = [upload.integration_id, upload.pk, instant, instant]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*owners, _encode(letters)])
        return {(position, side): pk for pk, position, side in cursor.fetchall()}


def insert_waits(app_id: int, integration_id: int, waits: Sequence[NewWait]) -> None:
    """Insert whom dead letters of the integration wait for. No step has looked for them yet."""
    if not waits:
        return
    statement = _INSERT_WAITS.format(values=_select_rows(NewWait))
    with connection.cursor() as cursor:
        cursor.execute(statement, [app_id, integration_id, _encode(waits)])


def _select_rows(kind: type[msgspec.Struct]) -> str:
    """Return the SQL of the rows' values, and where they come from: one JSON parameter."""
    types, vendor = _TYPES[kind], connection.vendor
    return _ROWS[vendor].format(
        values=", ".join(_read_value(*each) for each in types.items()),
        types=", ".join(f"{name} {column_type}" for name, column_type in types.items()),
    )


def _read_value(name: str, column_type: str) -> str:
    if connection.vendor == "postgresql":
        return f"n.{name}"
    value = f"json_extract(n.value, '$.{name}')"
    if column_type == "timestamptz":
        # As the ORM writes an instant: a blank between date and time, and no zone.
        return f"replace(rtrim({value}, 'Z'), 'T', ' ')"
    return value


def _encode(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
