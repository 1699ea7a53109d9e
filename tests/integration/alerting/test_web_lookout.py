"""The web process looks while no worker does, and only then."""

import importlib.util
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from clevertap_sync.alerting import notices, watch
from clevertap_sync.alerting.web_lookout import OVERDUE, Lookout, look_if_no_worker_does
from clevertap_sync.models import Incident, LastLook, Notice, WorkerSeen
from clevertap_sync.process import clock, worker_presence
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.alerting.conftest import an_alert
from tests.integration.alerting.test_watch import moments

CONFIGURATION = Path(__file__).parents[3] / "gunicorn.conf.py"


def test_a_worker_that_is_gone_is_told_by_the_web_process(receiver, integration):
    an_alert(receiver)
    WorkerSeen.objects.update(seen_at=clock.read_now() - 10 * OVERDUE)

    assert look_if_no_worker_does()

    (message,) = receiver.received
    assert message.json["type"] == "no_worker.started"
    assert Notice.objects.get().state == Notice.State.SENT


def test_while_a_worker_looks_the_web_process_does_not(integration):
    an_alert()
    watch.update_incidents()
    Incident.objects.all().delete()

    assert not look_if_no_worker_does()

    LastLook.objects.update(looked_at=clock.read_now() - 2 * OVERDUE)
    assert look_if_no_worker_does()
    assert moments() == []


def test_a_web_process_and_a_worker_that_look_at_once_tell_it_once(integration):
    an_alert()
    WorkerSeen.objects.all().delete()

    look_if_no_worker_does()
    look_if_no_worker_does()
    watch.update_incidents()
    notices.send_due_notices()

    assert moments() == [("started", "no_worker")]


@pytest.mark.django_db(transaction=True)
def test_its_thread_survives_the_database_and_keeps_no_connection(caplog, integration):
    caplog.set_level(logging.WARNING)
    looks, done = [], threading.Event()

    def look():
        worker_presence.read_worker_silence()
        looks.append(connection.connection)
        if len(looks) == 1:
            message = "the database is away"
            raise OperationalError(message)
        if len(looks) == 3:
            done.set()

    thread = Lookout(look, first=0, every=0)
    thread.start()

    assert done.wait(PATIENCE_SECONDS)
    thread.stop()
    assert len(set(map(id, looks))) == len(looks)
    assert not [each for each in threading.enumerate() if each.name == "lookout"]
    assert "The lookout failed (OperationalError); it tries again" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_each_web_process_has_one_and_stops_it_when_it_ends():
    spec = importlib.util.spec_from_file_location("gunicorn_conf", CONFIGURATION)
    configuration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(configuration)
    worker = SimpleNamespace()

    configuration.post_worker_init(worker)
    running = {each.name: each.daemon for each in threading.enumerate()}
    configuration.worker_exit(None, worker)

    assert (running["lookout"], running["source reader"]) == (True, True)
    left = {each.name for each in threading.enumerate()}
    assert not left & {"lookout", "source reader"}
    configuration.worker_exit(None, SimpleNamespace())
