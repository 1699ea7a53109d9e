"""A thread's database connection while the thread waits for something else."""

from django.db import connection


def give_connection_back() -> None:
    """Return the database connection to its pool, so that a wait pins none.

    Whoever is waited for may need one of the pool's. SQLite's connections cost nothing and
    are kept, as is one that is in a transaction.
    """
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        connection.close()
