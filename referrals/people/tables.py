"""The statements about what was learned: rows read and written by the thousand.

One JSON parameter takes a whole list into a statement, on PostgreSQL and SQLite alike; the
ORM takes ten times as long to compose the statement as the database to carry it out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Model

from referrals.learning.known import Decision, Identity, KnownPerson
from referrals.models import KnownIdentity as IdentityRow, ReferrerDecision
from referrals.models.known_people import KnownPerson as PersonRow


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns beside the app, with their types; the first are its key's."""

    model: type[Model]
    columns: Mapping[str, str]
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return its name in the database."""
        return self.model._meta.db_table


IDENTITIES: Final = Table(
    IdentityRow,
    {
        "hash": "uuid",
        "test": "boolean",
        "provider": "text",
        "value": "text",
        "person": "bigint",
        "shared_at": "bigint",
        "learned_at": "bigint",
        "referrer": "uuid",
        "referrer_at": "bigint",
        "seen_at": "timestamptz",
    },
    ("hash", "test"),
)
PEOPLE: Final = Table(
    PersonRow,
    {
        "number": "bigint",
        "test": "boolean",
        "keys": "jsonb",
        "size": "integer",
        "referrer": "uuid",
        "referrer_at": "bigint",
        "seen_at": "timestamptz",
    },
    ("number",),
)
DECISIONS: Final = Table(
    ReferrerDecision,
    {"position": "bigint", "test": "boolean", "user": "uuid", "referrer": "uuid"},
    ("position",),
)

#: `{columns}` of the rows of `{table}` whose `{by}` is in a list.
_SELECT: Final = {
    # OFFSET 0 keeps the list on the outside of the loop, whatever statistics say.
    "postgresql": """
        SELECT {columns} FROM json_array_elements_text(%s::json) AS sent(value)
        JOIN LATERAL (
            SELECT * FROM {table} WHERE app_id = %s AND {by} = sent.value::{type} {also} OFFSET 0
        ) AS found ON true
    """,
    "sqlite": """
        SELECT {columns} FROM json_each(%s) AS sent CROSS JOIN {table} AS found
        WHERE found.app_id = %s AND found.{by} = sent.value {also}
    """,
}
#: The order that the index of a column has anyway. Without statistics, any index that begins
#: with the app looks as good otherwise, and all of the app would be read for each value.
_ORDER: Final = {"person": 'ORDER BY "test"'}
_UPSERT: Final = {
    "postgresql": """
        INSERT INTO {table} (app_id, {columns})
        SELECT %s, {values} FROM json_array_elements(%s::json) AS sent(value)
        ON CONFLICT (app_id, {keys}) DO UPDATE SET {changes}
    """,
    # Without WHERE, ON would belong to the SELECT.
    # Reference: https://www.sqlite.org/lang_upsert.html#parsing_ambiguity
    "sqlite": """
        INSERT INTO {table} (app_id, {columns})
        SELECT %s, {values} FROM json_each(%s) AS sent WHERE true
        ON CONFLICT (app_id, {keys}) DO UPDATE SET {changes}
    """,
}
#: Up to a number of rows of an app, whatever they are, but those that are pinned.
_EMPTY: Final = {
    "postgresql": """
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {table} WHERE app_id = %s {also} LIMIT %s))
    """,
    "sqlite": """
        DELETE FROM {table} WHERE rowid IN (
            SELECT rowid FROM {table} WHERE app_id = %s {also} LIMIT %s)
    """,
}
_NOT_PINNED: Final = {
    "postgresql": "AND hash NOT IN (SELECT json_array_elements_text(%s::json)::uuid)",
    "sqlite": "AND hash NOT IN (SELECT value FROM json_each(%s))",
}


def read_identities(
    app_id: int, by: str, values: Collection[str] | Collection[int]
) -> list[tuple[bool, Identity]]:
    """Return the identities whose `by` is one of `values`, each after whether it is of test."""
    return [
        (
            test,
            Identity(
                hash=_hex(digest),
                provider=provider,
                seen_at=_utc(seen_at),
                value=value,
                person=person,
                shared_at=shared_at,
                learned_at=learned_at,
                referrer=referrer and _hex(referrer),
                referrer_at=referrer_at,
            ),
        )
        for (
            digest,
            test,
            provider,
            value,
            person,
            shared_at,
            learned_at,
            referrer,
            referrer_at,
            seen_at,
        ) in _select(IDENTITIES, app_id, by, values, also=_ORDER.get(by, ""))
    ]


def read_people(
    app_id: int, numbers: Collection[int]
) -> list[tuple[bool, KnownPerson]]:
    """Return the people with these numbers, each after whether they are of test."""
    return [
        (
            test,
            KnownPerson(
                number=number,
                seen_at=_utc(seen_at),
                keys=msgspec.json.decode(keys),
                size=size,
                referrer=referrer and _hex(referrer),
                referrer_at=referrer_at,
            ),
        )
        for number, test, keys, size, referrer, referrer_at, seen_at in _select(
            PEOPLE, app_id, "number", numbers
        )
    ]


def read_undecided(app_id: int, users: Collection[str]) -> list[tuple[bool, str, int]]:
    """Return (of test, user's hash, position) of the users' events with `"last"` that wait."""
    rows = _select(DECISIONS, app_id, "user", users, also="AND referrer IS NULL")
    return [(test, _hex(user), position) for position, test, user, _ in rows]


def read_decisions(app_id: int, positions: Collection[int]) -> dict[int, str | None]:
    """Return the decisions about the events at `positions` that were passed."""
    rows = _select(DECISIONS, app_id, "position", positions)
    return {position: referrer and _hex(referrer) for position, _, _, referrer in rows}


def write_identities(app_id: int, rows: Iterable[tuple[bool, Identity]]) -> None:
    """Write identities, each after whether it is of test, over what was known of them."""
    _upsert(
        IDENTITIES,
        app_id,
        [
            (
                each.hash,
                test,
                each.provider,
                each.value,
                each.person,
                each.shared_at,
                each.learned_at,
                each.referrer,
                each.referrer_at,
                _format_instant(each.seen_at),
            )
            for test, each in rows
        ],
    )


def write_people(app_id: int, rows: Iterable[tuple[bool, KnownPerson]]) -> None:
    """Write people, each after whether they are of test, over what was known of them."""
    _upsert(
        PEOPLE,
        app_id,
        [
            (
                each.number,
                test,
                each.keys,
                each.size,
                each.referrer,
                each.referrer_at,
                _format_instant(each.seen_at),
            )
            for test, each in rows
        ],
    )


def write_decisions(app_id: int, rows: Iterable[tuple[bool, int, Decision]]) -> None:
    """Write decisions, each after whether it is of test and its position."""
    _upsert(
        DECISIONS,
        app_id,
        [(position, test, each.user, each.referrer) for test, position, each in rows],
    )


def empty_table(
    table: Table, app_id: int, *, limit: int, but: Collection[str] | None = None
) -> int:
    """Remove up to `limit` rows of the app, but identities with the hashes `but`."""
    also = _NOT_PINNED[connection.vendor] if but else ""
    statement = _EMPTY[connection.vendor].format(table=table.name, also=also)
    kept = [_encode(sorted(but))] if but else []
    with connection.cursor() as cursor:
        cursor.execute(statement, [app_id, *kept, limit])
        removed: int = cursor.rowcount
    return removed


def _select(
    table: Table, app_id: int, by: str, values: Collection[Any], *, also: str = ""
) -> list[tuple[Any, ...]]:
    if not values:
        return []
    statement = _SELECT[connection.vendor].format(
        columns=", ".join(f'found."{each}"' for each in table.columns),
        table=table.name,
        by=f'"{by}"',
        type=table.columns[by],
        also=also,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [_encode(sorted(values)), app_id])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _upsert(table: Table, app_id: int, rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    changed = [each for each in table.columns if each not in table.keys]
    statement = _UPSERT[connection.vendor].format(
        table=table.name,
        columns=", ".join(f'"{each}"' for each in table.columns),
        values=", ".join(
            map(_read_value, range(len(table.columns)), table.columns.values())
        ),
        keys=", ".join(table.keys),
        changes=", ".join(f'"{each}" = excluded."{each}"' for each in changed),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [app_id, _encode(rows)])


def _read_value(place: int, column_type: str) -> str:
    """Return the SQL of a value of the row `sent`, of the column's type."""
    if connection.vendor == "sqlite":
        return f"json_extract(sent.value, '$[{place}]')"
    if column_type == "jsonb":
        return f"(sent.value->{place})::jsonb"
    return f"(sent.value->>{place})::{column_type}"


def _encode(values: object) -> str:
    return msgspec.json.encode(values).decode()


def _hex(digest: UUID | str) -> str:
    """Return a hash as hashing does: the databases have it as a UUID or as text."""
    return digest if isinstance(digest, str) else digest.hex


def _utc(instant: datetime) -> datetime:
    """Return an instant, which SQLite has without its zone."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def _format_instant(instant: datetime) -> str:
    """Return an instant as the database's own columns have it."""
    if connection.vendor == "sqlite":
        return str(instant.astimezone(UTC).replace(tzinfo=None))
    return instant.isoformat()
