"""One row an hour of how large the database is, and what findings read from these rows."""

from datetime import timedelta

import pytest
from django.db import connection

from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.insight.installation_facts import (
    judge_installation,
    read_installation_facts,
)
from clevertap_sync.insight.machinery_queries import read_database_facts, read_processes
from clevertap_sync.models import DatabaseSample, ProcessSeen
from clevertap_sync.process import clock
from clevertap_sync.process.database_samples import record_sample
from clevertap_sync.worker.background_jobs import BackgroundJobs
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import NOON, a_sent_event, an_app

pytestmark = pytest.mark.django_db

IS_POSTGRESQL = connection.vendor == "postgresql"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GIGABYTE = 1_000_000_000


def a_sample(ago, size=GIGABYTE, **changes):
    return DatabaseSample.objects.create(hour=NOON - ago, size_bytes=size, **changes)


def test_the_upkeep_of_a_worker_writes_one_row_an_hour():
    class Pool:
        """Carries out the job that is looked for, and no other."""

        def apply_async(self, _, arguments):
            if arguments[1] is record_sample:
                arguments[1]()

    jobs = BackgroundJobs(Pool())
    before = clock.read_now()

    jobs.start_upkeep()
    jobs.start_upkeep()

    rows = DatabaseSample.objects.filter(hour__gte=before - HOUR)
    # Two, where the hour ended in between.
    assert 1 <= rows.count() <= 2
    row = rows.last()
    assert row.size_bytes > 100_000
    assert (row.connections is not None) is IS_POSTGRESQL
    assert (row.free_bytes is not None) is not IS_POSTGRESQL


@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite has no connections to count")
def test_the_most_connections_of_the_hour_stay(monkeypatch):
    monkeypatch.setattr(clock, "read_now", lambda: NOON)
    record_sample()
    DatabaseSample.objects.update(connections=77, size_bytes=1)

    record_sample()

    row = DatabaseSample.objects.get()
    assert row.connections == 77
    assert row.size_bytes > 1


def test_rows_are_kept_for_forty_days(monkeypatch):
    monkeypatch.setattr(clock, "read_now", lambda: NOON)
    a_sample(40 * DAY + HOUR)
    kept = a_sample(40 * DAY)

    record_sample()

    assert list(DatabaseSample.objects.values_list("hour", flat=True)) == [
        kept.hour,
        NOON,
    ]


def test_the_oldest_event_is_one_that_retention_may_remove(monkeypatch):
    monkeypatch.setattr(clock, "read_now", lambda: NOON)
    # The newest of each log always stays, and says nothing of retention.
    for slug, count, age in (("idle", 1, 300), ("shop", 2, 5), ("game", 2, 7)):
        app = an_app(slug)
        log.append(app, [a_sent_event() for _ in range(count)])
        ReferralEvent.objects.filter(app=app).update(received_at=NOON - age * DAY)

    record_sample()

    assert DatabaseSample.objects.get().oldest_event_at == NOON - 7 * DAY


def test_before_the_first_look_nothing_is_known():
    assert read_database_facts(NOON) is None


def test_growth_is_read_from_the_last_look_of_each_day(settings):
    settings.DATABASE_GIGABYTES = 20
    for days in range(1, 40):
        a_sample(days * DAY, (40 - days) * GIGABYTE // 8)
        # Earlier on the same day, and not looked at.
        a_sample(days * DAY + 2 * HOUR, 99 * GIGABYTE)
    a_sample(timedelta(), 5 * GIGABYTE, oldest_event_at=NOON - 95 * DAY)

    facts = read_database_facts(NOON)

    assert facts.growth.per_day == GIGABYTE // 8
    assert facts.growth.basis == 7 * DAY
    assert facts.capacity_bytes == 20 * GIGABYTE
    assert facts.growth.lasts == 120 * DAY


def test_the_room_of_a_file_is_what_the_disk_has(settings):
    settings.DATABASE_GIGABYTES = 0
    a_sample(timedelta(), 3, free_bytes=4)

    assert read_database_facts(NOON).capacity_bytes == 7


def test_the_most_connections_of_the_last_two_hours_count():
    a_sample(HOUR * 2, connections=90, connection_limit=100)
    a_sample(HOUR, connections=40, connection_limit=100)
    a_sample(timedelta(), connections=20, connection_limit=50)

    facts = read_database_facts(NOON)

    assert (facts.connections, facts.connection_limit) == (40, 50)


def a_process(name, seen_ago=timedelta(), **changes):
    defaults = {
        "kind": ProcessSeen.Kind.WEB,
        "started_at": NOON - DAY,
        "seen_at": NOON - seen_ago,
        "clock_offset_seconds": 0.0,
        "resident_bytes": 1,
        "cpu_seconds": 1.0,
        "threads": 1,
    }
    return ProcessSeen.objects.create(name=name, **{**defaults, **changes})


def test_a_process_that_is_silent_is_not_reckoned_with():
    a_process("web-1:7", timedelta(seconds=90))
    a_process("web-1:8", timedelta(seconds=90.1))

    assert [process.name for process in read_processes(NOON)] == ["web-1:7"]


def test_the_machinery_costs_findings_two_queries(django_assert_num_queries):
    for hours in range(100):
        a_sample(hours * HOUR, connections=1, connection_limit=1)
    for number in range(20):
        a_process(f"web-1:{number}", clock_offset_seconds=60.0)

    with django_assert_num_queries(2):
        read_database_facts(NOON)
        read_processes(NOON)

    facts = read_installation_facts(NOON, read_app_ingest(NOON))
    assert {finding.code for finding in judge_installation(facts)} == {
        "connections_short",
        "clock_skewed",
    }
