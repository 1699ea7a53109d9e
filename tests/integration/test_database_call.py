"""A call of a function in PostgreSQL by libpq alone: values, errors, transactions, who counts."""

import psycopg
import pytest
from django.db import (
    DatabaseError,
    DataError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from referrals.database_call import call_function
from tests.integration.statements import counted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has no such functions"
    ),
]
TEXTS = ("", "a", "ü 😀", "'; SELECT 1; --", "$1 %s \\ \n", "x" * 100_000)
NOTE = """
    WITH made AS (INSERT INTO noted VALUES (1) RETURNING id) SELECT id::text FROM made
"""
TRANSACTION = "SELECT pg_current_xact_id()::text"


@pytest.fixture(params=[False, True], ids=["alone", "in a transaction"])
def where(request):
    if not request.param:
        yield
        return
    with transaction.atomic():
        yield


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_comes_back_as_it_went(text):
    assert call_function("SELECT $1::text", [text]) == text.encode()


@pytest.mark.usefixtures("where")
def test_values_are_read_by_the_types_that_are_asked_for():
    statement = "SELECT concat_ws(' ', $1::bigint, $2::float8, $3::boolean, $4::xid)"

    found = call_function(statement, [2**40, 0.25, True, "17"])

    assert found == b"1099511627776 0.25 t 17"


@pytest.mark.usefixtures("where")
def test_null_goes_and_comes_as_none():
    assert call_function("SELECT coalesce($1, 'nothing')", [None]) == b"nothing"
    assert call_function("SELECT $1::text", [None]) is None


def test_a_text_that_postgresql_would_cut_off_is_refused():
    with pytest.raises(DataError):
        call_function("SELECT $1::text", ["a\0b"])


FAULTS = (
    ("SELECT 1 / $1::int", [0], DataError),
    ("SELECT nobody_has_this($1)", [0], ProgrammingError),
    ("SELECT $1::int", ["no number"], DataError),
)


@pytest.mark.parametrize(("statement", "given", "expected"), FAULTS)
def test_an_error_is_djangos_and_the_connection_stays(statement, given, expected):
    link = connection.connection

    with pytest.raises(expected) as raised:
        call_function(statement, given)

    assert isinstance(raised.value.__cause__, psycopg.Error)
    assert raised.value.__cause__.sqlstate
    assert call_function("SELECT 'well'", []) == b"well"
    assert link is None or link is connection.connection


def test_a_lock_that_is_not_to_be_had_is_told_by_its_code():
    call_function("SELECT set_config('lock_timeout', '1ms', false)", [])
    connection.cursor().execute("CREATE TABLE contended (id int)")
    other = connection.copy()
    other.inc_thread_sharing()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE contended")
        with pytest.raises(OperationalError) as raised:
            call_function("SELECT count(*)::text FROM contended", [])
        other.rollback()
    finally:
        other.close()
        connection.cursor().execute("DROP TABLE contended")
        call_function("SELECT set_config('lock_timeout', '0', false)", [])

    assert isinstance(raised.value.__cause__, psycopg.errors.LockNotAvailable)


def test_a_connection_that_the_server_ended_is_an_operational_error():
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    other = connection.copy()
    other.inc_thread_sharing()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()

    with pytest.raises(OperationalError):
        call_function("SELECT 'well'", [])

    connection.close()
    assert call_function("SELECT 'well'", []) == b"well"


def test_each_call_is_a_transaction_of_its_own_and_in_one_part_of_it():
    assert call_function(TRANSACTION, []) != call_function(TRANSACTION, [])
    with transaction.atomic():
        assert call_function(TRANSACTION, []) == call_function(TRANSACTION, [])


def test_what_was_called_in_a_transaction_is_taken_back_with_it():
    connection.cursor().execute("CREATE TABLE noted (id int)")

    def note_and_fail():
        with transaction.atomic():
            call_function(NOTE, [])
            call_function("SELECT 1 / $1::int", [0])

    try:
        with pytest.raises(DatabaseError):
            note_and_fail()
        assert call_function("SELECT count(*)::text FROM noted", []) == b"0"
    finally:
        connection.cursor().execute("DROP TABLE noted")


@pytest.mark.usefixtures("where")
def test_who_counts_statements_sees_it():
    with counted() as statements:
        call_function("SELECT $1::text", ["a"])

    assert statements == ["SELECT $1::text"]
