"""The database's clock, by which every lease and hold is measured.

Hosts disagree about the time; the database is one. It is read anew each time, because
`now()` is the start of the transaction and so older than a wait for a lock.
"""

from datetime import UTC, datetime

from django.db import connection


def read_now() -> datetime:
    """Return the database's present instant, aware UTC."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        instant: datetime = cursor.fetchone()[0]
    return instant.astimezone(UTC)
