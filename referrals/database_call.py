"""A call of a function in the PostgreSQL database, by the shortest way.

Django's cursor and psycopg's look at types, compose a text and make rows of what comes. Where a
process has rested for some milliseconds, that takes two or three times as long as the call itself.
Here libpq sends a statement with its values beside it, and waits for one text. What PostgreSQL
logs of a statement that fails has not got its values.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import DataError, connections
from django.db.utils import DEFAULT_DB_ALIAS

from referrals.database_connection import is_in_transaction

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.pq.abc import PGresult

Value = str | int | float | None

#: PostgreSQL reads a text up to here.
_END_OF_TEXT: Final = "\0"
#: libpq's PGRES_TUPLES_OK.
_FOUND_ROWS: Final = 2


def call_function(statement: str, given: Sequence[Value]) -> bytes | None:
    """Carry out a statement with `$1`, `$2`, … that finds one row with one column; return that.

    It is a transaction of its own, or part of the caller's. Raises Django's errors, as its cursor does.
    """
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    if is_in_transaction(connection):
        # A transaction begins with its first statement, which psycopg sees to.
        return _call_by_cursor(connection, statement, given)
    call: Callable[..., bytes | None] = _call
    # Who counts statements sees this one, too.
    for wrapper in reversed(connection.execute_wrappers):
        call = partial(wrapper, call)
    context = {"connection": connection, "cursor": None}
    return call(statement, given, False, context)  # noqa: FBT003 - as Django calls it


def _call_by_cursor(
    connection: Any,  # noqa: ANN401 - Django knows no cursor of psycopg's own
    statement: str,
    given: Sequence[Value],
) -> bytes | None:
    from psycopg import RawCursor  # noqa: PLC0415 - SQLite goes without

    with connection.make_cursor(RawCursor(connection.connection)) as cursor:
        cursor.execute(statement, given)
        (found,) = cursor.fetchone()
    return None if found is None else str(found).encode()


def _call(
    statement: str, given: Sequence[Value], _many: object, context: dict[str, Any]
) -> bytes | None:
    connection = context["connection"]
    link: Connection = connection.connection
    values = [None if value is None else _encode(value) for value in given]
    with connection.wrap_database_errors:
        return ask_libpq(link, statement.encode(), values).get_value(0, 0)


def _encode(value: str | float) -> bytes:
    text = str(value)
    if _END_OF_TEXT in text:
        message = "A value of PostgreSQL's has no NUL."
        raise DataError(message)
    return text.encode()


def ask_libpq(
    connection: "Connection", statement: bytes, values: Sequence[bytes | None]
) -> "PGresult":
    """Send a statement that finds rows, with `values` in text beside it, and return these.

    Waits for them as psycopg's cursor does, which is interrupted where that is. Raises
    psycopg's errors.
    Reference: https://www.psycopg.org/psycopg3/docs/api/pq.html
    """
    from psycopg import errors, generators  # noqa: PLC0415 - SQLite goes without

    link = connection.pgconn
    link.send_query_params(statement, values)
    result: PGresult
    (result,) = connection.wait(generators.execute(link))
    if result.status != _FOUND_ROWS:
        raise errors.error_from_result(result)
    return result
