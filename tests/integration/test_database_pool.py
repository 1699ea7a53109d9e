"""The pool of connections on a real PostgreSQL: small, patient for seconds, back at once."""

import signal
import threading

import pytest
from django.db import OperationalError
from django.db.backends.postgresql.base import DatabaseWrapper

from integration_project.databases import database
from tests.harness import postgres
from tests.harness.process import PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def server():
    """A server of its own, since it is stopped and started."""
    server = postgres.PostgreSQL()
    yield server
    server.stop()


@pytest.fixture
def given_up():
    """Set once the pool has tried for long enough to reach the server."""
    return threading.Event()


@pytest.fixture
def open_connection(server, settings, django_db_blocker, given_up):
    """Return what opens one more connection through the same pool."""
    opened = []

    def connect():
        values = settings.DATABASES["default"] | database(server.url, pool=2)
        values |= {"TIME_ZONE": None, "AUTOCOMMIT": True, "CONN_MAX_AGE": 0}
        # How long a turn or a reconnect takes is not what is tested here.
        values["OPTIONS"]["pool"] |= {
            "timeout": PATIENCE_SECONDS,
            "reconnect_failed": lambda _: given_up.set(),
        }
        opened.append(DatabaseWrapper(values, alias="test_database_pool"))
        # Closed by the test's own thread at the end.
        opened[-1].inc_thread_sharing()
        return opened[-1]

    with django_db_blocker.unblock():
        yield connect
        for connection in opened:
            connection.close()
        opened[0].close_pool()


def answer(connection, query="SELECT 1"):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lock_timeout", "5s"),
        ("statement_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ],
)
def test_the_server_ends_what_takes_too_long(open_connection, name, value):
    assert answer(open_connection(), f"SHOW {name}") == value


def test_connections_that_were_given_back_serve_the_next(open_connection):
    servers = set()
    for _ in range(20):
        connection = open_connection()
        servers.add(answer(connection, "SELECT pg_backend_pid()"))
        connection.close()

    assert len(servers) in {1, 2}


def test_more_threads_than_connections_wait_for_their_turn(open_connection):
    numbers = []

    def ask():
        connection = open_connection()
        numbers.append(answer(connection, "SELECT count(*) FROM pg_sleep(0.05)"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers == [1] * 8


def test_a_connection_that_the_server_ended_is_not_handed_out(open_connection):
    dead, killer = open_connection(), open_connection()
    pid = answer(dead, "SELECT pg_backend_pid()")
    answer(killer, f"SELECT pg_terminate_backend({pid}, 60000)")
    for connection in (dead, killer):
        connection.close()

    assert [answer(open_connection()) for _ in range(2)] == [1, 1]


def test_a_server_that_is_back_is_used_at_once(open_connection, server, given_up):
    connection = open_connection()
    assert answer(connection) == 1
    connection.close()
    pool = connection.pool
    server.process.stop(signal.SIGINT)
    pool.timeout = 0.1
    with pytest.raises(OperationalError):
        answer(open_connection())
    # From then on each request tries anew, and nobody waits for the pool's next attempt.
    wait_until(given_up.is_set)

    server.restart()
    pool.timeout = PATIENCE_SECONDS

    assert answer(open_connection()) == 1
