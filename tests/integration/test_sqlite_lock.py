"""Who waits for SQLite's one write lock: until it is free, or patience is over."""

import sqlite3
import threading

import pytest
from django.db import OperationalError

from integration_project.databases import read_database_url
from integration_project.sqlite3 import base
from tests.harness.django_connections import make_connection
from tests.harness.process import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect(tmp_path):
    """Return a connection to one file, with what a URL's query says."""
    opened = []

    def connect(query=""):
        url = f"sqlite:///{tmp_path}/db.sqlite3{query}"
        link = make_connection(read_database_url(url, pool=0))
        link.inc_thread_sharing()
        link.connect()
        opened.append(link)
        return link

    yield connect
    for link in opened:
        link.close()


@pytest.fixture
def holder(connect):
    """A connection that has the lock, and a table with one row of its own."""
    link = connect()
    ask(link, "CREATE TABLE seen (number integer)")
    ask(link, "BEGIN IMMEDIATE")
    ask(link, "INSERT INTO seen VALUES (1)")
    return link


@pytest.fixture
def looks(monkeypatch):
    """What somebody was told who found the lock taken."""
    seen = []

    def note(error):
        seen.append(str(error))
        return is_locked_out(error)

    is_locked_out = base._is_locked_out
    monkeypatch.setattr(base, "_is_locked_out", note)
    return seen


def ask(link, statement, *values):
    with link.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def insert_many(link):
    with link.cursor() as cursor:
        cursor.executemany("INSERT INTO seen VALUES (%s)", iter([(2,), (3,)]))


def begin_and_insert(link):
    ask(link, "BEGIN IMMEDIATE")
    ask(link, "INSERT INTO seen VALUES (2), (3)")
    link.connection.commit()


@pytest.mark.parametrize("write", [insert_many, begin_and_insert])
def test_whoever_finds_the_lock_taken_writes_once_it_is_free(
    connect, holder, looks, write
):
    other = connect()
    writer = threading.Thread(target=write, args=(other,))

    writer.start()
    wait_until(lambda: looks)
    holder.connection.commit()
    writer.join()

    assert set(looks) == {"database is locked"}
    assert ask(holder, "SELECT number FROM seen ORDER BY 1") == [(1,), (2,), (3,)]


def test_what_is_written_one_by_one_is_written_once(connect, holder, looks):
    holder.connection.rollback()
    other = connect()

    def bring():
        yield (1,)
        ask(holder, "BEGIN IMMEDIATE")
        threading.Thread(target=let_go).start()
        yield (2,)

    def let_go():
        wait_until(lambda: looks)
        holder.connection.commit()

    with other.cursor() as cursor:
        cursor.executemany("INSERT INTO seen VALUES (%s)", bring())

    assert set(looks) == {"database is locked"}
    assert ask(holder, "SELECT number FROM seen ORDER BY 1") == [(1,), (2,)]


def test_a_lock_that_is_never_free_is_an_error_once_patience_is_over(connect, holder):
    other = connect("?timeout=0")

    with pytest.raises(OperationalError, match="database is locked"):
        ask(other, "BEGIN IMMEDIATE")

    holder.connection.rollback()
    assert ask(other, "SELECT number FROM seen") == []


def test_a_snapshot_that_is_too_old_to_write_is_an_error_at_once(
    connect, holder, looks
):
    holder.connection.commit()
    reader = connect()
    ask(reader, "BEGIN DEFERRED")
    assert ask(reader, "SELECT number FROM seen") == [(1,)]
    ask(holder, "INSERT INTO seen VALUES (2)")

    with pytest.raises(OperationalError) as caught:
        ask(reader, "INSERT INTO seen VALUES (3)")

    assert len(looks) == 1
    cause = caught.value.__cause__
    assert isinstance(cause, sqlite3.OperationalError)
    assert cause.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT


def test_whoever_reads_and_wants_to_write_looks_no_more_often(connect, holder, looks):
    holder.connection.commit()
    reader = connect()
    ask(reader, "BEGIN DEFERRED")
    assert ask(reader, "SELECT number FROM seen") == [(1,)]
    ask(holder, "BEGIN IMMEDIATE")
    cursor = base.InsistentCursor(reader.connection, patience=0.1)

    with pytest.raises(sqlite3.OperationalError, match="database is locked"):
        cursor.execute("INSERT INTO seen VALUES (2)")

    assert len(looks) <= 1 + 100 / base.LOOKS_MS + 1
    holder.connection.rollback()
    cursor.execute("INSERT INTO seen VALUES (2)")
    reader.connection.commit()
    assert ask(holder, "SELECT number FROM seen ORDER BY 1") == [(1,), (2,)]


def test_a_statement_that_is_wrong_is_an_error_at_once(connect):
    with pytest.raises(OperationalError, match="no such table"):
        ask(connect(), "SELECT * FROM nowhere")


def test_sqlite_itself_looks_for_a_moment_only(connect):
    assert ask(connect(), "PRAGMA busy_timeout") == [(base.LOOKS_MS,)]
    assert ask(connect("?init_command="), "PRAGMA busy_timeout") == [(base.LOOKS_MS,)]


def test_where_a_commit_may_have_to_wait_sqlite_itself_waits(connect, looks):
    """Without a write-ahead log a commit waits for readers, and no cursor asks it again."""
    writer, reader = connect("?init_command="), connect("?init_command=&timeout=0")
    ask(writer, "CREATE TABLE seen (number integer)")
    ask(writer, "BEGIN IMMEDIATE")

    assert ask(writer, "PRAGMA journal_mode") == [("delete",)]
    assert ask(writer, "PRAGMA busy_timeout") == [(20_000,)]
    with pytest.raises(OperationalError, match="database is locked"):
        ask(reader, "BEGIN IMMEDIATE")
    assert len(looks) == 1
