"""One look at the database: how large it is, and how many connections it has left."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from django.db import connection


class ConnectionUse(NamedTuple):
    """The connections that count towards the limit which leaves the fewest."""

    used: int
    limit: int

    @property
    def left(self) -> int:
        """Return how many more may be opened."""
        return max(0, self.limit - self.used)


class DatabaseLook(NamedTuple):
    """What a look found. What only one kind of database has is None for the other."""

    size_bytes: int
    free_bytes: int | None
    connections: ConnectionUse | None


def look_at_database() -> DatabaseLook:
    """Return how large the database is, and what it has left."""
    if connection.vendor == "postgresql":
        return DatabaseLook(_read_size(), None, read_connection_use())
    return _look_at_file()


#: Sessions of people and programs. Who is not allowed to see another role's sessions sees their
#: number, role and database, and nothing else.
SESSIONS: Final = """
    SELECT usename, datname, pid, state, xact_start FROM pg_stat_activity
    WHERE usename IS NOT NULL AND datname IS NOT NULL
        AND coalesce(backend_type, 'client backend') = 'client backend'
"""
# A server allows all of its roles and databases together so many, a role so many, and a
# database so many. Hosts that sell a number of connections set one of the last two; -1 is no
# limit. What is reserved for superusers and operators is not for us.
_USE: Final = f"""
    WITH sessions AS ({SESSIONS})
    SELECT used, allowed FROM (
        SELECT (SELECT count(*) FROM sessions) AS used,
            current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0) AS allowed
        UNION ALL
        SELECT (SELECT count(*) FROM sessions WHERE usename = current_user), rolconnlimit
        FROM pg_roles WHERE rolname = current_user
        UNION ALL
        SELECT (SELECT count(*) FROM sessions WHERE datname = current_database()), datconnlimit
        FROM pg_database WHERE datname = current_database()
    ) AS limits WHERE allowed >= 0 ORDER BY allowed - used LIMIT 1
"""  # noqa: S608 - a constant in a constant


def read_connection_use() -> ConnectionUse:
    """Return the use of PostgreSQL's connections, ours and everybody else's."""
    with connection.cursor() as cursor:
        cursor.execute(_USE)
        return ConnectionUse(*cursor.fetchone())


def find_database_file() -> Path | None:
    """Return SQLite's file, or None where it is in memory."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA database_list")
        path: str = cursor.fetchone()[2]
    return Path(path) if path else None


def _read_size() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size: int = cursor.fetchone()[0]
    return size


def _look_at_file() -> DatabaseLook:
    path = find_database_file()
    if path is None:
        return DatabaseLook(0, None, None)
    # The write-ahead log and its index lie beside it.
    files = (path, Path(f"{path}-wal"), Path(f"{path}-shm"))
    size = sum(file.stat().st_size for file in files if file.exists())
    return DatabaseLook(size, shutil.disk_usage(path.parent).free, None)
