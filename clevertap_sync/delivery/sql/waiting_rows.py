"""Many waiting records, and their dead letters, written in one statement each.

A step matches a thousand records at once, each with an identity of its own. The ORM would
write them one by one, or compose a CASE of a thousand branches.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from django.db import connection

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
