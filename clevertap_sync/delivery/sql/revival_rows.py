"""What a revival reads and writes of dead letters, and of whom they wait for: by few statements.

It is part of every link's way to CleverTap. The ORM would take two statements for each of
these, and as long to compose one as the database to carry it out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from clevertap_sync.insight.picks import read_position, read_side

_WAITING: Final = "clevertap_sync_waitingrecord"
_LETTERS: Final = "clevertap_sync_deadletter"
_REPLAYS: Final = "clevertap_sync_replay"
_MATCHED: Final = f"""
    SELECT letter_id, pick FROM {_WAITING}
    WHERE integration_id = %(integration)s AND matched IS NOT NULL
    ORDER BY pick LIMIT %(most_rows)s
"""
_COUNT: Final = f"SELECT count(DISTINCT letter_id) FROM ({_MATCHED}) AS matched"
# The next letters in log order; the lateral joins keep them on the outside of the loop, and
# lock them by ID, as all do.
_NEXT: Final = """
    SELECT letter_id FROM (
        SELECT letter_id FROM matched GROUP BY letter_id ORDER BY min(pick) LIMIT %(most)s
    ) AS next ORDER BY letter_id
"""
_READ: Final = {
    "postgresql": f"""
        WITH matched AS MATERIALIZED ({_MATCHED}), next AS MATERIALIZED ({_NEXT})
        SELECT (SELECT count(*) FROM matched), wait.id, letter.id, letter.state = 'waiting',
            wait.pick, wait.test, wait.hash
        FROM next
        JOIN LATERAL (
            SELECT id, state FROM {_LETTERS} WHERE id = next.letter_id FOR NO KEY UPDATE
        ) AS letter ON TRUE
        JOIN LATERAL (
            SELECT id, pick, test, hash FROM {_WAITING} WHERE letter_id = next.letter_id
            OFFSET 0
        ) AS wait ON TRUE
    """,
    "sqlite": f"""
        WITH matched AS ({_MATCHED}), next AS ({_NEXT})
        SELECT (SELECT count(*) FROM matched), wait.id, letter.id, letter.state = 'waiting',
            wait.pick, wait.test, wait.hash
        FROM next
        CROSS JOIN {_LETTERS} AS letter ON letter.id = next.letter_id
        CROSS JOIN {_WAITING} AS wait ON wait.letter_id = next.letter_id
    """,
}
_IDS: Final = {
    "postgresql": "(SELECT value::bigint FROM json_array_elements_text(%({name})s::json))",
    "sqlite": "(SELECT value FROM json_each(%({name})s))",
}
_STOP_WAITING: Final = f"DELETE FROM {_WAITING} WHERE letter_id IN {{all}}"
_TAKE: Final = f"""
    UPDATE {_LETTERS} SET state = 'replaying', replay_upload_id = %(upload)s,
        changed_at = %(now)s
    WHERE id IN {{taken}}
"""
_END_REPLAY: Final = f"UPDATE {_REPLAYS} SET state = 'done' WHERE id = %(ended)s"
_TAKEN: Final = """
    state = 'replaying', replay_upload_id = %(upload)s, linked_at = %(now)s,
        changed_at = %(now)s, linked_by
"""
#: Letters that wait, each with the one row that says whom for, while both are there. A letter
#: before that row, as whoever delivers it writes them. Each letter is found by its key: without
#: statistics all that wait look like a few rows, and would be read for each of these.
_TAKE_KNOWN: Final[Mapping[str, str]] = {
    "postgresql": f"""
        WITH known AS MATERIALIZED (
            SELECT letter.id, sent.wait, sent.position
            FROM json_to_recordset(%(known)s::json)
                AS sent(id bigint, wait bigint, position bigint)
            JOIN LATERAL (
                SELECT id FROM {_LETTERS} WHERE id = sent.id AND state || '' = 'waiting'
                FOR NO KEY UPDATE
            ) AS letter ON TRUE
            JOIN LATERAL (
                SELECT id FROM {_WAITING} WHERE id = sent.wait OFFSET 0
            ) AS wait ON TRUE
        ), taken AS (
            UPDATE {_LETTERS} AS letter SET {_TAKEN} = known.position
            FROM known WHERE letter.id = known.id
            RETURNING letter.id
        ), gone AS (
            DELETE FROM {_WAITING} WHERE id IN (SELECT wait FROM known)
        )
        SELECT id FROM taken
    """,
    "sqlite": f"""
        UPDATE {_LETTERS} AS letter
        SET {_TAKEN} = json_extract(sent.value, '$.position')
        FROM json_each(%(known)s) AS sent
        WHERE letter.id = json_extract(sent.value, '$.id') AND state || '' = 'waiting'
            AND EXISTS (SELECT 1 FROM {_WAITING}
                WHERE id = json_extract(sent.value, '$.wait'))
        RETURNING id
    """,
}
_DELIVERED: Final = """
    state = 'delivered', replay_upload_id = %(upload)s, changed_at = %(now)s,
        delivered_at = coalesce(delivered_at, %(now)s)
"""
#: A letter before whom it waits for, as a step writes them: it may match it at this moment.
#: A range and its order, in place of an equality: without statistics, any index that begins
#: with the integration looks as good otherwise.
_DELIVER: Final[Mapping[str, Sequence[str]]] = {
    "postgresql": [
        f"""
        WITH found AS (
            SELECT letter.id
            FROM json_to_recordset(%(records)s::json) AS sent(position bigint, side text)
            JOIN LATERAL (
                SELECT id FROM {_LETTERS} WHERE integration_id = %(integration)s
                    AND position >= sent.position AND position <= sent.position
                    AND side = sent.side
                ORDER BY position LIMIT 1
            ) AS letter ON TRUE
        ), delivered AS (
            UPDATE {_LETTERS} SET {_DELIVERED} WHERE id IN (SELECT id FROM found)
            RETURNING id
        )
        DELETE FROM {_WAITING} WHERE letter_id IN (SELECT id FROM delivered)
        """
    ],
    "sqlite": [
        f"UPDATE {_LETTERS} SET {_DELIVERED} WHERE id IN ({{letters}})",
        f"DELETE FROM {_WAITING} WHERE letter_id IN ({{letters}})",
    ],
}
_LETTERS_OF_RECORDS: Final = f"""
    SELECT letter.id FROM json_each(%(records)s) AS sent
    CROSS JOIN {_LETTERS} AS letter ON letter.integration_id = %(integration)s
        AND letter.position = json_extract(sent.value, '$.position')
        AND letter.side = json_extract(sent.value, '$.side')
"""


class MatchedRow(NamedTuple):
    """A row of whom a letter waits for. `waits`: the letter still does."""

    pk: int
    letter: int
    waits: bool
    pick: int
    test: bool
    hash: UUID | None


class KnownLetter(msgspec.Struct, frozen=True):
    """The letter with this `id`, and the one row that says whom it waits for, by its ID.

    `position` is that of the event that said who its person is.
    """

    id: int
    wait: int
    position: int | None


class MatchedRows(NamedTuple):
    """All rows of the next letters of which one is matched, in log order.

    `has_more`: there may be further letters.
    """

    rows: list[MatchedRow]
    has_more: bool


def has_matched_letters(integration_id: int, most: int) -> bool:
    """Return whether `most` letters or more have somebody who is known."""
    asked = {"integration": integration_id, "most_rows": 2 * most}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, asked)
        (count,) = cursor.fetchone()
    return bool(count >= most)


def lock_matched_letters(integration_id: int, most: int) -> MatchedRows:
    """Lock the next `most` letters whose person is known; return whom they wait for.

    A letter that waits for several IDs may have several rows that match.
    """
    most_rows = 2 * most
    asked = {"integration": integration_id, "most": most, "most_rows": most_rows}
    with connection.cursor() as cursor:
        cursor.execute(_READ[connection.vendor], asked)
        found = cursor.fetchall()
    rows = [_read_row(values) for _, *values in found]
    rows.sort(key=lambda row: (row.pick, row.pk))
    letters = {row.letter for row in rows}
    has_more = len(letters) >= most or any(count >= most_rows for count, *_ in found)
    return MatchedRows(rows, has_more)


def take_letters(
    upload_id: int,
    taken: Collection[int],
    gone: Collection[int],
    *,
    ended_replay: int | None,
    now: datetime,
) -> None:
    """Let an upload have the letters `taken`, and let nobody wait for those `gone`.

    With its last letters, the replay `ended_replay` ends.
    """
    ids = _IDS[connection.vendor]
    lists = {name: ids.format(name=name) for name in ("all", "taken")}
    asked = {
        "upload": upload_id,
        "now": connection.ops.adapt_datetimefield_value(now),
        "all": _encode(list(gone)),
        "taken": _encode(list(taken)),
        "ended": ended_replay,
    }
    take, stop_waiting = _TAKE.format(**lists), _STOP_WAITING.format(**lists)
    if connection.vendor == "postgresql":
        _execute(
            [f"WITH gone AS ({stop_waiting}), ended AS ({_END_REPLAY}) {take}"], asked
        )
    else:
        _execute([take, stop_waiting, _END_REPLAY], asked)


def take_known_letters(
    upload_id: int, letters: Sequence[KnownLetter], now: datetime
) -> frozenset[int]:
    """Let an upload have those of the letters that wait as they did; return their IDs.

    Each says by what its person became known, and nobody waits for them any more.
    """
    asked = {
        "upload": upload_id,
        "now": connection.ops.adapt_datetimefield_value(now),
        # By ID, in the order in which all lock them.
        "known": _encode(sorted(letters, key=lambda letter: letter.id)),
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_KNOWN[connection.vendor], asked)
        taken = frozenset(pk for (pk,) in cursor.fetchall())
        if connection.vendor == "sqlite":
            stop = _STOP_WAITING.format(all=_IDS["sqlite"].format(name="all"))
            cursor.execute(stop, {"all": _encode(sorted(taken))})
    return taken


def deliver_letters(
    integration_id: int, upload_id: int, picks: Iterable[int], now: datetime
) -> None:
    """Close the dead letters of the records that an upload delivered, whoever waits for them."""
    records = [{"position": read_position(p), "side": read_side(p)} for p in picks]
    asked = {
        "integration": integration_id,
        "upload": upload_id,
        "now": connection.ops.adapt_datetimefield_value(now),
        "records": _encode(records),
    }
    statements = _DELIVER[connection.vendor]
    _execute([each.format(letters=_LETTERS_OF_RECORDS) for each in statements], asked)


def _read_row(values: Sequence[Any]) -> MatchedRow:
    """Return a row as PostgreSQL and SQLite give it, which has no booleans and no UUIDs."""
    pk, letter, waits, pick, test, digest = values
    read = UUID(digest) if isinstance(digest, str) else digest
    return MatchedRow(pk, letter, bool(waits), pick, bool(test), read)


def _execute(statements: Iterable[str], asked: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, asked)


def _encode(values: object) -> str:
    return msgspec.json.encode(values).decode()
