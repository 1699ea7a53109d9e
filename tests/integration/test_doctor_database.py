"""The doctor in front of real databases that are set up wrongly."""

import contextlib
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from clevertap_sync.models import DatabaseSample
from clevertap_sync.process import clock
from integration_project.databases import read_database_url
from integration_project.doctor.check import State
from integration_project.doctor.clock import examine_clock
from integration_project.doctor.connections import examine_connections
from integration_project.doctor.database import examine_database
from integration_project.doctor.database_server import examine_server
from integration_project.doctor.database_upkeep import examine_upkeep
from integration_project.doctor.disk import examine_disk
from integration_project.doctor.migrations import examine_migrations
from tests.harness import postgres
from tests.harness.django_connections import make_connection
from tests.harness.process import wait_until

pytestmark = pytest.mark.django_db

IS_POSTGRESQL = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not IS_POSTGRESQL, reason="asks a server")
on_sqlite = pytest.mark.skipif(IS_POSTGRESQL, reason="asks a file")


def found(examine):
    return {check.code: check for check in examine}


def test_every_area_of_the_database_can_be_looked_at():
    DatabaseSample.objects.create(hour=clock.read_now(), size_bytes=1)

    checks = [
        check
        for area in (examine_database, examine_disk, examine_migrations, examine_clock)
        for check in area()
    ]

    # The server of a test run is set up for speed.
    wrong = {check.code for check in checks if check.state is State.ERROR}
    assert wrong <= {"database_not_durable"}
    assert {"largest_tables", "growth_unknown", "migrations_applied"} <= {
        check.code for check in checks
    }


@pytest.fixture(scope="module")
def server():
    """A server with few connections, whose commits a crash may lose."""
    server = postgres.PostgreSQL(
        max_connections="9", superuser_reserved_connections="2", autovacuum="off"
    )
    yield server
    server.stop()


@pytest.fixture
def through(server, settings):
    """Let the product use that server as `user`, with what its URL's query says."""
    before = connections["default"]
    opened = []

    def connect(user="postgres", query=""):
        url = server.url.replace("postgres@", f"{user}@") + query
        opened.append(make_connection(read_database_url(url, pool=0)))
        connections["default"] = opened[-1]

    yield connect
    connections["default"] = before
    for link in opened:
        link.close()


@pytest.fixture
def role(server):
    """A role that is allowed three connections and to see nobody else's sessions."""
    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute("CREATE ROLE small LOGIN CONNECTION LIMIT 3")
    yield "small"
    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute("DROP ROLE small")


@on_postgresql
def test_a_server_that_may_lose_commits_is_an_error(through):
    through()

    check = found(examine_server())["database_not_durable"]

    assert check.state is State.ERROR
    assert check.values == {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
    }


@on_postgresql
def test_sessions_without_limits_are_a_warning(through):
    through(query="?options=")

    checks = found(examine_server())

    assert "database_no_limits" in checks
    assert checks["database_superuser"].state is State.INFO


@on_postgresql
def test_a_database_that_takes_no_writes_is_an_error(through, role):
    through(role, "?options=-c%20default_transaction_read_only%3Don")

    assert found(examine_server())["database_read_only"].state is State.ERROR


@on_postgresql
def test_the_limit_that_leaves_the_fewest_connections_counts(server, through, role):
    through()
    of_server = next(examine_connections())
    through(role)
    of_role = next(examine_connections())

    # Seven of nine are not reserved. The first session stays.
    assert of_server.values["connection_limit"] == 7
    assert of_role.values["connection_limit"] == 3
    assert (of_role.values["connections"], of_role.values["others"]) == (1, 1)


@on_postgresql
def test_a_small_role_counts_the_connections_of_others(server, through, role):
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(psycopg.connect(server.url))
        through(role)

        check = next(examine_connections())

    # Of the server's seven one is left, of the role's three two are.
    assert check.values["connection_limit"] == 7
    assert check.values["connections"] == 6


@on_postgresql
def test_a_transaction_that_never_ends_is_a_warning(server, through):
    through()
    quiet = found(examine_upkeep(long_seconds=0))
    with psycopg.connect(server.url) as link:
        link.execute("SELECT 'ann@example.com'")
        long = found(examine_upkeep(long_seconds=0))

    assert "no_long_transactions" in quiet
    assert long["long_transactions"].values["transactions"] == 1
    assert "ann@" not in repr(long)
    assert long["autovacuum_off"].state is State.WARNING


@on_postgresql
def test_a_table_without_statistics_is_a_warning(server, through):
    through()
    with psycopg.connect(server.url, autocommit=True) as link:
        link.execute("CREATE TABLE restored AS SELECT generate_series(1, 10000) AS n")
        link.execute("SELECT pg_stat_force_next_flush()")
        link.execute("SELECT 1")

        before = found(examine_upkeep())
        link.execute("DELETE FROM restored")
        link.execute("ANALYZE restored")
        link.execute("SELECT pg_stat_force_next_flush()")
        link.execute("SELECT 1")
        after = found(examine_upkeep())
        link.execute("DROP TABLE restored")

    assert "no statistics of restored" in before["statistics_missing"].sentence
    assert "statistics" in after
    assert after["dead_rows"].values == {"restored": 10_000}


@on_sqlite
def test_a_file_whose_commits_a_loss_of_power_may_take_is_an_error():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        (before,) = cursor.fetchone()

    assert before == 2
    assert found(examine_database())["database_durable"].state is State.OK


@pytest.fixture
def history(settings, tmp_path):
    """Return the record of a database that had every migration of this release."""
    # Tests make their tables without migrations.
    settings.MIGRATION_MODULES = {}
    before = connections["default"]
    url = f"sqlite:///{tmp_path}/db.sqlite3"
    link = connections["default"] = make_connection(read_database_url(url, pool=0))
    recorder = MigrationRecorder(link)
    recorder.ensure_schema()
    recorder.migration_qs.bulk_create(
        recorder.Migration(app=app, name=name)
        for app, name in MigrationLoader(None).disk_migrations
    )
    yield recorder
    connections["default"] = before
    link.close()


def test_a_database_of_this_release_has_what_it_needs(history):
    (check,) = examine_migrations()

    assert (check.code, check.values) == (
        "migrations_applied",
        {"unapplied": 0, "unknown": 0},
    )


def test_a_migration_of_a_newer_release_is_a_warning(history):
    history.record_applied("referrals", "9999_of_tomorrow")
    # Of a program that this code does not have.
    history.record_applied("elsewhere", "0001_initial")

    (check,) = examine_migrations()

    assert (check.code, check.values["unknown"]) == ("database_newer", 1)
    assert "referrals.9999_of_tomorrow" in check.sentence


def test_a_migration_that_is_missing_is_an_error(history):
    ((_, newest),) = MigrationLoader(None).graph.leaf_nodes("clevertap_sync")
    history.record_unapplied("clevertap_sync", newest)

    (check,) = examine_migrations()

    assert (check.code, check.values["unapplied"]) == ("migrations_unapplied", 1)
    assert f"clevertap_sync.{newest}" in check.sentence


def test_a_history_with_a_gap_is_an_error(history):
    history.record_unapplied("referrals", "0003_history")

    checks = found(examine_migrations())

    assert checks["migrations_inconsistent"].state is State.ERROR
    assert "referrals.0003_history" in checks["migrations_unapplied"].sentence


@on_postgresql
def test_a_migration_under_way_is_seen_from_its_lock(server, through):
    through()
    with psycopg.connect(server.url) as link:
        link.execute("CREATE TABLE changing (n int)")
        link.commit()
        link.execute("ALTER TABLE changing ADD COLUMN m int")
        held = found(examine_migrations())
        with contextlib.closing(psycopg.connect(server.url)) as other:
            other.pgconn.send_query(b"ALTER TABLE changing ADD COLUMN o int")
            wait_until(lambda: "migration_waits" in found(examine_migrations()))
        link.execute("DROP TABLE changing")

    assert held["migration_under_way"].state is State.INFO


def test_looks_that_no_longer_come_are_told():
    ago = clock.read_now() - timedelta(hours=9)
    DatabaseSample.objects.create(hour=ago, size_bytes=1)

    assert found(examine_disk())["database_samples_late"].state is State.WARNING
