"""Findings about what the installation runs on: its database, and the clocks of its hosts."""

from datetime import timedelta

import pytest

from clevertap_sync.insight.findings.installation_finding import InstallationFacts
from clevertap_sync.insight.findings.machinery import (
    ClockSkewed,
    ConnectionsShort,
    DatabaseFullSoon,
)
from clevertap_sync.insight.growth import Growth, Retention
from clevertap_sync.insight.installation_facts import judge_installation
from clevertap_sync.insight.machinery import DatabaseFacts, ProcessFacts
from tests.builders import NOON

DAY = timedelta(days=1)
GIGABYTE = 1_000_000_000


def a_process(name="web-1:7", offset=0.0, age=DAY):
    return ProcessFacts(name=name, started_at=NOON - age, clock_offset_seconds=offset)


def a_growth(lasts):
    return Growth(
        per_day=0.5 * GIGABYTE,
        basis=7 * DAY,
        retention=Retention.AHEAD,
        goes_on_for=80 * DAY,
        lasts=lasts,
    )


def a_database(**changes):
    defaults = {
        "seen_at": NOON,
        "size_bytes": 4 * GIGABYTE,
        "capacity_bytes": 10 * GIGABYTE,
        "connections": 10,
        "connection_limit": 20,
        "oldest_event_at": NOON - 10 * DAY,
        "growth": a_growth(12 * DAY),
    }
    return DatabaseFacts(**{**defaults, **changes})


def findings(kind, database=None, processes=(), pool=6):
    facts = InstallationFacts(
        now=NOON, database=database, processes=processes, pool=pool
    )
    return list(kind.find_all(facts))


def test_a_database_that_is_full_within_two_weeks_is_a_finding():
    (finding,) = findings(DatabaseFullSoon, a_database())

    assert finding.sentence == (
        "The database has 4.0 GB, and room for 10.0 GB; it grows by 500.0 MB a day, "
        "measured over 7 days, and is full in about 12 days. A full one takes no event."
    )
    assert finding.seconds == 12 * 86_400


@pytest.mark.parametrize(
    "database",
    [
        None,
        a_database(growth=a_growth(14 * DAY + timedelta(seconds=1))),
        a_database(growth=a_growth(None)),
        a_database(growth=None, size_bytes=9 * GIGABYTE),
        a_database(growth=None, capacity_bytes=None, size_bytes=900 * GIGABYTE),
    ],
    ids=["unseen", "later", "enough", "unknown yet", "unknown room"],
)
def test_room_that_lasts_or_is_not_known_is_none(database):
    assert findings(DatabaseFullSoon, database) == []


def test_nearly_no_room_is_a_finding_however_it_grows():
    (finding,) = findings(
        DatabaseFullSoon, a_database(growth=None, size_bytes=int(9.5 * GIGABYTE))
    )

    assert finding.sentence == (
        "The database has 9.5 GB, and room for 10.0 GB. A full one takes no event."
    )


def test_connections_that_were_all_in_use_are_a_finding():
    (finding,) = findings(ConnectionsShort, a_database(connections=19))

    assert finding.sentence == (
        "19 of the 20 connections that the database allows were open at once within the "
        "last two hours. Without a free one for five seconds, requests are answered 503."
    )


def test_processes_that_may_want_too_many_are_a_finding_with_the_pool_that_fits():
    four = [a_process(f"web-1:{n}") for n in range(4)]

    (finding,) = findings(ConnectionsShort, a_database(), four)

    assert finding.sentence.startswith(
        "4 processes may open 6 database connections each, which makes 26 with 2 for "
        "commands, and the database allows 20."
    )
    assert finding.remedy.startswith("Set DATABASE_POOL to 4, run fewer processes, or ")


@pytest.mark.parametrize(
    ("database", "count", "age", "pool"),
    [
        (a_database(connections=18), 3, DAY, 6),
        (a_database(), 4, timedelta(minutes=9), 6),
        (a_database(), 40, DAY, 0),
        (a_database(connections=None, connection_limit=None), 40, DAY, 6),
    ],
    ids=["as documented", "while releases swap", "no pool", "SQLite"],
)
def test_connections_that_suffice_are_none(database, count, age, pool):
    processes = [a_process(f"web-1:{n}", age=age) for n in range(count)]

    assert findings(ConnectionsShort, database, processes, pool) == []


def test_a_clock_that_is_wrong_is_told_once_for_all_hosts():
    processes = [
        a_process("web-1:7", -5.0),
        a_process("web-1:8", -5.1),
        a_process("work-2:9", 42.0),
        a_process("fine-3:1", 4.99),
    ]

    (finding,) = findings(ClockSkewed, processes=processes)

    assert finding.sentence.startswith(
        "The clock of work-2 (and of 1 other host) is 42 s ahead of the database's."
    )
    assert (finding.count, finding.seconds) == (2, 42.0)


def test_a_clock_behind_is_as_wrong():
    (finding,) = findings(ClockSkewed, processes=[a_process(offset=-3600.0)])

    assert "web-1 is 60 min behind the database's" in finding.sentence


def test_clocks_that_are_right_to_seconds_are_none():
    assert findings(ClockSkewed, processes=[a_process(offset=-4.9)]) == []


def test_all_of_them_are_judged_with_the_installation():
    facts = InstallationFacts(
        now=NOON,
        database=a_database(connections=20),
        processes=[a_process(offset=9.0)],
        pool=6,
    )

    assert [finding.code for finding in judge_installation(facts)] == [
        "database_full_soon",
        "connections_short",
        "clock_skewed",
    ]
