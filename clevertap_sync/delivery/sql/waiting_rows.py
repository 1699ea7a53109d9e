"""Many waiting records, and their dead letters, read or written in one statement each.

A step matches a thousand records at once, each with an identity of its own. The ORM would
write them one by one, or compose a CASE of a thousand branches; and of a step that matches
one record, its statements would be most of the cost.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from django.db import connection

from referrals import log

_WAITING: Final = "clevertap_sync_waitingrecord"
_LETTERS: Final = "clevertap_sync_deadletter"
_SET_ANSWERS: Final = {
    "postgresql": f"""
        UPDATE {_WAITING} AS w SET hash = a.hash, matched = a.matched, fresh = FALSE
        FROM json_to_recordset(%s::json) AS a(id bigint, hash uuid, matched uuid)
        WHERE w.id = a.id
    """,
    "sqlite": f"""
        UPDATE {_WAITING} AS w SET hash = json_extract(a.value, '$.hash'),
            matched = json_extract(a.value, '$.matched'), fresh = FALSE
        FROM json_each(%s) AS a WHERE w.id = json_extract(a.value, '$.id')
    """,
}
_NOTE_LINKS: Final = {
    "postgresql": f"""
        UPDATE {_LETTERS} AS d SET linked_at = %s, linked_by = l.position
        FROM json_to_recordset(%s::json) AS l(id bigint, position bigint)
        WHERE d.id = l.id AND d.state = 'waiting'
    """,
    "sqlite": f"""
        UPDATE {_LETTERS} AS d
        SET linked_at = %s, linked_by = json_extract(l.value, '$.position')
        FROM json_each(%s) AS l
        WHERE d.id = json_extract(l.value, '$.id') AND d.state = 'waiting'
    """,
}


_WAIT: Final = {
    "postgresql": f"""
        json_build_array(id, integration_id, letter_id, pick, test,
            replace(hash::text, '-', ''), replace(matched::text, '-', ''), fresh,
            NOT EXISTS (SELECT FROM {_WAITING} other
                WHERE other.letter_id = wait.letter_id AND other.id <> wait.id))
    """,
    "sqlite": f"""
        json_array(id, integration_id, letter_id, pick, json(iif(test, 'true', 'false')),
            hash, matched, json(iif(fresh, 'true', 'false')),
            json(iif(EXISTS (SELECT 1 FROM {_WAITING} AS other
                WHERE other.letter_id = wait.letter_id AND other.id <> wait.id),
                'false', 'true')))
    """,
}
_FRESH: Final = f"""
    SELECT * FROM {_WAITING} WHERE app_id = %(app)s AND fresh AND pick < %(end)s
    ORDER BY pick LIMIT %(most_fresh)s
"""
# OFFSET 0 keeps the list on the outside of the loop, whatever statistics say.
_READ_WAITS: Final = {
    "postgresql": f"""
        SELECT (SELECT json_agg({_WAIT["postgresql"]})::text FROM ({_FRESH}) AS wait),
            (SELECT json_agg({_WAIT["postgresql"]})::text FROM (
                SELECT wait.* FROM json_array_elements_text(%(hashes)s::json) AS sent(value)
                JOIN LATERAL (
                    SELECT * FROM {_WAITING}
                    WHERE app_id = %(app)s AND hash = sent.value::uuid OFFSET 0
                ) AS wait ON TRUE
                ORDER BY wait.id LIMIT %(most_linked)s
            ) AS wait)
    """,
    "sqlite": f"""
        SELECT (SELECT json_group_array({_WAIT["sqlite"]}) FROM ({_FRESH}) AS wait),
            (SELECT json_group_array({_WAIT["sqlite"]}) FROM (
                SELECT wait.* FROM json_each(%(hashes)s) AS sent
                CROSS JOIN {_WAITING} AS wait
                    ON wait.app_id = %(app)s AND wait.hash = sent.value
                ORDER BY wait.id LIMIT %(most_linked)s
            ) AS wait)
    """,
}
_HAS_MORE: Final = f"""
    SELECT coalesce({log.build_head_sql("%(app)s")}, 0) > %(last)s
        OR EXISTS (SELECT 1 FROM {_WAITING} WHERE app_id = %(app)s AND fresh AND pick < %(end)s)
"""
_STANDING: Final = """
    SELECT id FROM clevertap_sync_replay WHERE kind = 'people' AND integration_id = %s
"""
_START: Final = """
    UPDATE clevertap_sync_replay SET state = 'running'
    WHERE kind = 'people' AND state <> 'running' AND integration_id IN ({ids})
"""
_START_REPLAYS: Final = {
    "postgresql": _START.format(
        ids="SELECT value::bigint FROM json_array_elements_text(%s::json)"
    ),
    "sqlite": _START.format(ids="SELECT value FROM json_each(%s)"),
}


class Wait(NamedTuple):
    """A waiting record as it was read. Hashes are hexadecimal.

    `is_alone`: its letter waits by no other ID.
    """

    pk: int
    integration_id: int
    letter_id: int
    pick: int
    test: bool
    hash: str | None
    matched: str | None
    fresh: bool
    is_alone: bool = False


_waits: Final = msgspec.json.Decoder(list[Wait])


class AnsweredRow(msgspec.Struct):
    """Whom the waiting record with this `id` waits for, and under which identity it goes.

    Both are keyed hashes in hexadecimal; None in `matched`: nobody is known yet.
    """

    id: int
    hash: str | None
    matched: str | None


class Link(msgspec.Struct):
    """The dead letter with this `id`, and the position that said who its person is."""

    id: int
    position: int | None


def read_waits(
    app_id: int,
    *,
    end: int,
    most_fresh: int,
    hashes: Collection[str],
    most_linked: int,
) -> tuple[list[Wait], list[Wait]]:
    """Return the app's first fresh records before the pick `end`, and who waits for `hashes`."""
    asked: dict[str, int | str] = {
        "app": app_id,
        "end": end,
        "most_fresh": most_fresh,
        "hashes": msgspec.json.encode(sorted(hashes)).decode(),
        "most_linked": most_linked,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ_WAITS[connection.vendor], asked)
        fresh, linked = cursor.fetchone()
    return _waits.decode(fresh or "[]"), _waits.decode(linked or "[]")


def has_more_to_do(app_id: int, last: int, end: int) -> bool:
    """Return whether the log goes on beyond `last`, or a record before the pick `end` is fresh."""
    with connection.cursor() as cursor:
        cursor.execute(_HAS_MORE, {"app": app_id, "last": last, "end": end})
        return bool(cursor.fetchone()[0])


def find_standing_replay(integration_id: int) -> int | None:
    """Return the replay by which the integration sends what waited; None before the first."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [integration_id])
        row: tuple[int] | None = cursor.fetchone()
    return row and row[0]


def start_replays(integration_ids: Collection[int]) -> int:
    """Let what waited for a person go out of each integration; return how many began."""
    if not integration_ids:
        return 0
    ids = msgspec.json.encode(sorted(integration_ids)).decode()
    with connection.cursor() as cursor:
        cursor.execute(_START_REPLAYS[connection.vendor], [ids])
        started: int = cursor.rowcount
    return started


def write_answers(answers: Sequence[AnsweredRow]) -> None:
    """Write what a step found, so that none of these records is fresh any more."""
    _execute(_SET_ANSWERS, answers)


def write_links(links: Sequence[Link], now: datetime) -> None:
    """Write on each dead letter that still waits when and by what its person became known."""
    _execute(_NOTE_LINKS, links, connection.ops.adapt_datetimefield_value(now))


def _execute(
    statements: Mapping[str, str],
    rows: Sequence[AnsweredRow | Link],
    *before: str | None,
) -> None:
    if not rows:
        return
    encoded = msgspec.json.encode(rows).decode()
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor], (*before, encoded))
