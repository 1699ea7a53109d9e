"""The log on PostgreSQL.

A request is one look-up and one COPY, however many events it has. Keys are joined,
never listed (`key = ANY(…)`): on a table without statistics, a list of a thousand is
compared with every row of the app.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, count, repeat
from typing import Any
from uuid import UUID

import msgspec
from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from referrals.fraud.memory import SeenAt
from referrals.log.direct import Row as DirectRow, ask_directly, is_alone
from referrals.log.rows import (
    FoundEvent,
    FoundRow,
    LogEnd,
    LogRow,
    LogTip,
    choose_time_of_receipt,
)

# Sets the log's advisory locks apart from other programs' in the same database.
LOCK_NAMESPACE = 0x4C4F47
_LARGEST_LOCK = 2**31 - 1

# Two statements in one message, which saves a round trip while others wait. The look-up
# needs a snapshot from after the wait, or a key that another transaction stored meanwhile
# would fail on the unique constraint; each statement takes its own.
# Reference: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
_LOCK_AND_LOOK_UP = """
    SELECT pg_advisory_xact_lock(%(namespace)s, %(lock)s);
    SELECT clock_timestamp(), last.position, last.received_at,
           found.key, found.position, found.fingerprint
    FROM (SELECT 1) AS always
    LEFT JOIN LATERAL (
        SELECT position, received_at FROM referrals_referralevent
        WHERE app_id = %(app_id)s ORDER BY position DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT event.key, event.position, event.fingerprint
        FROM json_array_elements_text(%(keys)s::json) AS sent(key)
        JOIN LATERAL (
            SELECT key, position, fingerprint FROM referrals_referralevent
            WHERE app_id = %(app_id)s AND key = sent.key LIMIT 1
        ) AS event ON true
    ) AS found ON true
"""
# Made by a migration, and never changed: a release that wants another makes it under
# another number, and the next one drops this.
_APPEND_IF_NEW = """
    SELECT head, key, position, fingerprint
    FROM referrals_referralevent_append_1({}, {}, {}, {})
"""
_APPEND_BY_CURSOR = _APPEND_IF_NEW.format("%s", "%s", "%s", "%s")
_APPEND_DIRECTLY = _APPEND_IF_NEW.format("$1", "$2", "$3", "$4").encode()
# Reference: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_AVAILABLE = "55P03"
_COPY = """
    COPY referrals_referralevent
        (position, app_id, received_at, key, fingerprint, occurred_at,
         type, name, channel, status, test, request_id, body)
    FROM STDIN
"""
# Reference: https://www.postgresql.org/docs/current/sql-copy.html (text format)
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_encode_lines = msgspec.json.Encoder().encode_lines
_SPELT = ("false", "true")
#: More at a time would be no faster.
_ROWS_AT_ONCE = 100
_SELECT_SIGHTINGS = """
    SELECT sighting.mark, sighting.value, sighting.seen_at
    FROM json_array_elements_text(%s::json) AS sent(mark)
    JOIN LATERAL (
        SELECT mark, value, seen_at FROM referrals_sighting
        WHERE app_id = %s AND mark = sent.mark::uuid OFFSET 0
    ) AS sighting ON true
"""
_INSERT_SIGHTINGS = """
    INSERT INTO referrals_sighting (app_id, mark, value, seen_at)
    SELECT %s, (seen->>0)::uuid, (seen->>1)::uuid, (seen->>2)::timestamptz
    FROM json_array_elements(%s::json) AS sent(seen)
    ON CONFLICT (app_id, mark, value) DO UPDATE SET seen_at = excluded.seen_at
"""
# A range and its order, in place of an equality: without statistics, the index of the keys
# looks as good otherwise, and all of a small app's events would be read for each position.
_SELECT_BODIES = """
    SELECT event.position, event.received_at, event.body, event.request_id
    FROM json_array_elements_text(%s::json) AS sent(position)
    JOIN LATERAL (
        SELECT position, received_at, body, request_id FROM referrals_referralevent
        WHERE app_id = %s AND position >= sent.position::bigint
            AND position <= sent.position::bigint
        ORDER BY position LIMIT 1
    ) AS event ON true
    ORDER BY event.position
"""


def lock_and_look_up(cursor: CursorWrapper, app_id: int, keys: list[str]) -> LogEnd:
    """Take the app's lock until the transaction ends, then look at the log.

    Returns its end, and those of `keys` that are in it.
    """
    cursor.execute(
        _LOCK_AND_LOOK_UP,
        {
            "namespace": LOCK_NAMESPACE,
            "lock": app_id % _LARGEST_LOCK,
            "app_id": app_id,
            "keys": _encode_json(keys),
        },
    )
    cursor.nextset()
    rows = cursor.fetchall()
    clock, head, last, *_ = rows[0]
    found = _read_found(rows)
    return LogEnd(head or 0, choose_time_of_receipt(last, clock), found)


def _read_found(rows: list[tuple[Any, ...]]) -> dict[str, FoundEvent]:
    """Return the events that `rows` end with, by key."""
    return {
        key: FoundEvent(position, fingerprint and fingerprint.hex)
        for *_, key, position, fingerprint in rows
        if key is not None
    }


def append_if_new(
    database: BaseDatabaseWrapper,
    app_id: int,
    rows: list[LogRow],
    numbers: Mapping[str, int],
) -> LogTip | None:
    """Write `rows` after the head of the log, unless one of their keys is in it.

    Returns the log before; `found` says that nothing was written. Returns None, and has
    written nothing, where a custom name has another number than in `numbers`.
    """
    named = [{"normalised": name, "number": n} for name, n in numbers.items()]
    lock, sent = app_id % _LARGEST_LOCK, msgspec.json.encode(rows)
    numbered = msgspec.json.encode(named) if named else None
    if is_alone(database):
        values = (b"%d" % app_id, b"%d" % lock, sent, numbered)
        answers = list(
            map(_read_texts, ask_directly(database, _APPEND_DIRECTLY, values))
        )
    else:
        answers = _append_by_cursor(
            [app_id, lock, sent.decode(), numbered and numbered.decode()]
        )
    return LogTip(answers[0][0], _read_found(answers)) if answers else None


def _read_texts(row: DirectRow) -> tuple[Any, ...]:
    """Return the row as a cursor has it."""
    head, key, position, fingerprint = row
    if key is None:
        return int(head or 0), None, None, None
    return (
        int(head or 0),
        key.decode(),
        int(position or 0),
        fingerprint and UUID(fingerprint.decode()),
    )


def _append_by_cursor(values: list[Any]) -> list[tuple[Any, ...]]:
    with _open_binding_cursor() as cursor:
        cursor.execute(_APPEND_BY_CURSOR, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def is_lock_timeout(error: Error) -> bool:
    """Return whether a lock was not to be had for as long as a statement waits."""
    return getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _open_binding_cursor() -> CursorWrapper:
    """Return a cursor whose values go beside the statement, and not in its text.

    So PostgreSQL does not write them into its log where the statement fails.
    """
    from django.db.backends.postgresql.base import (  # noqa: PLC0415 - SQLite goes without
        ServerBindingCursor,
    )

    connection.ensure_connection()
    # django-stubs knows neither this class's base, nor what else becomes a cursor.
    cursor: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    if connection.queries_logged:
        return connection.make_debug_cursor(cursor)
    return connection.make_cursor(cursor)


def insert_rows(
    cursor: CursorWrapper, app_id: int, end: LogEnd, rows: list[LogRow]
) -> None:
    """Write `rows` after the end of the log, received at `end.now`.

    COPY takes half the CPU of an INSERT from one JSON parameter. Django knows nothing of
    it, so its errors are made Django's here.
    """
    with cursor.db.wrap_database_errors, cursor.copy(_COPY) as copy:
        for lines in make_lines(app_id, end, rows):
            copy.write(lines)


def make_lines(app_id: int, end: LogEnd, rows: list[LogRow]) -> Iterator[bytes]:
    """Yield `rows` as COPY reads them, some at a time: a request may bring 8 MB of them."""
    shared = f"\t{app_id}\t{end.now}"
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        yield _format_rows(end.head + 1 + start, shared, some)


def _format_rows(first: int, shared: str, rows: list[LogRow]) -> bytes:
    """Return the lines of `rows`, from the position `first` on."""
    lines = _join_columns(first, shared, rows)
    # Names, channels and keys stand in the bodies as well, where JSON escapes what COPY does.
    if b"\\" in lines:
        lines = _join_columns(first, shared, list(map(_escape_for_copy, rows)))
    return lines


def _join_columns(first: int, shared: str, rows: list[LogRow]) -> bytes:
    """Return the lines of rows in which nothing has to be escaped any more.

    Bodies stay bytes: of a text with one emoji, each character takes four. And the texts are
    joined as they are: to format an enum's member asks Python for its text.
    """
    times = _encode_lines([row.occurred_at for row in rows]).decode().replace('"', "")
    columns = [
        "\t".join(
            (
                *(f"{position}{shared}", row.key, row.fingerprint, time, row.type),
                *(row.name, row.channel, row.status, _SPELT[row.test]),
                *(row.request_id, ""),
            )
        ).encode()
        for position, row, time in zip(
            count(first), rows, times.split("\n"), strict=False
        )
    ]
    bodies = [row.body for row in rows]
    return b"".join(chain.from_iterable(zip(columns, bodies, repeat(b"\n"))))


def _escape_for_copy(row: LogRow) -> LogRow:
    """Return the row with its texts as COPY reads them.

    Only a name or a channel can hold a tab or a line's end.
    """
    return msgspec.structs.replace(
        row,
        key=row.key.translate(_ESCAPES),
        name=row.name.translate(_ESCAPES),
        channel=row.channel.translate(_ESCAPES),
        request_id=row.request_id.translate(_ESCAPES),
        body=msgspec.Raw(bytes(row.body).replace(b"\\", rb"\\")),
    )


def read_sightings(
    cursor: CursorWrapper, app_id: int, marks: list[str]
) -> list[SeenAt]:
    """Return the sightings at `marks`."""
    cursor.execute(_SELECT_SIGHTINGS, [_encode_json(marks), app_id])
    return [
        (mark.hex, value.hex, seen_at) for mark, value, seen_at in cursor.fetchall()
    ]


def write_sightings(cursor: CursorWrapper, app_id: int, seen: list[SeenAt]) -> None:
    """Store the sightings, or that they were seen again."""
    cursor.execute(_INSERT_SIGHTINGS, [app_id, _encode_json(seen)])


def read_bodies(
    cursor: CursorWrapper, app_id: int, positions: list[int]
) -> list[FoundRow]:
    """Return the rows at `positions`, ascending."""
    cursor.execute(_SELECT_BODIES, [_encode_json(positions), app_id])
    rows: list[FoundRow] = cursor.fetchall()
    return rows


def _encode_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
