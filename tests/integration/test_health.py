"""What a platform is told of a process: alive, ready, degraded, or why not."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from clevertap_sync.models import WorkerSeen
from clevertap_sync.process import worker_presence
from integration_project.observability import request_log

NOBODY = (
    "No worker has ever been seen. Events are accepted and kept, but not delivered: "
    "start a worker (the line `worker` of the Procfile)."
)


@pytest.fixture
def _database_down():
    """A database whose server nobody runs."""
    settings = connection.settings_dict
    kept = dict(settings)
    connection.close()
    settings["NAME"] = "/nonexistent/folder/db"
    settings["HOST"] = "/nonexistent/folder"
    yield
    connection.close()
    settings.update(kept)


def test_a_process_is_alive_without_its_database(client, django_assert_num_queries):
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "alive"}
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_a_process_is_ready_when_events_can_be_stored_and_a_worker_is_there(client):
    worker_presence.record_presence("worker-1")

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.django_db
def test_a_sweep_that_fails_is_named(client):
    worker_presence.record_presence("worker-1", "alerts (KeyError)")
    worker_presence.record_presence("worker-2")

    degraded = client.get("/readyz").json()
    worker_presence.record_presence("worker-1")

    assert degraded == {
        "status": "degraded",
        "detail": "Of what the worker worker-1 does with each sweep, this fails: alerts "
        "(KeyError). Its log has the reason.",
    }
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.django_db
def test_a_sweep_that_failed_before_its_worker_went_away_is_forgotten(client):
    worker_presence.record_presence("worker-1", "alerts (KeyError)")
    long_ago = timezone.now() - timedelta(minutes=5)
    WorkerSeen.objects.update(seen_at=long_ago)
    worker_presence.record_presence("worker-2")

    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.django_db
def test_without_any_worker_it_is_degraded_but_takes_events(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "detail": NOBODY}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sweep_seconds", "silent_for", "status"),
    [(5, 29, "ready"), (5, 31, "degraded"), (60, 239, "ready"), (60, 241, "degraded")],
)
def test_a_worker_is_missed_after_four_sweeps_or_half_a_minute(
    client, sweep_seconds, silent_for, status
):
    with override_settings(SWEEP_SECONDS=sweep_seconds):
        worker_presence.record_presence("worker-1")
    age(silent_for)

    answer = client.get("/readyz").json()

    assert answer["status"] == status
    if status == "degraded":
        assert answer["detail"].startswith(
            f"No worker has been seen for {silent_for} seconds."
        )


@pytest.mark.django_db
def test_the_worker_that_was_seen_last_counts(client):
    worker_presence.record_presence("worker-1")
    age(1000)
    worker_presence.record_presence("worker-2")

    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.django_db
def test_a_worker_has_one_row_and_is_forgotten_after_a_day():
    assert worker_presence.read_worker_silence() is None
    worker_presence.record_presence("worker-1")
    age(86_500)
    worker_presence.record_presence("worker-2")
    worker_presence.forget_workers()
    (first,) = WorkerSeen.objects.all()
    worker_presence.record_presence("worker-2")
    (second,) = WorkerSeen.objects.all()

    assert (first.name, second.name) == ("worker-2", "worker-2")
    assert second.seen_at >= first.seen_at


@pytest.mark.django_db
def test_missing_migrations_are_named_with_their_remedy(client, settings):
    # The tests' tables are made without them; now they are looked for.
    settings.MIGRATION_MODULES = {}

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not ready",
        "status": 503,
        "detail": "Migrations are not applied: run `python manage.py migrate`.",
    }


@pytest.mark.django_db
def test_migrations_are_looked_up_until_they_are_applied_and_then_no_more(
    client, settings, django_assert_num_queries
):
    without, settings.MIGRATION_MODULES = settings.MIGRATION_MODULES, {}
    assert client.get("/readyz").status_code == 503
    settings.MIGRATION_MODULES = without
    assert client.get("/readyz").status_code == 200

    with django_assert_num_queries(2):
        client.get("/readyz")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_database_down")
def test_a_database_that_does_not_answer_is_a_reason(client, caplog):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The database does not answer.")
    assert "OperationalError" in caplog.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_probe_needs_no_known_host_and_no_https(client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["referrals.example.com"]

    assert client.get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/admin/", headers={"Host": "10.0.0.7"}).status_code == 400


def test_a_probe_that_finds_nothing_wrong_is_not_logged(client, caplog):
    client.get("/healthz")
    client.get("/nothing")

    lines = [r for r in caplog.records if r.name == request_log.logger.name]
    assert [line.status for line in lines] == [404]


def age(seconds):
    """Let every worker have been seen `seconds` earlier than it was."""
    for row in WorkerSeen.objects.all():
        row.seen_at -= timedelta(seconds=seconds)
        row.save()
