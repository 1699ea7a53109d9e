"""When the database does not answer: 503 with Retry-After, never a 202, never a 500."""

import json
import threading

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)

from referrals.api import auth, guard
from referrals.models import ReferralEvent
from tests import builders
from tests.builders import a_sent_event

SECRET = "ann@example.com"


@pytest.fixture
def key(db):
    return builders.an_api_key(builders.an_app("shop"))


def post(client, key, **extra):
    return client.post(
        "/v1/events",
        json.dumps(a_sent_event(id="e-1")),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
        **extra,
    )


def failing(error, word):
    """Return a wrapper of queries that fails those with `word` in them."""

    def wrapper(execute, sql, params, many, context):
        if word in sql:
            raise error
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.parametrize("word", ["referrals_apikey", "referrals_referralevent"])
@pytest.mark.parametrize(
    "error",
    [
        OperationalError,
        InterfaceError,
        InternalError,
        IntegrityError,
        ProgrammingError,
        DatabaseError,
    ],
)
def test_a_database_that_fails_is_a_503_with_retry_after(client, key, error, word):
    auth.clear_remembered_keys()
    with failing(error(f"about {SECRET}"), word):
        answer = post(client, key)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/docs#problem-unavailable"
    assert ReferralEvent.objects.count() == 0


def test_the_same_request_succeeds_once_the_database_is_back(client, key):
    with failing(OperationalError(), "referrals_referralevent"):
        refused = post(client, key)

    accepted = post(client, key)

    assert (refused.status_code, accepted.status_code) == (503, 202)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there it is COPY")
@pytest.mark.parametrize(("state", "status"), [("53100", 503), ("22001", 422)])
def test_what_fails_in_the_copy_is_answered_like_any_fault(client, key, state, status):
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION 'about {SECRET}' USING ERRCODE = '{state}'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON referrals_referralevent "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )

    answer = post(client, key)

    assert answer.status_code == status
    assert SECRET not in answer.content.decode()
    assert ReferralEvent.objects.count() == 0


def test_what_the_database_can_never_hold_is_not_to_be_retried(client, key, caplog):
    with failing(DataError(f"invalid value {SECRET}"), "referrals_referralevent"):
        answer = post(client, key)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/docs#problem-unstorable"
    assert ReferralEvent.objects.count() == 0
    (record,) = [r for r in caplog.records if r.name == guard.__name__]
    assert record.levelname == "ERROR"
    assert "DataError" in record.getMessage()


def test_a_databases_message_is_never_repeated(client, key, caplog):
    with failing(OperationalError(f"about {SECRET}"), "referrals_referralevent"):
        answer = post(client, key)

    assert SECRET not in answer.text
    assert SECRET not in caplog.text


def test_asking_about_an_event_is_a_503_too(client, key):
    with failing(OperationalError(), "referrals_referralevent"):
        answer = client.get(
            "/v1/events/e-1", headers={"Authorization": f"Bearer {key}"}
        )

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"


def test_a_fault_of_ours_is_a_problem_that_error_trackers_hear_of(
    client, key, monkeypatch, caplog
):
    def broken(*_args, **_kwargs):
        raise KeyError(SECRET)

    monkeypatch.setattr("referrals.log.writer.store_drafts", broken)
    with pytest.raises(KeyError):
        # Django's client raises what `got_request_exception` tells it of.
        post(client, key)
    client.raise_request_exception = False

    answer = post(client, key)

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert SECRET not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_nothing_is_answered_before_the_commit(client):
    app = builders.an_app("shop")
    key = builders.an_api_key(app)

    assert post(client, key).status_code == 202
    seen = []

    def look():
        seen.append(ReferralEvent.objects.count())
        connection.close()

    other = threading.Thread(target=look)
    other.start()
    other.join()

    assert seen == [1]
