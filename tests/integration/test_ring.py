"""For whom an append rings, on a real Valkey, and what it asks the database for that."""

from contextlib import contextmanager

import pytest
from django.db import connection

from clevertap_sync import receivers
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.process import doorbell
from referrals import log
from tests.builders import a_sent_event, an_app, an_integration
from tests.harness.process import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch):
    """The seconds by which what is remembered is forgotten: they stand still."""
    seconds = [1_000.0]
    monkeypatch.setattr(receivers, "monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def rung(valkey, settings, clock, monkeypatch):
    """Return for which integrations it was rung since the last time somebody asked."""
    settings.REDIS_URL = valkey.url
    monkeypatch.setattr(doorbell, "RUNG_SECONDS", int(PATIENCE_SECONDS))
    doorbell.open_broker.cache_clear()
    receivers.clear_remembered_readers()
    client = doorbell.open_broker()

    def answered():
        found = list_rings("rung")
        client.flushall()
        return found

    yield answered
    client.close()
    doorbell.open_broker.cache_clear()
    receivers.clear_remembered_readers()


def list_rings(kind):
    marks = doorbell.open_broker().keys(f"{kind}:*")
    return sorted(int(mark.decode().removeprefix(f"{kind}:")) for mark in marks)


@contextmanager
def asked():
    """Collect the statements that ask who reads."""
    statements = []

    def note(execute, sql, *rest):
        if "clevertap_sync_integration" in sql:
            statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield statements


def put_people(app):
    identities = {"anonymous_id": "a-1", "email": "ann@example.com"}
    sent = a_sent_event(type="identify", user={"identities": identities})
    log.append(app, [{name: sent[name] for name in ("id", "type", "user")}])


def append(app):
    log.append(app, [a_sent_event()])


def test_the_first_integration_of_an_app_is_rung_for_as_soon_as_it_is_enabled(rung):
    app = an_app()
    append(app)
    assert rung() == []

    integration = an_integration(app)
    append(app)

    assert rung() == [integration.pk]


def test_who_reads_is_asked_once_while_it_is_remembered(rung):
    app = an_app()
    other = an_integration(app, location=Location.US1, name="other")
    integrations = [other.pk, an_integration(app).pk]
    an_integration()  # of another app

    with asked() as statements:
        for _ in range(3):
            append(app)
            assert rung() == integrations

    assert len(statements) == 1


def test_what_is_remembered_is_forgotten_after_a_second(rung, clock):
    app = an_app()
    first = an_integration(app)
    append(app)
    assert rung() == [first.pk]
    second = an_integration(app, location=Location.US1, name="second")

    clock[0] += receivers.REMEMBERED_SECONDS
    append(app)

    assert rung() == [first.pk, second.pk]


def test_what_only_says_who_is_who_rings_once_for_the_app_and_not_to_send(rung):
    app = an_app()
    an_integration(app)
    an_integration(app, location=Location.US1, name="second")

    put_people(app)
    put_people(app)

    assert list_rings("rung-to-learn") == [app.pk]
    doorbell.clear_ring_to_learn(app.pk)
    assert list_rings("rung-to-learn") == []
    assert rung() == []


def test_a_disabled_integration_is_not_rung_for(rung):
    app = an_app()
    an_integration(app, enabled=False)

    append(app)

    assert rung() == []
