"""What the doctor says of a database, by what it found there."""

from datetime import date, timedelta

import pytest

from clevertap_sync.insight.growth import Growth, Retention
from clevertap_sync.insight.machinery import DatabaseFacts, ProcessFacts
from clevertap_sync.process.database_look import ConnectionUse
from integration_project.doctor import (
    clock,
    connections,
    database_file,
    database_server,
    database_upkeep,
    disk,
    migrations,
)
from integration_project.doctor.check import State
from integration_project.doctor.database_server import ServerFacts
from integration_project.doctor.database_upkeep import TableCounts
from integration_project.doctor.migrations import Lead
from referrals.words import format_bytes
from tests.builders import NOON

DAY = timedelta(days=1)
GIGABYTE = 1_000_000_000
TODAY = date(2026, 11, 29)
SETTINGS = {
    "lock_timeout": "5s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "10s",
    "server_version": "18.4 (Debian 18.4-1)",
    "server_version_num": "180004",
    "server_encoding": "UTF8",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "log_statement": "ddl",
    "log_min_duration_statement": "-1",
}


def a_server(host="/var/run/postgresql", **changes):
    facts = {"is_read_only": False, "is_superuser": False, "is_encrypted": False}
    settings = SETTINGS | {k: v for k, v in changes.items() if k in SETTINGS}
    flags = facts | {k: v for k, v in changes.items() if k in facts}
    return ServerFacts(settings=settings, host=host, **flags)


def codes(checks):
    return {check.code: check.state for check in checks}


WELL = {
    "database_version": State.OK,
    "database_durable": State.OK,
    "database_limits": State.OK,
    "database_here": State.OK,
}


def test_a_server_that_is_well_has_four_good_checks():
    assert codes(database_server.judge_server(a_server(), TODAY)) == WELL


@pytest.mark.parametrize(
    ("changes", "code", "state"),
    [
        ({"server_version_num": "130022"}, "database_too_old", State.ERROR),
        ({"server_version_num": "140019"}, "database_unsupported", State.WARNING),
        ({"server_version_num": "190000"}, "database_version", State.INFO),
        ({"fsync": "off"}, "database_not_durable", State.ERROR),
        ({"synchronous_commit": "off"}, "database_not_durable", State.ERROR),
        ({"statement_timeout": "0"}, "database_no_limits", State.WARNING),
        ({"host": "db.example.com"}, "database_unencrypted", State.WARNING),
        (
            {"host": "db.example.com", "is_encrypted": True},
            "database_encrypted",
            State.OK,
        ),
        ({"is_read_only": True}, "database_read_only", State.ERROR),
        ({"is_superuser": True}, "database_superuser", State.INFO),
        ({"server_encoding": "SQL_ASCII"}, "database_encoding", State.ERROR),
        ({"log_statement": "mod"}, "database_logs_values", State.INFO),
        ({"log_min_duration_statement": "2s"}, "database_logs_values", State.INFO),
    ],
)
def test_what_is_not_well_with_a_server_is_told(changes, code, state):
    found = codes(database_server.judge_server(a_server(**changes), TODAY))

    assert found[code] == state
    assert len(found.items() - WELL.items()) == 1


def test_commits_that_a_crash_loses_are_told_from_files_that_it_damages():
    def say(**changes):
        checks = database_server.judge_server(a_server(**changes), TODAY)
        return next(c.sentence for c in checks if c.code == "database_not_durable")

    assert say(synchronous_commit="off") == (
        "synchronous_commit=off: a crash of the server loses events that were accepted."
    )
    assert say(fsync="off", synchronous_commit="off").endswith(
        "a crash of the machine may damage the whole database."
    )


@pytest.mark.parametrize(
    ("check", "code", "state"),
    [
        (database_file.judge_synchronous(2), "database_durable", State.OK),
        (database_file.judge_synchronous(1), "database_not_durable", State.ERROR),
        (database_file.judge_synchronous(0), "database_not_durable", State.ERROR),
        (database_file.judge_journal("wal"), "database_journal", State.OK),
        (
            database_file.judge_journal("delete"),
            "database_journal_blocks",
            State.WARNING,
        ),
        (database_file.judge_log(4_000_000), "database_log", State.OK),
        (database_file.judge_log(900_000_000), "database_log_long", State.WARNING),
        (database_file.judge_pages("ok"), "database_whole", State.OK),
        (database_file.judge_pages(None), "database_not_read", State.INFO),
        (
            database_file.judge_pages("row 7 of ann@example.com"),
            "database_damaged",
            State.ERROR,
        ),
    ],
)
def test_a_file_is_judged_by_what_its_pragmas_say(check, code, state):
    assert (check.code, check.state) == (code, state)
    assert "ann@" not in check.sentence


@pytest.mark.parametrize(
    ("check", "code", "state"),
    [
        (
            database_upkeep.judge_autovacuum(is_on=True, tables_without=0),
            "autovacuum",
            State.OK,
        ),
        (
            database_upkeep.judge_autovacuum(is_on=False, tables_without=0),
            "autovacuum_off",
            State.WARNING,
        ),
        (
            database_upkeep.judge_autovacuum(is_on=True, tables_without=1),
            "autovacuum_off",
            State.WARNING,
        ),
        (database_upkeep.judge_age(200_000_000), "transaction_age", State.OK),
        (
            database_upkeep.judge_age(1_500_000_000),
            "transactions_run_out",
            State.ERROR,
        ),
        (
            database_upkeep.judge_transactions(0, 0.0),
            "no_long_transactions",
            State.OK,
        ),
        (
            database_upkeep.judge_transactions(2, 4000.0),
            "long_transactions",
            State.WARNING,
        ),
    ],
)
def test_what_postgresql_does_by_itself_is_told(check, code, state):
    assert (check.code, check.state) == (code, state)


def test_tables_without_statistics_and_with_dead_rows_are_named():
    tables = [
        TableCounts("good", 90_000, 1_000, is_never_analyzed=False),
        TableCounts("restored", 90_000, 0, is_never_analyzed=True),
        TableCounts("bloated", 10_000, 10_001, is_never_analyzed=False),
    ]

    statistics, dead = database_upkeep.judge_tables(tables)

    assert "no statistics of restored, as after" in statistics.sentence
    assert (dead.code, dead.values) == ("dead_rows", {"bloated": 10_001})


@pytest.mark.parametrize(
    ("kept", "told"), [(1_000_000_000, []), (1_000_000_001, ["journal_kept"])]
)
def test_a_replica_that_is_away_is_told_by_what_it_keeps(kept, told):
    assert [c.code for c in database_upkeep.judge_slots(1, kept)] == told


@pytest.mark.parametrize(
    ("lead", "code", "state"),
    [
        (Lead([], []), "migrations_applied", State.OK),
        (Lead(["a.1"], []), "migrations_unapplied", State.ERROR),
        (Lead([], ["a.2"]), "database_newer", State.WARNING),
        (Lead(["a.1"], ["a.2"]), "migrations_unapplied", State.ERROR),
    ],
)
def test_who_is_ahead_is_told(lead, code, state):
    check = migrations.judge_lead(lead)

    assert (check.code, check.state) == (code, state)


def test_of_many_migrations_some_are_named():
    check = migrations.judge_lead(Lead([f"a.{n}" for n in range(5)], []))

    assert "5 migrations are not applied: a.0, a.1, a.2 and 2 more." in check.sentence


@pytest.mark.parametrize(("waits", "state"), [(True, "warning"), (False, "info")])
def test_a_migration_under_way_is_told_from_one_that_waits(waits, state):
    check = migrations.describe_locks(75.0, waits=waits)

    assert (check.state, check.values) == (state, {"seconds": 75.0})
    assert "75 s" in check.sentence


def test_connections_are_counted_by_whose_they_are():
    owners = connections.Owners(ours=7, others=2, elsewhere=3, busy=1)

    check = connections.describe_use(ConnectionUse(12, 20), owners)

    assert check.sentence == (
        "12 of 20 connections are open: 7 of our role, 1 of them busy; 2 of other roles in "
        "this database, 3 in others."
    )


@pytest.mark.parametrize(
    ("pool", "limit", "code", "wanted"),
    [
        (6, 20, "connections_wanted", 20),
        (6, 19, "connections_exceed", 20),
        (0, 19, "connections_unbounded", None),
    ],
)
def test_what_the_processes_may_want_is_reckoned(pool, limit, code, wanted):
    check = connections.judge_need(3, pool, limit)

    assert (check.code, check.values.get("wanted")) == (code, wanted)


def a_database(growth=None, **changes):
    defaults = {
        "seen_at": NOON,
        "size_bytes": 2 * GIGABYTE,
        "capacity_bytes": 100 * GIGABYTE,
        "connections": None,
        "connection_limit": None,
        "oldest_event_at": NOON - 10 * DAY,
        "growth": growth,
    }
    return DatabaseFacts(**{**defaults, **changes})


def a_growth(**changes):
    defaults = {
        "per_day": GIGABYTE,
        "basis": 3 * DAY,
        "retention": Retention.AHEAD,
        "goes_on_for": 80 * DAY,
        "lasts": None,
    }
    return Growth(**{**defaults, **changes})


RATE = "It grows by 1.0 GB a day, measured over 3.0 days."


@pytest.mark.parametrize(
    ("growth", "room", "sentence"),
    [
        (
            None,
            100,
            "How fast it grows is unknown yet: that takes a day of looks at it.",
        ),
        (
            a_growth(),
            100,
            (
                f"{RATE} In 80 days retention takes back as much as comes in; until then it comes "
                "to about 82.0 GB, and there is room for that."
            ),
        ),
        (
            a_growth(retention=Retention.AT_WORK, goes_on_for=90 * DAY),
            None,
            (
                f"{RATE} Retention is at work, so growing traffic alone makes it grow. In 90 days "
                "retention takes back as much as comes in; until then it comes to about 92.0 GB."
            ),
        ),
        (
            a_growth(lasts=20 * DAY),
            22,
            f"{RATE} As things are, it is full in about 20 days.",
        ),
        (
            a_growth(retention=Retention.BEHIND, goes_on_for=None),
            None,
            f"{RATE} How long that lasts is not known.",
        ),
        (
            a_growth(per_day=-5),
            None,
            "It does not grow, measured over 3.0 days.",
        ),
    ],
)
def test_growth_is_told_with_what_it_rests_on(growth, room, sentence):
    facts = a_database(growth, capacity_bytes=room and room * GIGABYTE)

    assert disk.judge_growth(facts).sentence == sentence


@pytest.mark.parametrize(
    ("lasts", "state"),
    [
        (None, State.OK),
        (15 * DAY, State.OK),
        (4 * DAY, State.INFO),
        (0 * DAY, State.INFO),
    ],
)
def test_growth_is_not_well_where_the_finding_says_that_it_ends_soon(lasts, state):
    assert disk.judge_growth(a_database(a_growth(lasts=lasts))).state is state


@pytest.mark.parametrize(("size", "state"), [(94, State.OK), (95, State.INFO)])
def test_a_size_is_not_well_where_the_room_is_nearly_used_up(size, state):
    facts = a_database(capacity_bytes=100 * GIGABYTE)

    assert disk.judge_size(size * GIGABYTE, facts).state is state


def test_what_retention_cannot_give_back_is_a_warning():
    held = a_database(a_growth(retention=Retention.BEHIND, goes_on_for=None))

    assert disk.judge_retention(held, NOON).code == "retention_waits"
    assert disk.judge_retention(a_database(a_growth()), NOON).sentence.startswith(
        "Events are removed 90 days after they were delivered, which begins in 80 days."
    )


@pytest.mark.parametrize(
    ("age", "code"),
    [(2 * DAY / 24, "database_samples"), (3 * DAY / 24, "database_samples_late")],
)
def test_looks_that_no_longer_come_are_a_warning(age, code):
    assert disk.judge_samples(a_database(), NOON + age).code == code


def test_the_largest_difference_of_the_clocks_is_told():
    processes = [
        ProcessFacts(name=name, started_at=NOON, clock_offset_seconds=offset)
        for name, offset in (("web-1:7", 0.2), ("web-1:8", 0.1), ("work-1:7", -1.34))
    ]

    check = clock.describe_clocks(processes)

    assert check.sentence == (
        "The clocks of 2 hosts differ from the database's by 1.3 s at most."
    )
    assert check.state is State.OK
    assert clock.describe_clocks([]).code == "clocks_unknown"


@pytest.mark.parametrize(("offset", "state"), [(-4.9, State.OK), (-5.0, State.INFO)])
def test_clocks_are_not_well_where_the_finding_says_that_one_is_wrong(offset, state):
    process = ProcessFacts(name="web-1:7", started_at=NOON, clock_offset_seconds=offset)

    assert clock.describe_clocks([process]).state is state


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (20_440_000, "20.4 MB"),
        (-1_500, "-1.5 kB"),
        (9_999_000_000_000_000, "9,999.0 TB"),
    ],
)
def test_sizes_are_said_in_thousands(count, text):
    assert format_bytes(count) == text
