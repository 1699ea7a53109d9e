"""A statement past Django's cursors: by a connection of the pool, with Django's errors."""

import pytest
from django.db import DataError, OperationalError, connection, transaction
from psycopg.errors import InvalidTextRepresentation

from referrals import log
from referrals.log.direct import ask_directly, is_alone
from tests.builders import a_sent_event, an_app
from tests.harness.django_connections import make_connection
from tests.harness.process import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite is asked by its own cursors"
    ),
]
WHO = b"SELECT pg_backend_pid()"


@pytest.fixture
def pooled():
    """A connection of Django's with a pool, as processes have it."""
    pool = {"min_size": 1, "max_size": 1, "timeout": PATIENCE_SECONDS}
    options = {**connection.settings_dict["OPTIONS"], "pool": pool}
    values = {**connection.settings_dict, "OPTIONS": options}
    made = make_connection(values, alias="test_log_direct")
    yield made
    made.close()
    made.close_pool()


def test_values_are_sent_as_text_and_rows_come_as_text(pooled):
    rows = ask_directly(
        pooled,
        b"SELECT $1::int + n, $2::text, $3::text FROM generate_series(1, 2) AS n",
        [b"40", "ü'\\".encode(), None],
    )

    sent = "ü'\\".encode()
    assert rows == [(b"41", sent, None), (b"42", sent, None)]


def test_a_connection_of_the_pool_is_given_back_at_once(pooled):
    servers = {ask_directly(pooled, WHO, [])[0] for _ in range(3)}

    assert len(servers) == 1
    assert pooled.connection is None
    # It is the only one, and Django gets it.
    with pooled.cursor() as cursor:
        cursor.execute(WHO.decode())
        assert {(str(cursor.fetchone()[0]).encode(),)} == servers


def test_the_connection_that_a_thread_has_is_asked(pooled):
    with pooled.cursor() as cursor:
        cursor.execute(WHO.decode())
        server = cursor.fetchone()[0]

    assert ask_directly(pooled, WHO, []) == [(str(server).encode(),)]
    assert pooled.connection is not None


def test_an_error_is_djangos_and_leaves_the_connection_usable(pooled):
    with pytest.raises(DataError) as caught:
        ask_directly(pooled, b"SELECT $1::int", [b"many"])

    assert isinstance(caught.value.__cause__, InvalidTextRepresentation)
    assert ask_directly(pooled, b"SELECT 1", []) == [(b"1",)]


def test_a_connection_that_ends_meanwhile_is_an_outage_and_replaced(pooled):
    with pytest.raises(OperationalError):
        ask_directly(pooled, b"SELECT pg_terminate_backend(pg_backend_pid())", [])

    assert ask_directly(pooled, b"SELECT 1", []) == [(b"1",)]


def test_a_statement_is_a_transaction_of_its_own(pooled):
    first, second = (
        ask_directly(pooled, b"SELECT pg_current_xact_id()", []) for _ in range(2)
    )

    assert first != second


def test_who_has_a_transaction_or_watches_is_not_passed_by(pooled):
    assert is_alone(pooled)
    pooled.settings_dict["AUTOCOMMIT"] = False
    assert not is_alone(pooled)
    pooled.settings_dict["AUTOCOMMIT"] = True
    with pooled.execute_wrapper(lambda execute, *rest: execute(*rest)):
        assert not is_alone(pooled)
    pooled.force_debug_cursor = True
    assert not is_alone(pooled)
    pooled.force_debug_cursor = False
    pooled.set_autocommit(False)
    assert not is_alone(pooled)
    pooled.set_autocommit(True)
    assert is_alone(pooled)
    with transaction.atomic():
        assert not is_alone(connection)


def test_an_append_answers_alike_whether_it_is_watched_or_not():
    app, other = an_app(), an_app()
    sent = [a_sent_event(id="a"), a_sent_event(id="b")]
    changed = [sent[0], {**sent[1], "content": "changed"}]

    directly = [log.append(app, each) for each in (sent[:1], sent, sent, changed)]
    with connection.execute_wrapper(lambda execute, *rest: execute(*rest)):
        watched = [log.append(other, each) for each in (sent[:1], sent, sent, changed)]

    assert directly == watched
    assert [result.status for result in directly[3]] == ["duplicate", "conflict"]
    assert [result.position for result in directly[1]] == [1, 2]
