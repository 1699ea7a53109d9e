"""`GET /v1/status`: what everybody may know, at what cost, and while the database is away."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from clevertap_sync.models import WorkerSeen
from clevertap_sync.process import worker_presence
from integration_project import public_status
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.test_health import _database_down  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def look(client):
    """Return the status and its components, in the order ingest, delivery, workers."""
    answer = client.get("/v1/status")
    assert answer.status_code == 200
    parts = answer.json()["components"]
    assert list(parts) == ["ingest", "delivery", "workers"]
    return answer.json()["status"], *parts.values()


def let_wait(app, minutes):
    """Let an event of the app have waited for so long."""
    log.append(app, [a_sent_event()])
    ago = timedelta(minutes=minutes)
    ReferralEvent.objects.update(received_at=F("received_at") - ago)


def test_all_is_well_where_events_are_taken_and_a_worker_is_there(client):
    an_integration(an_app("shop"))
    worker_presence.record_presence("worker-1")

    answer = client.get("/v1/status")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=5"
    assert answer["Access-Control-Allow-Origin"] == "*"
    told = answer.json()
    assert told.pop("at").endswith("Z")
    assert told == {
        "status": "ok",
        "components": {"ingest": "ok", "delivery": "ok", "workers": "ok"},
    }


def test_without_a_worker_nothing_is_delivered_and_events_are_taken(client):
    an_integration(an_app("shop"))

    assert look(client) == ("degraded", "ok", "down", "down")


def test_a_worker_that_went_away_is_missed(client):
    worker_presence.record_presence("worker-1")
    WorkerSeen.objects.update(seen_at=F("seen_at") - timedelta(minutes=5))

    assert look(client) == ("degraded", "ok", "down", "down")


def test_a_sweep_that_fails_degrades_workers_and_delivery(client):
    worker_presence.record_presence("worker-1", "alerts (KeyError)")

    assert look(client) == ("degraded", "ok", "degraded", "degraded")


def test_delivery_is_down_only_where_no_integration_delivers(client):
    worker_presence.record_presence("worker-1")
    held = an_integration(an_app("held"), hold_reason="credentials_refused")

    assert look(client) == ("degraded", "ok", "down", "ok")

    an_integration(an_app("shop"))
    assert look(type(client)()) == ("degraded", "ok", "degraded", "ok")

    held.enabled = False
    held.save()
    assert look(type(client)()) == ("ok", "ok", "ok", "ok")


def test_a_hold_that_ends_by_itself_is_no_trouble_for_two_minutes(client):
    worker_presence.record_presence("worker-1")
    app = an_app("shop")
    an_integration(app, hold_reason="server_error")
    let_wait(app, minutes=1)

    assert look(client) == ("ok", "ok", "ok", "ok")

    let_wait(app, minutes=2)
    assert look(type(client)()) == ("degraded", "ok", "down", "ok")


def test_events_that_wait_degrade_delivery(client):
    worker_presence.record_presence("worker-1")
    app = an_app("shop")
    an_integration(app)
    let_wait(app, minutes=3)

    assert look(client) == ("degraded", "ok", "degraded", "ok")


def test_nothing_of_apps_or_people_is_told(client):
    an_integration(
        an_app("canary-app"), name="canary-name", hold_reason="credentials_refused"
    )

    answer = client.get("/v1/status")

    assert "canary" not in answer.text
    assert not any(digit in answer.text.partition('"at"')[0] for digit in "0123456789")


def test_strangers_cost_one_look_in_some_seconds(
    client, django_assert_num_queries, monkeypatch
):
    worker_presence.record_presence("worker-1")
    now = 1_000.0
    monkeypatch.setattr(public_status, "monotonic", lambda: now)
    first = client.get("/v1/status").content

    now += public_status.LOOK_SECONDS - 0.1
    with django_assert_num_queries(0):
        assert client.get("/v1/status").content == first
    worker_presence.record_presence("worker-1", "alerts (KeyError)")
    now += 0.1
    assert look(client)[0] == "degraded"


def test_a_look_costs_as_many_statements_for_twenty_integrations_as_for_one(client):
    worker_presence.record_presence("worker-1")
    an_integration(an_app("shop"))
    costs = []
    for others in (0, 19):
        for number in range(others):
            an_integration(an_app(f"shop-{number}"))
        with CaptureQueriesContext(connection) as asked:
            # Another process: its first look is dear once, for it looks for migrations.
            type(client)().get("/v1/status")
        costs.append(len(asked))

    assert costs[0] == costs[1] < 40


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_another_method_is_refused(client, method):
    answer = getattr(client, method)("/v1/status")

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert answer["Content-Type"] == "application/problem+json"


def test_it_needs_no_known_host_and_no_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["referrals.example.com"]

    assert client.get("/v1/status", headers={"Host": "10.0.0.7"}).status_code == 200


def test_where_migrations_are_missing_no_events_are_taken(client, settings):
    worker_presence.record_presence("worker-1")
    settings.MIGRATION_MODULES = {}

    assert look(client) == ("down", "down", "ok", "ok")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_database_down")
def test_while_the_database_is_away_it_is_answered_and_says_so(client):
    assert look(client) == ("down", "down", "down", "down")
