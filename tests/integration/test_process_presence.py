"""Which processes are at work: each has one row, from its start to its end."""

import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from clevertap_sync.models import ProcessSeen
from clevertap_sync.process import process_presence, vitals
from clevertap_sync.process.process_presence import SILENT_AFTER
from clevertap_sync.process.worker_presence import name_worker
from referrals.ingest import background

WEB = ProcessSeen.Kind.WEB
pytestmark = pytest.mark.django_db


def become_due():
    """Let the vitals be due again at once."""
    process_presence._presence.due_at = 0.0


def a_process(name, **changes):
    values = {
        "kind": WEB,
        "started_at": timezone.now(),
        "seen_at": timezone.now(),
        "clock_offset_seconds": 0.0,
        "resident_bytes": 1,
        "cpu_seconds": 1.0,
        "threads": 1,
    }
    return ProcessSeen.objects.create(name=name, **values | changes)


def test_a_process_is_seen_with_its_first_flush_though_it_counted_nothing(settings):
    settings.SENTRY_RELEASE = "r" * 200
    process_presence.show_as(WEB)
    began = timezone.now()
    background.flush_counts()

    (row,) = ProcessSeen.objects.all()
    age = vitals.read_vitals().age_seconds
    assert (row.name, row.kind, row.release) == (name_worker(), "web", "r" * 100)
    assert (began - row.started_at).total_seconds() == pytest.approx(age, abs=5)
    assert row.resident_bytes > 1_000_000
    assert row.threads >= 1
    assert row.open_files >= 3
    # Database and test share a machine.
    assert abs(row.clock_offset_seconds) < 1
    assert abs((row.seen_at - began).total_seconds()) < 60


def test_a_command_is_no_process_that_anybody_waits_for(django_assert_num_queries):
    with django_assert_num_queries(0):
        background.flush_counts()


def test_vitals_are_written_when_they_are_due_and_the_start_stays_the_same(
    django_assert_num_queries,
):
    process_presence.show_as(WEB)
    process_presence.write_vitals()
    first = ProcessSeen.objects.get()
    with django_assert_num_queries(0):
        process_presence.write_vitals()

    become_due()
    process_presence.write_vitals()

    second = ProcessSeen.objects.get()
    assert second.seen_at > first.seen_at
    assert second.cpu_seconds > first.cpu_seconds
    assert (second.pk, second.started_at) == (first.pk, first.started_at)


def test_a_process_takes_over_the_row_of_one_with_its_name():
    old = timezone.now() - timedelta(hours=3)
    a_process(name_worker(), kind="worker", release="old", started_at=old, seen_at=old)
    process_presence.show_as(WEB)
    process_presence.write_vitals()

    row = ProcessSeen.objects.get()
    assert (row.kind, row.release) == ("web", "")
    assert row.started_at > old
    assert row.resident_bytes > 1


def test_a_process_that_ends_in_order_takes_its_row_and_no_other_along():
    a_process("else:1")
    process_presence.show_as(WEB)
    process_presence.write_vitals()

    process_presence.remove_row()

    assert [row.name for row in ProcessSeen.objects.all()] == ["else:1"]


def test_a_row_that_nobody_took_along_is_removed_after_a_day():
    now = timezone.now()
    a_process("else:1", seen_at=now - timedelta(hours=23))
    a_process("else:2", seen_at=now - timedelta(hours=25))
    assert [each.process.name for each in process_presence.list_processes()] == [
        "else:1"
    ]
    process_presence.show_as(WEB)
    process_presence.write_vitals()

    assert {row.name for row in ProcessSeen.objects.all()} == {"else:1", name_worker()}


def test_a_process_is_silent_after_it_missed_several_turns():
    now = timezone.now()
    a_process("here:1", kind="worker", seen_at=now - SILENT_AFTER / 2)
    a_process("gone:1", seen_at=now - SILENT_AFTER * 2)

    found = process_presence.list_processes()

    assert [(each.process.name, each.is_silent) for each in found] == [
        ("gone:1", True),
        ("here:1", False),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_told_at_the_next_flush(caplog):
    def fails(execute, sql, *rest):
        raise OperationalError

    process_presence.show_as(WEB)
    with connection.execute_wrapper(fails):
        background.flush_counts()
    assert not ProcessSeen.objects.exists()

    background.flush_counts()

    assert ProcessSeen.objects.count() == 1
    assert len(caplog.records) == 1


def test_a_clock_that_is_wrong_shows_by_how_much(monkeypatch):
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 90)

    assert process_presence.look_at_clock().offset == pytest.approx(90, abs=1)
