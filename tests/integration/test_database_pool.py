"""The pool of connections on a real PostgreSQL: small, patient for seconds, back at once."""

import re
import select
import signal
import threading
from functools import partial

import psycopg
import pytest
from django.db import OperationalError

from integration_project.databases import read_database_url
from integration_project.postgresql.base import is_alive
from tests.documented import block, page
from tests.harness import postgres
from tests.harness.django_connections import make_connection
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
def open_connection(server, django_db_blocker, given_up):
    """Return what opens one more connection through the same pool."""
    opened = []

    def connect():
        values = read_database_url(server.url, pool=2)
        # How long a turn or a reconnect takes is not what is tested here.
        values["OPTIONS"]["pool"] |= {
            "timeout": PATIENCE_SECONDS,
            "reconnect_failed": lambda _: given_up.set(),
        }
        opened.append(make_connection(values, alias="test_database_pool"))
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


LIMITS = [
    ("lock_timeout", "5s"),
    ("statement_timeout", "15s"),
    ("idle_in_transaction_session_timeout", "10s"),
]


@pytest.mark.parametrize(("name", "value"), LIMITS)
def test_the_server_ends_what_takes_too_long(open_connection, name, value):
    assert answer(open_connection(), f"SHOW {name}") == value


@pytest.fixture
def answers(server, django_db_blocker):
    """Return a function that asks the server by a URL of its own, as a process would."""

    def ask(user, query, *questions):
        url = server.url.replace("postgres@", f"{user}@") + query
        values = read_database_url(url, pool=0)
        connection = make_connection(values, alias="test_database_pool")
        try:
            return [answer(connection, question) for question in questions]
        finally:
            connection.close()

    with django_db_blocker.unblock():
        yield ask


def test_a_role_has_the_limits_that_a_pgbouncer_does_not_pass_on(server, answers):
    statements = block("operations", "sql")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE referrals LOGIN")
        connection.execute(statements)
    limits = [f"SHOW {name}" for name, _ in LIMITS]

    of_role = answers("referrals", "?sslmode=disable&options=", *limits)
    of_nobody = answers("postgres", "?options=", *limits)

    assert of_role == [value for _, value in LIMITS]
    assert of_nobody == ["0", "0", "0"]
    # What is typed for a migration that takes longer is heard above the role's limits.
    (query,) = re.findall(r'"\$DATABASE_URL(\?options=.+)"', page("upgrading"))
    assert answers("referrals", query, *limits) == ["5s", "0", "10s"]


def test_a_server_without_tls_is_refused_where_it_has_to_speak_it(answers):
    with pytest.raises(
        OperationalError, match="does not support SSL, but SSL was requi"
    ):
        answers("postgres", "?sslmode=require", "SELECT 1")


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


def test_a_connection_with_a_message_to_be_read_is_handed_out(open_connection):
    listener, speaker = open_connection(), open_connection()
    listener.ensure_connection()
    raw = listener.connection
    raw.execute("LISTEN news")
    answer(speaker, "SELECT pg_notify('news', 'x')")
    wait_until(partial(_has_message, raw))

    assert is_alive(raw)
    assert not _has_message(raw)


def _has_message(raw):
    return bool(select.select([raw.fileno()], [], [], 0)[0])


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
