"""Work in a thread of its own, and how a test knows that it waits for a lock."""

import threading

from django.db import connection, connections

from tests.harness.process import wait_until


class Worker(threading.Thread):
    """Does `work` with a database connection of its own, from now on."""

    def __init__(self, work, *arguments):
        super().__init__(daemon=True)
        self._work, self._arguments = work, arguments
        #: What the work raised.
        self.error = None
        # The statement that it is in, and the server's process that has it.
        self._asking = None
        self.start()

    def run(self):
        try:
            with connection.execute_wrapper(self._note):
                self._work(*self._arguments)
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def finish(self):
        """Wait for the end of the work, and raise what it raised."""
        self.join()
        if self.error is not None:
            raise self.error

    @property
    def is_asking(self):
        """Whether the database has a statement of the work's."""
        return self._asking is not None

    def wait_for_its_lock(self):
        """Return once the work waits for a lock of somebody else's, or is over."""
        wait_until(lambda: self._waits() or not self.is_alive())

    def _note(self, execute, sql, params, many, context):
        link = context["connection"]
        is_postgresql = link.vendor == "postgresql"
        pid = link.connection.info.backend_pid if is_postgresql else None
        self._asking = sql, pid
        try:
            return execute(sql, params, many, context)
        finally:
            self._asking = None

    def _waits(self):
        if (asking := self._asking) is None:
            return False
        sql, pid = asking
        if pid is None:
            # SQLite has one lock for all who write. The test holds it.
            return sql.startswith("BEGIN")
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)",
                [pid],
            )
            return cursor.fetchone()[0]
