"""Which tables take the most room."""

from typing import Final, NamedTuple

from django.db import OperationalError, connection

from integration_project.doctor.database_file import is_quickly_read

_SHOWN: Final = 5
_POSTGRESQL: Final = """
    SELECT c.relname, pg_total_relation_size(c.oid) AS size
    FROM pg_class AS c
    WHERE c.relkind IN ('r', 'm') AND pg_table_is_visible(c.oid)
        AND c.relnamespace <> 'pg_catalog'::regnamespace
    ORDER BY size DESC, c.relname LIMIT %s
"""
# Part of SQLite only where it was built with it.
_SQLITE: Final = """
    SELECT m.tbl_name, SUM(s.pgsize) AS size
    FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name
    GROUP BY m.tbl_name ORDER BY size DESC, m.tbl_name LIMIT %s
"""


class TableSize(NamedTuple):
    """A table and its bytes, with its indexes and what PostgreSQL keeps beside it."""

    name: str
    size_bytes: int


def read_largest_tables() -> list[TableSize]:
    """Return the largest tables, the largest first; none where the database does not tell."""
    if connection.vendor == "postgresql":
        return _read_tables(_POSTGRESQL)
    if not is_quickly_read():
        return []
    try:
        return _read_tables(_SQLITE)
    except OperationalError:
        return []


def _read_tables(statement: str) -> list[TableSize]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [_SHOWN])
        return [TableSize(name, int(size)) for name, size in cursor.fetchall()]
