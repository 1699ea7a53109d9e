"""The log on SQLite, embedded: the process is the only machine that writes.

Instants are written as Django's own columns are, so that both compare as texts.
"""

from datetime import UTC, datetime

import msgspec
from django.db.backends.utils import CursorWrapper

from referrals.fraud.memory import SeenAt
from referrals.log.rows import (
    FoundEvent,
    FoundRow,
    LogEnd,
    LogRow,
    choose_time_of_receipt,
)

_SELECT_LAST = """
    SELECT position, received_at FROM referrals_referralevent
    WHERE app_id = %s ORDER BY position DESC LIMIT 1
"""
# CROSS JOIN keeps the sent keys on the outside of the loop.
# Reference: https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join
_LOOK_UP = """
    SELECT event.key, event.position, event.fingerprint
    FROM json_each(%s) AS sent
    CROSS JOIN referrals_referralevent AS event
    WHERE event.app_id = %s AND event.key = sent.value
"""
_INSERT = """
    INSERT INTO referrals_referralevent
        (app_id, position, received_at, key, fingerprint, occurred_at,
         type, name, channel, status, test, body, request_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_SELECT_SIGHTINGS = """
    SELECT sighting.mark, sighting.value, sighting.seen_at
    FROM json_each(%s) AS sent
    CROSS JOIN referrals_sighting AS sighting
    WHERE sighting.app_id = %s AND sighting.mark = sent.value
"""
_INSERT_SIGHTINGS = """
    INSERT INTO referrals_sighting (app_id, mark, value, seen_at)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (app_id, mark, value) DO UPDATE SET seen_at = excluded.seen_at
"""
_SELECT_BODIES = """
    SELECT event.position, event.received_at, event.body, event.request_id
    FROM json_each(%s) AS sent
    CROSS JOIN referrals_referralevent AS event
    WHERE event.app_id = %s AND event.position = sent.value
    ORDER BY event.position
"""


def lock_and_look_up(cursor: CursorWrapper, app_id: int, keys: list[str]) -> LogEnd:
    """Return the end of the log, and those of `keys` that are in it.

    The transaction began IMMEDIATE, which is the lock of all apps.
    """
    cursor.execute(_SELECT_LAST, [app_id])
    head, last = cursor.fetchone() or (0, None)
    cursor.execute(_LOOK_UP, [_encode_json(keys), app_id])
    found = {key: FoundEvent(*place) for key, *place in cursor.fetchall()}
    return LogEnd(
        head, choose_time_of_receipt(last and _add_utc(last), datetime.now(UTC)), found
    )


def insert_rows(
    cursor: CursorWrapper, app_id: int, end: LogEnd, rows: list[LogRow]
) -> None:
    """Write `rows` after the end of the log, received at `end.now`."""
    now = _format_instant(end.now)
    cursor.executemany(
        _INSERT,
        [
            (app_id, position, now, row.key, row.fingerprint, _format_instant(row.occurred_at),
             row.type, row.name, row.channel, row.status, row.test,
             bytes(row.body).decode(), row.request_id)
            for position, row in enumerate(rows, start=end.head + 1)
        ],
    )  # fmt: skip


def read_sightings(
    cursor: CursorWrapper, app_id: int, marks: list[str]
) -> list[SeenAt]:
    """Return the sightings at `marks`."""
    cursor.execute(_SELECT_SIGHTINGS, [_encode_json(marks), app_id])
    return [(mark, value, _add_utc(naive)) for mark, value, naive in cursor.fetchall()]


def write_sightings(cursor: CursorWrapper, app_id: int, seen: list[SeenAt]) -> None:
    """Store the sightings, or that they were seen again."""
    cursor.executemany(
        _INSERT_SIGHTINGS,
        [(app_id, mark, value, _format_instant(at)) for mark, value, at in seen],
    )


def read_bodies(
    cursor: CursorWrapper, app_id: int, positions: list[int]
) -> list[FoundRow]:
    """Return the rows at `positions`, ascending."""
    cursor.execute(_SELECT_BODIES, [_encode_json(positions), app_id])
    rows = cursor.fetchall()
    return [(position, _add_utc(naive), *rest) for position, naive, *rest in rows]


def _encode_json(values: list[str] | list[int]) -> str:
    return msgspec.json.encode(values).decode()


def _format_instant(instant: datetime) -> str:
    """Return an instant as Django writes it: UTC, without a zone."""
    return str(instant.astimezone(UTC).replace(tzinfo=None))


def _add_utc(naive: datetime) -> datetime:
    """Return an instant as Django's converter reads the column: UTC, without a zone."""
    return naive.replace(tzinfo=UTC)
