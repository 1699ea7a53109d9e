"""A statement of PostgreSQL's that is a transaction, past Django's and psycopg's cursors.

A request that comes alone finds none of our code in the processor's caches, and pays for each
function that it passes. By a cursor there are many, to send four values and to read one row.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from referrals.database_call import ask_libpq
from referrals.database_connection import is_in_transaction

#: A row as PostgreSQL writes it in text.
Row = tuple[bytes | None, ...]


def is_alone(database: BaseDatabaseWrapper) -> bool:
    """Return whether a statement now is a transaction, and nobody asks to see it.

    Who counts, refuses or logs statements asks Django to.
    """
    if is_in_transaction(database) or (
        database.execute_wrappers or database.queries_logged
    ):
        return False
    # Where there is no connection, as the next one will be.
    is_open = database.connection is not None
    return is_open or bool(database.settings_dict["AUTOCOMMIT"])


def ask_directly(
    database: BaseDatabaseWrapper, statement: bytes, values: Sequence[bytes | None]
) -> list[Row]:
    """Send a statement with `values` in text for its `$1`, `$2`, …, and return its rows.

    They go beside it, so that PostgreSQL does not write them into its log where it fails.
    By the connection that the thread has, else by one of the pool that is given back at
    once. Raises Django's errors.
    """
    # django-stubs knows no driver, and who has no PostgreSQL imports none.
    django: Any = database
    try:
        if database.connection is None:
            if pool := django.pool:
                return _ask_by_pool(django, pool, statement, values)
            database.ensure_connection()
        return _ask(django.connection, statement, values)
    except django.Database.Error:
        with database.wrap_database_errors:
            raise


def _ask_by_pool(
    django: Any,  # noqa: ANN401 - as above
    pool: Any,  # noqa: ANN401 - as above
    statement: bytes,
    values: Sequence[bytes | None],
) -> list[Row]:
    # Nothing is left to be set: the pool has configured it, and it commits by itself.
    connection = django.get_new_connection({})
    try:
        return _ask(connection, statement, values)
    finally:
        pool.putconn(connection)


def _ask(
    connection: Any,  # noqa: ANN401 - psycopg's
    statement: bytes,
    values: Sequence[bytes | None],
) -> list[Row]:
    result = ask_libpq(connection, statement, values)
    columns = range(result.nfields)
    return [
        tuple([result.get_value(row, column) for column in columns])
        for row in range(result.ntuples)
    ]
