"""The database's clock, by which every lease and hold is measured.

Hosts disagree about the time; the database is one. It is read anew each time, because
`now()` is the start of the transaction and so older than a wait for a lock.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection


def read_now() -> datetime:
    """Return the database's present instant, aware UTC."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        instant: datetime = cursor.fetchone()[0]
    return instant.astimezone(UTC)


def write_instant(
    name: str, ago: timedelta = timedelta()
) -> tuple[str, dict[str, Any]]:
    """Return the present instant, or one `ago`, for a statement: its SQL and its parameter.

    The statement reads the clock itself, which spares the one of `read_now`. On SQLite, where
    all processes share a host, the parameter `name` is the instant.
    """
    if connection.vendor == "postgresql":
        seconds = {name: ago.total_seconds()}
        return f"(clock_timestamp() - %({name})s * interval '1 second')", seconds
    instant = connection.ops.adapt_datetimefield_value(read_now() - ago)
    return f"%({name})s", {name: instant}
