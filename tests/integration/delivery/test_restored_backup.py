"""A restored backup is noticed by what the broker remembers, and nothing else is."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
import redis
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

from clevertap_sync.delivery import lifecycle
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Alert, Integration, Upload
from clevertap_sync.process import clock, doorbell
from clevertap_sync.provisioning.store import ProvisioningError, enable_integration
from clevertap_sync.tasks import deliver_task
from clevertap_sync.worker import restored_backup
from clevertap_sync.worker.background_jobs import BackgroundJobs
from referrals import log
from tests.builders import a_sent_event
from tests.integration.delivery.conftest import begun, status_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(valkey, settings, monkeypatch):
    """A broker that this process asks, and that remembers nothing yet."""
    settings.REDIS_URL = valkey.url
    monkeypatch.setattr(restored_backup, "_has_compared", False)
    monkeypatch.setattr(doorbell, "_silent_until", float("inf"))
    doorbell.open_broker.cache_clear()
    valkey.flush()
    yield valkey
    doorbell.open_broker().close()
    doorbell.open_broker.cache_clear()


class Backup:
    """The database as it was when this was made."""

    def __init__(self):
        self._mark = transaction.savepoint()

    def restore(self):
        transaction.savepoint_rollback(self._mark)
        # As a new process finds it.
        restored_backup._has_compared = False


@pytest.fixture
def restored(engine, integration, append):
    """An integration whose backup is from before three of its four deliveries."""
    append(count=1)
    deliver(integration.pk)
    backup = Backup()
    for _ in range(3):
        log.append(integration.app, [a_sent_event()])
        deliver(integration.pk)
    restored_backup.compare_cursors()
    backup.restore()
    log.append(integration.app, [a_sent_event()])
    return integration


def test_a_restored_backup_comes_up_paused_and_says_why(engine, restored, caplog):
    before = len(engine.requests())

    deliver_task.run(restored.pk)

    status = status_of(restored)
    assert len(engine.requests()) == before
    assert (restored.enabled, restored.cursor, restored.restorations) == (False, 1, 1)
    assert (status.hold.reason, status.backlog, status.balanced) == (
        "restored_backup",
        1,
        True,
    )
    (line,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "its cursor is 1, but it had come to 4" in line.getMessage()


def test_the_sweep_notices_it_before_it_hands_anything_out(
    engine, restored, monkeypatch
):
    # The sweep closes its thread's connection; this one is the test's.
    monkeypatch.setattr(connection, "close", lambda: None)

    handed_out = []

    class Pool:
        def apply_async(self, _, arguments):
            handed_out.append(arguments)

    Alert.objects.create(name="Everything")
    Integration.objects.update(reconciles=True)
    jobs = BackgroundJobs(Pool())
    jobs.sweep()

    # People are told of it, CleverTap is asked what it has, and nothing is delivered.
    assert handed_out == [
        ("alerts", jobs._run_alert_round),
        ("reconciliation", jobs._run_reconciliation_round),
    ]
    restored.refresh_from_db()
    assert restored.enabled is False


def test_once_a_person_enabled_it_again_it_goes_on_and_is_left_alone(
    engine, restored, finish
):
    restored_backup.compare_cursors()

    lifecycle.enable_integration(restored, start="now")
    log.append(restored.app, [a_sent_event()])
    restored_backup.compare_cursors()
    status = finish()
    restored_backup.compare_cursors()

    assert (status.hold, status.backlog, status.balanced) == (None, 0, True)
    assert status_of(restored).cursor == 3
    assert restored.enabled is True


def test_a_backup_that_is_restored_twice_is_noticed_twice(engine, integration, append):
    backup = Backup()
    append(count=2)
    deliver(integration.pk)
    restored_backup.compare_cursors()
    backup.restore()
    backup = Backup()

    for _ in range(2):
        restored_backup.compare_cursors()
        integration.refresh_from_db()
        assert integration.enabled is False
        lifecycle.enable_integration(integration, start="now")
        backup.restore()
        backup = Backup()


def test_delivering_and_pausing_by_a_person_is_no_restoration(
    engine, integration, append, finish
):
    restored_backup.compare_cursors()
    append(count=3)
    finish()
    restored_backup.compare_cursors()
    lifecycle.pause_integration(integration)
    restored_backup.compare_cursors()
    lifecycle.enable_integration(integration)
    restored_backup.compare_cursors()

    assert status_of(integration).hold is None
    assert (integration.enabled, integration.restorations) == (True, 0)


def test_a_mark_that_moved_on_after_the_row_was_read_pauses_nothing(
    engine, integration, append
):
    append(count=2)
    deliver(integration.pk)

    assert lifecycle.pause_restored_backup(integration.pk, 2) is False

    integration.refresh_from_db()
    assert integration.enabled is True


def test_another_databases_marks_are_not_taken_for_its_own(engine, integration, append):
    append(count=2)
    deliver(integration.pk)
    restored_backup.compare_cursors()
    made = integration.created_at.replace(year=2020)
    Integration.objects.update(created_at=made, cursor=0)

    restored_backup.compare_cursors()

    integration.refresh_from_db()
    assert integration.enabled is True


def test_a_broker_that_is_away_stops_nothing(engine, integration, append, broker):
    append(count=1)
    broker.process.stop()
    try:
        deliver_task.run(integration.pk)
    finally:
        broker.start()

    assert status_of(integration).delivered == 2


def test_marks_are_kept_for_longer_than_a_year(engine, integration, append, broker):
    append(count=1)
    deliver(integration.pk)
    restored_backup.compare_cursors()

    with redis.Redis.from_url(broker.url) as client:
        (key,) = client.keys("cursor:*")
        cursor, _, _signature = client.get(key).partition(b":")
        assert (cursor, client.ttl(key) > 365 * 86400) == (b"1", True)


def test_provisioning_does_not_overrule_it(engine, restored):
    restored_backup.compare_cursors()
    restored.refresh_from_db()

    with pytest.raises(ProvisioningError, match="Enable it from now in the admin"):
        enable_integration(restored)


@pytest.fixture
def remembered(engine, integration, append, broker):
    """The broker's client, the key of a mark that it has, and the mark."""
    append(count=3)
    deliver(integration.pk)
    restored_backup.compare_cursors()
    with redis.Redis.from_url(broker.url) as client:
        [key] = client.keys("cursor:*")
        yield client, key, client.get(key)


@pytest.mark.parametrize(
    "mark", ["no number", "", "99", "99:", "99:" + 40 * "0", "9" * 5_000, b"\xff\xfe"]
)
def test_what_is_none_of_ours_pauses_nothing_and_is_written_anew(remembered, mark):
    client, key, ours = remembered
    client.set(key, mark)

    restored_backup.compare_cursors()

    assert client.get(key) == ours
    assert Integration.objects.get().enabled


def test_another_type_at_the_key_of_a_mark_is_written_anew(remembered):
    client, key, ours = remembered
    client.delete(key)
    client.lpush(key, "a list")

    restored_backup.compare_cursors()

    assert client.get(key) == ours


def test_a_mark_of_another_integration_counts_for_nothing(remembered):
    client, _, far = remembered
    Integration.objects.update(created_at=F("created_at") + timedelta(days=1))
    Integration.objects.update(cursor=0)
    restored_backup.compare_cursors()
    client.set(restored_backup._build_key(Integration.objects.get()), far)

    restored_backup.compare_cursors()

    assert Integration.objects.get().enabled


@pytest.fixture
def on_its_way(engine, integration, append):
    """An integration whose backup was made while an upload was on its way."""
    append(count=2)
    begun(integration)
    backup = Backup()
    log.append(integration.app, [a_sent_event()])
    Integration.objects.update(cursor=3)
    restored_backup.compare_cursors()
    backup.restore()
    restored_backup.compare_cursors()
    integration.refresh_from_db()
    return integration


def test_from_now_on_skips_what_was_on_its_way_when_the_backup_was_made(
    engine, on_its_way, finish
):
    lifecycle.enable_integration(on_its_way, start="now")
    log.append(on_its_way.app, [a_sent_event(id="after")])
    status = finish()

    assert (status.balanced, status.delivered, status.in_flight) == (True, 2, 0)
    assert status.unknown_outcomes == 1
    uploads = Upload.objects.order_by("first").values_list("first", "last", "state")
    assert list(uploads) == [(1, 2, "skipped"), (3, 3, "settled")]


def test_from_where_it_stopped_sends_again_what_was_on_its_way(
    engine, on_its_way, finish
):
    lifecycle.enable_integration(on_its_way, start="resume")
    Upload.objects.update(leased_until=clock.read_now())
    status = finish()

    assert (status.balanced, status.delivered) == (True, 4)


def test_a_hold_that_a_person_ends_has_no_next_try(integration):
    lifecycle.pause_restored_backup(integration.pk, reached=9)

    output = StringIO()
    call_command("delivery_status", stdout=output)

    assert "held              restored_backup since " in output.getvalue()
    assert "next try" not in output.getvalue()
