"""What a worker does with each sweep: nothing that fails keeps the rest from being done."""

import logging
import sqlite3
from contextlib import closing

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.utils import timezone

from clevertap_sync.alerting import alert_round
from clevertap_sync.delivery import lifecycle
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.insight.installation_facts import (
    judge_installation,
    read_installation_facts,
)
from clevertap_sync.models import Alert, WorkerSeen
from clevertap_sync.process import slots, worker_presence
from clevertap_sync.reconciliation import reconciliation_round
from clevertap_sync.worker import (
    background_jobs,
    due,
    glance,
    people_thread,
    restored_backup,
)
from clevertap_sync.worker.background_jobs import BackgroundJobs
from clevertap_sync.worker.glance import Glance
from clevertap_sync.worker.steps import SweepSteps
from integration_project.observability.report_groups import find_delivery_fault
from referrals.hooks import drain
from tests.integration.background import AtOnce

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_slots():
    slots.clear_slots()
    yield
    slots.clear_slots()


PERSON = "ann@example.com"
STEPS = {
    (glance, "take_glance"): "looking what there is to do",
    (restored_backup, "compare_cursors"): "comparing with the broker's memory",
    (lifecycle, "try_readable_passcodes"): "looking for keys that are back",
    (drain, "drain_spool"): "draining the spool",
    (people_thread, "wake_learners"): "looking for apps that learn who is who",
    (due, "find_due_integrations"): "handing out deliveries",
    (alert_round, "run_alert_round"): "alerts",
    (reconciliation_round, "run_reconciliation_round"): "reconciliation",
}


def fail(*_args, **_kwargs):
    raise KeyError(PERSON)


def findings():
    now = timezone.now()
    return judge_installation(read_installation_facts(now, read_app_ingest(now)))


@pytest.fixture(autouse=True)
def _connection_stays(monkeypatch):
    """The test's transaction is that of its one connection."""
    monkeypatch.setattr(connection, "close", lambda: None)


@pytest.mark.parametrize("broken", STEPS, ids=STEPS.values())
def test_a_step_that_fails_keeps_no_other_from_being_done(monkeypatch, broken):
    done = []

    def do():
        done.append(1)
        return []

    def look():
        do()
        # Each of the others may have something to do.
        return Glance()

    for place in STEPS:
        if place != broken:
            monkeypatch.setattr(*place, look if place[0] is glance else do)
    monkeypatch.setattr(*broken, fail)

    BackgroundJobs(AtOnce()).sweep()

    assert len(done) == len(STEPS) - 1
    assert WorkerSeen.objects.get().failing == f"{STEPS[broken]} (KeyError)"
    [finding] = findings()
    assert (finding.code, finding.count) == ("sweep_failing", 1)
    assert f"this fails: {STEPS[broken]} (KeyError)." in finding.sentence
    assert PERSON not in finding.sentence


def test_what_works_again_is_named_no_more(monkeypatch):
    sweeping = BackgroundJobs(AtOnce())
    with monkeypatch.context() as broken:
        broken.setattr(restored_backup, "compare_cursors", fail)
        sweeping.sweep()
    assert WorkerSeen.objects.get().failing

    sweeping.sweep()

    assert WorkerSeen.objects.get().failing == ""
    assert findings() == []


def test_a_step_with_nothing_to_do_any_more_is_named_no_more(monkeypatch):
    sweeping = BackgroundJobs(AtOnce())
    alert = Alert.objects.create(name="Everything")
    with monkeypatch.context() as broken:
        broken.setattr(alert_round, "run_alert_round", fail)
        sweeping.sweep()
    assert WorkerSeen.objects.get().failing == "alerts (KeyError)"
    alert.delete()

    sweeping.sweep()

    assert WorkerSeen.objects.get().failing == ""


def test_a_failure_is_reported_when_it_begins_and_told_as_long_as_it_lasts(caplog):
    steps = SweepSteps()
    with caplog.at_level(logging.INFO, "clevertap_sync.worker.steps"):
        for _ in range(3):
            steps.carry_out("alerts", fail)
        steps.carry_out("alerts", lambda: None)
        steps.carry_out("alerts", fail)

    levels = [record.levelname for record in caplog.records]
    assert levels == ["ERROR", "WARNING", "WARNING", "INFO", "ERROR"]


def test_a_fault_of_deliveries_is_reported_once_for_each_integration(
    monkeypatch, caplog
):
    monkeypatch.setattr(background_jobs, "deliver", fail)
    jobs = BackgroundJobs(AtOnce())
    with caplog.at_level(logging.INFO, "clevertap_sync.worker.steps"):
        for integration_id in (7, 8, 7, 8):
            jobs.start_delivery(integration_id, at_most=1)
        jobs.sweep()

    reported = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [find_delivery_fault({"exc_info": r.exc_info}) for r in reported] == [
        (7, "KeyError"),
        (8, "KeyError"),
    ]
    assert [record.levelname for record in caplog.records[2:]] == ["WARNING"] * 2
    assert WorkerSeen.objects.get().failing == "delivery (KeyError)"


def test_who_has_an_upload_in_hand_keeps_no_other_job_from_looking_for_work(settings):
    class Queue:
        def apply_async(self, *_):
            pass

    settings.WORKER_THREADS = 6
    jobs = BackgroundJobs(Queue())
    started = []

    for _ in range(4):
        started += [jobs.start_delivery(7, at_most=1) for _ in range(2)]
        slots.take_slot(7, in_fault_share=False)

    # One looks for work at a time; there are slots for three.
    assert started == [True, False, True, False, True, False, False, False]
    assert jobs.start_delivery(8, at_most=1)


@pytest.mark.parametrize("away", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_no_defect(caplog, away):
    def ask():
        raise away

    SweepSteps().carry_out("alerts", ask)

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def full_sqlite():
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        database.execute("CREATE TABLE larger (than TEXT)")


def full_postgresql():
    raise psycopg.errors.DiskFull


@pytest.mark.parametrize(
    ("write", "code"),
    [(full_sqlite, "SQLITE_FULL"), (full_postgresql, "53100")],
)
def test_a_database_without_room_is_told_from_one_that_is_away(caplog, write, code):
    steps = SweepSteps()

    def settle():
        try:
            write()
        except (sqlite3.Error, psycopg.Error) as error:
            raise OperationalError from error

    steps.carry_out("delivery", settle)

    (line,) = caplog.messages
    assert line == f"The step delivery of the sweep failed (OperationalError: {code})"
    assert steps.describe_failing() == f"delivery (OperationalError: {code})"


@pytest.mark.parametrize("defect", [IntegrityError, ProgrammingError, DataError])
def test_what_a_database_refuses_is_a_defect(caplog, defect):
    def ask():
        raise defect

    SweepSteps().carry_out("alerts", ask)

    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_workers_whose_sweeps_fail_are_counted():
    worker_presence.record_presence("one", "retention (KeyError)")
    worker_presence.record_presence("three")
    worker_presence.record_presence("two", "alerts (ValueError)")

    [finding] = findings()

    assert finding.sentence == (
        "Of what the worker one does with each sweep, this fails: retention (KeyError), "
        "and of 1 other worker some. It is tried again each time."
    )
