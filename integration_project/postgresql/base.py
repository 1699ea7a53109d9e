"""PostgreSQL, without a round trip for each connection that the pool hands out.

A server that ends a connection says so to its socket, and a network that is cut is noticed by
keepalives. So a connection on which nothing lies to be read is alive, as far as a question
could tell; any other is asked.
"""

import select
from typing import TYPE_CHECKING, Any

from django.db.backends.postgresql import base
from psycopg import Error, IsolationLevel
from psycopg_pool import ConnectionPool

if TYPE_CHECKING:
    from psycopg import Connection


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with a look in place of a question. Leave `CONN_HEALTH_CHECKS` off."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> "Connection":
        """Connect, or take a connection of the pool that lives."""
        pool = self.pool
        if pool is None:
            connected: Connection = super().get_new_connection(conn_params)
            return connected
        # As Django has it where the settings say nothing, which is how ours are.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        if pool.closed:
            pool.open()
        connection: Connection = pool.getconn()
        while not is_alive(connection):
            connection.close()
            # It makes another one in the place of this.
            pool.putconn(connection)
            connection = pool.getconn()
        return connection


def is_alive(connection: "Connection") -> bool:
    """Return whether a connection that nobody uses can be used."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            # Ended, or a message of the server's, such as that a setting has changed.
            ConnectionPool.check_connection(connection)
    except Error:
        return False
    return True
