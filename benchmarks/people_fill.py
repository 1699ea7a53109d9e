"""Fills an app's people as if a worker had learned them: by COPY, a million in seconds."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from referrals import hashing
from referrals.models import App, KnownIdentity, KnownPerson

#: Far beyond what the log of a benchmark reaches.
_FIRST_NUMBER: Final = 10**12
_ROWS: Final = 10_000
_PEOPLE: Final = (
    "COPY referrals_knownperson (app_id, number, test, keys, size, referrer_at, seen_at) "
    "FROM STDIN"
)
_IDENTITIES: Final = (
    "COPY referrals_knownidentity (app_id, hash, test, provider, value, person, "
    "learned_at, referrer_at, seen_at) FROM STDIN"
)
#: Each of what steps and look-ups read, by the only way that reads it whole.
_READ_THROUGH: Final = (
    "SELECT count(value) FROM referrals_knownidentity",
    "SELECT count(keys) FROM referrals_knownperson",
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SELECT count(*) FROM referrals_knownidentity WHERE app_id = %(app)s AND hash > %(least)s",
    "SELECT count(*) FROM referrals_knownidentity WHERE app_id = %(app)s AND person > 0",
    "SELECT count(*) FROM referrals_knownperson WHERE app_id = %(app)s AND number > 0",
)
#: An index is built in a fraction of the time that it takes to keep one.
_INDEXES: Final = """
    SELECT CASE WHEN c.oid IS NULL THEN format('DROP INDEX %%I', i.relname)
            ELSE format('ALTER TABLE %%I DROP CONSTRAINT %%I', t.relname, i.relname) END,
        CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.oid)
            ELSE format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', t.relname, i.relname,
                pg_get_constraintdef(c.oid)) END
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class t ON t.oid = x.indrelid
        LEFT JOIN pg_constraint c ON c.conindid = i.oid
    WHERE t.relname = ANY(%s)
"""


def fill_people(
    app: App, numbers: range, *, key: str, loose: str, seen_at: datetime
) -> None:
    """Add the people `p{n}@example.com` by their `key`, with the ID `p-{n}` from before."""
    digest = hashing.make_identity_hasher(app.pk)
    tables = [model._meta.db_table for model in (KnownPerson, KnownIdentity)]
    at = seen_at.isoformat()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_INDEXES, [tables])
        indexes = cursor.fetchall()
        for drop, _ in indexes:
            cursor.execute(drop)

        def list_people() -> Iterator[str]:
            for n in numbers:
                mail = digest(key, f"p{n}@example.com")
                yield (
                    f"{app.pk}\t{_FIRST_NUMBER + n}\tf\t"
                    f'{{"{key}":"{mail}"}}\t2\t0\t{at}\n'
                )

        def list_identities() -> Iterator[str]:
            for n in numbers:
                mail = f"p{n}@example.com"
                rest = f"{_FIRST_NUMBER + n}\t1\t0\t{at}\n"
                yield f"{app.pk}\t{digest(key, mail)}\tf\t{key}\t{mail}\t{rest}"
                yield f"{app.pk}\t{digest(loose, f'p-{n}')}\tf\t{loose}\t\t{rest}"

        _copy(_PEOPLE, list_people())
        _copy(_IDENTITIES, list_identities())
        for _, build in indexes:
            cursor.execute(build)
    vacuum_people()


def vacuum_people() -> None:
    """Leave statistics and visibility as after a quiet hour."""
    tables = ", ".join(model._meta.db_table for model in (KnownPerson, KnownIdentity))
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"VACUUM (ANALYZE) {tables}")
        cursor.execute("RESET statement_timeout")


def read_people_through(app: App) -> None:
    """Bring what is known into memory, the system's where the database's is too small.

    As in a database that has run for a day: else the disk is what is measured.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        for statement in _READ_THROUGH:
            cursor.execute(statement, {"app": app.pk, "least": UUID(int=0)})


def _copy(statement: str, rows: Iterable[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        left = iter(rows)
        while some := "".join(islice(left, _ROWS)):
            copy.write(some)
