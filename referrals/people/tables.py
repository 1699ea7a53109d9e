"""The statements about what was learned: rows read and written by the thousand.

One JSON parameter takes a whole list into a statement, and one JSON text brings all of its
rows back, on PostgreSQL and SQLite alike: `msgspec` makes what is learned of it, and the
reverse. The ORM takes ten times as long to compose the statement as the database to carry
it out, and the driver as long to read a row as the learner to learn from it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.db import connection
from django.db.models import Model

from referrals.learning.known import Decision, Identity, KnownPerson
from referrals.models import (
    KnownIdentity as IdentityRow,
    PeopleProgress,
    ReferrerDecision,
)
from referrals.models.known_people import KnownPerson as PersonRow


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns beside the app and `test`, with their types, and its key.

    The columns are in the order of the fields of what is learned.
    """

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
        "provider": "text",
        "seen_at": "timestamptz",
        "value": "text",
        "person": "bigint",
        "shared_at": "bigint",
        "learned_at": "bigint",
        "referrer": "uuid",
        "referrer_at": "bigint",
    },
    ("hash", "test"),
)
PEOPLE: Final = Table(
    PersonRow,
    {
        "number": "bigint",
        "seen_at": "timestamptz",
        "keys": "jsonb",
        "size": "integer",
        "referrer": "uuid",
        "referrer_at": "bigint",
    },
    ("number",),
)
DECISIONS: Final = Table(
    ReferrerDecision,
    {"position": "bigint", "user": "uuid", "referrer": "uuid"},
    ("position",),
)
_DecisionRow = tuple[int, str | None, str | None]


class Owner(msgspec.Struct, array_like=True):
    """Whose an identity is, and what this person's present identity of a provider is.

    `is_sent`: it is of that provider itself, and its value is kept. `present` is a hash; None
    where nobody is known, or by no identity of the provider, and where that was not looked
    for: the identity itself is sent, or names nobody. `present_learned_at` is None, too,
    where it was not asked for.
    """

    hash: str
    is_sent: bool
    is_shared: bool
    person: int | None
    learned_at: int
    present: str | None
    present_learned_at: int | None


_identities: Final = msgspec.json.Decoder(list[tuple[bool, Identity]])
_people: Final = msgspec.json.Decoder(list[tuple[bool, KnownPerson]])
_owners: Final = msgspec.json.Decoder(list[Owner])
_decisions: Final = msgspec.json.Decoder(list[tuple[bool, _DecisionRow]])

#: The rows of `{table}` whose `{by}` is in a list, each after whether it is of test.
_SELECT: Final = {
    # OFFSET 0 keeps the list on the outside of the loop, whatever statistics say.
    "postgresql": """
        SELECT json_agg(json_build_array(found.test, json_build_array({columns})))::text
        FROM json_array_elements_text(%s::json) AS sent(value)
        JOIN LATERAL (
            SELECT * FROM {table} WHERE app_id = %s AND {by} = sent.value::{type} {also} OFFSET 0
        ) AS found ON true
    """,
    "sqlite": """
        SELECT json_group_array(
            json_array(json(iif(found.test, 'true', 'false')), json_array({columns})))
        FROM json_each(%s) AS sent CROSS JOIN {table} AS found
        WHERE found.app_id = %s AND found.{by} = sent.value {also}
    """,
}
#: The order that the index of a column has anyway. Without statistics, any index that begins
#: with the app looks as good otherwise, and all of the app would be read for each value.
_ORDER: Final = {"person": 'ORDER BY "test"'}
_UPSERT: Final = {
    "postgresql": """
        INSERT INTO {table} (app_id, test, {columns})
        SELECT %s, (sent.value->>0)::boolean, {values}
        FROM jsonb_array_elements(%s::jsonb) AS sent(value)
        ON CONFLICT (app_id, {keys}) DO UPDATE SET {changes}
    """,
    # Without WHERE, ON would belong to the SELECT.
    # Reference: https://www.sqlite.org/lang_upsert.html#parsing_ambiguity
    "sqlite": """
        INSERT INTO {table} (app_id, test, {columns})
        SELECT %s, json_extract(sent.value, '$[0]'), {values}
        FROM json_each(%s) AS sent WHERE true
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
_MARKS: Final = "SELECT hash FROM referrals_sharedmark WHERE app_id = %s"
_ADVANCE: Final = """
    UPDATE referrals_peopleprogress SET cursor = %s, generation = %s, shared = %s,
        refused = %s, skipped = %s, advanced_at = %s
    WHERE app_id = %s
"""
#: Of each identity in a list: whose it is, and that person's present identity of a provider.
#: One statement, and no rows before learning is complete. Each row that it reads besides is
#: a page or two that may lie nowhere near, so it reads no person where the identity itself
#: is sent or nobody is meant, and no present identity but for when that was learned.
_RESOLVE: Final = {
    # OFFSET 0 keeps the list on the outside of the loop, and computes `present` once.
    "postgresql": """
        SELECT json_agg(json_build_array(found.name, found.is_sent, found.is_shared,
            found.person, found.learned_at, found.present, CASE WHEN %(dated)s THEN (
                SELECT learned_at FROM referrals_knownidentity
                WHERE app_id = %(app)s AND hash = found.present::uuid AND test = %(test)s)
            END))::text
        FROM (
            SELECT mine.*, CASE WHEN NOT mine.is_sent AND NOT mine.is_shared THEN (
                SELECT keys->>%(provider)s FROM referrals_knownperson
                WHERE app_id = %(app)s AND number = mine.person) END AS present
            FROM json_array_elements_text(%(hashes)s::json) AS sent(value)
            JOIN LATERAL (
                SELECT sent.value AS name, provider = %(provider)s AND value <> '' AS is_sent,
                    shared_at IS NOT NULL AS is_shared, person, learned_at
                FROM referrals_knownidentity
                WHERE app_id = %(app)s AND hash = sent.value::uuid AND test = %(test)s OFFSET 0
            ) AS mine ON true
            WHERE NOT EXISTS (SELECT FROM referrals_peopleprogress
                WHERE app_id = %(app)s AND (emptying OR cursor < complete_at))
            OFFSET 0
        ) AS found
    """,
    "sqlite": """
        SELECT json_group_array(json_array(found.hash, json(iif(found.is_sent, 'true', 'false')),
            json(iif(found.is_shared, 'true', 'false')), found.person, found.learned_at,
            found.present, CASE WHEN %(dated)s THEN (
                SELECT learned_at FROM referrals_knownidentity
                WHERE app_id = %(app)s AND hash = found.present AND test = %(test)s) END))
        FROM (
            SELECT mine.*, CASE WHEN NOT mine.is_sent AND NOT mine.is_shared THEN (
                SELECT (SELECT value FROM json_each(p.keys) WHERE key = %(provider)s)
                FROM referrals_knownperson AS p
                WHERE p.app_id = %(app)s AND p.number = mine.person) END AS present
            FROM (
                SELECT i.hash, i.provider = %(provider)s AND i.value <> '' AS is_sent,
                    i.shared_at IS NOT NULL AS is_shared, i.person, i.learned_at
                FROM json_each(%(hashes)s) AS sent
                CROSS JOIN referrals_knownidentity AS i
                    ON i.app_id = %(app)s AND i.hash = sent.value AND i.test = %(test)s
            ) AS mine
            WHERE NOT EXISTS (SELECT 1 FROM referrals_peopleprogress
                WHERE app_id = %(app)s AND (emptying OR cursor < complete_at))
            LIMIT -1 OFFSET 0
        ) AS found
    """,
}
#: A column in a row that is read, where its type is not what JSON has: hashes are digits
#: alone, and SQLite has instants without their zone.
_READ: Final = {
    "postgresql": {"uuid": "replace({column}::text, '-', '')"},
    "sqlite": {"timestamptz": "{column} || 'Z'", "jsonb": "json({column})"},
}
#: A value of a row that is written, at a `{place}` of the row.
_WRITTEN: Final = {
    "postgresql": "(sent.value->1->>{place})::{type}",
    "sqlite": "json_extract(sent.value, '$[1][{place}]')",
}


def read_identities(
    app_id: int, by: str, values: Collection[str] | Collection[int]
) -> list[tuple[bool, Identity]]:
    """Return the identities whose `by` is one of `values`, each after whether it is of test."""
    also = _ORDER.get(by, "")
    return _identities.decode(_select(IDENTITIES, app_id, by, values, also=also))


def read_people(
    app_id: int, numbers: Collection[int]
) -> list[tuple[bool, KnownPerson]]:
    """Return the people with these numbers, each after whether they are of test."""
    return _people.decode(_select(PEOPLE, app_id, "number", numbers))


def read_owners(
    app_id: int, hashes: Collection[str], provider: str, *, test: bool, dated: bool
) -> list[Owner]:
    """Return whose the identities are that are known; nobody's before learning is complete.

    `dated`: also when their people's present identities were learned.
    """
    if not hashes:
        return []
    asked: dict[str, int | str] = {
        "app": app_id,
        "dated": dated,
        "hashes": _encode(sorted(hashes)),
        "provider": provider,
        "test": test,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVE[connection.vendor], asked)
        (found,) = cursor.fetchone()
    return _owners.decode(found or "[]")


def read_undecided(app_id: int, users: Collection[str]) -> list[tuple[bool, str, int]]:
    """Return (of test, user's hash, position) of the users' events with `"last"` that wait."""
    also = "AND referrer IS NULL"
    rows = _decisions.decode(_select(DECISIONS, app_id, "user", users, also=also))
    return [(test, user or "", position) for test, (position, user, _) in rows]


def read_marks(app_id: int) -> frozenset[str]:
    """Return the hashes of the identities that are marked as shared."""
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, [app_id])
        return frozenset(str(each).replace("-", "") for (each,) in cursor.fetchall())


def write_advance(progress: PeopleProgress) -> None:
    """Write how far the app was learned from, and what was counted on the way."""
    advanced_at = progress.advanced_at
    with connection.cursor() as cursor:
        cursor.execute(
            _ADVANCE,
            [
                progress.cursor,
                progress.generation,
                progress.shared,
                progress.refused,
                progress.skipped,
                advanced_at and connection.ops.adapt_datetimefield_value(advanced_at),
                progress.app_id,
            ],
        )


def read_decisions(app_id: int, positions: Collection[int]) -> dict[int, str | None]:
    """Return the decisions about the events at `positions` that were passed."""
    rows = _decisions.decode(_select(DECISIONS, app_id, "position", positions))
    return {position: referrer for _, (position, _, referrer) in rows}


def write_identities(app_id: int, rows: Iterable[tuple[bool, Identity]]) -> None:
    """Write identities, each after whether it is of test, over what was known of them."""
    _upsert(IDENTITIES, app_id, list(rows))


def write_people(app_id: int, rows: Iterable[tuple[bool, KnownPerson]]) -> None:
    """Write people, each after whether they are of test, over what was known of them."""
    _upsert(PEOPLE, app_id, list(rows))


def write_decisions(app_id: int, rows: Iterable[tuple[bool, int, Decision]]) -> None:
    """Write decisions, each after whether it is of test and its position."""
    _upsert(
        DECISIONS,
        app_id,
        [(test, (position, d.user, d.referrer)) for test, position, d in rows],
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
) -> str:
    """Return the rows as a JSON text."""
    if not values:
        return "[]"
    statement = _SELECT[connection.vendor].format(
        columns=", ".join(_read_column(*each) for each in table.columns.items()),
        table=table.name,
        by=f'"{by}"',
        type=table.columns[by],
        also=also,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [_encode(sorted(values)), app_id])
        (found,) = cursor.fetchone()
    return found or "[]"


def _read_column(name: str, column_type: str) -> str:
    column = f'found."{name}"'
    sql = _READ[connection.vendor].get(column_type, "{column}")
    return sql.format(column=column)


def _upsert(table: Table, app_id: int, rows: Collection[tuple[bool, object]]) -> None:
    if not rows:
        return
    changed = ["test", *table.columns]
    statement = _UPSERT[connection.vendor].format(
        table=table.name,
        columns=", ".join(f'"{each}"' for each in table.columns),
        values=", ".join(
            map(_write_value, range(len(table.columns)), table.columns.values())
        ),
        keys=", ".join(table.keys),
        changes=", ".join(
            f'"{each}" = excluded."{each}"'
            for each in changed
            if each not in table.keys
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [app_id, _encode(rows)])


def _write_value(place: int, column_type: str) -> str:
    """Return the SQL of a value of the row `sent`, of the column's type."""
    value = _WRITTEN[connection.vendor].format(place=place, type=column_type)
    if connection.vendor == "sqlite" and column_type == "timestamptz":
        # As the ORM writes an instant: a blank between date and time, and no zone.
        return f"replace(rtrim({value}, 'Z'), 'T', ' ')"
    return value


def _encode(values: object) -> str:
    return msgspec.json.encode(values).decode()
