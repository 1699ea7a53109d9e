"""The statements that Django sends to the database, for tests of what something costs."""

import contextlib

from django.db import connection

#: What begins and ends transactions, those of a test within its own among them.
_OF_TRANSACTIONS = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")


@contextlib.contextmanager
def counted():
    """Collect the statements, but for those that begin and end transactions."""
    statements = []

    def note(execute, sql, params, many, context):
        if not sql.startswith(_OF_TRANSACTIONS):
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements
