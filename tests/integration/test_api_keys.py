"""Who may call: keys made, shown once, remembered for seconds, revoked."""

import base64
import hashlib
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from referrals.api import auth
from referrals.keys import create_key
from referrals.models import ApiKey, ReferralEvent
from tests import builders
from tests.builders import a_sent_event
from tests.logs import everything_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def post(client):
    """Return a function that posts a good event with an Authorization header."""

    def send(authorization=None):
        headers = {} if authorization is None else {"Authorization": authorization}
        return client.post(
            "/v1/events",
            a_sent_event(),
            content_type="application/json",
            headers=headers,
        )

    return send


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_key_is_256_random_bits_of_which_only_a_hash_is_kept(app):
    key, text = create_key(app, "production backend")

    assert text.startswith("rk_")
    assert len(text) == 46
    assert key.prefix == text[:12]
    assert key.digest == hashlib.sha256(text.encode()).hexdigest()
    assert key.label == "production backend"
    assert text not in str(ApiKey.objects.values().get())


def test_two_keys_are_never_alike(app):
    assert create_key(app)[1] != create_key(app)[1]


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer   {} ", "BEARER {}"])
def test_a_key_is_shown_as_bearer(app, post, scheme):
    key = builders.an_api_key(app)

    assert post(scheme.format(key)).status_code == 202


@pytest.mark.parametrize("password", ["", ":", ":anything", ":a:b"])
def test_a_key_is_shown_as_the_user_of_basic(app, post, password):
    key = builders.an_api_key(app)

    assert post(basic(key + password)).status_code == 202


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer rk_" + "A" * 43,
        "Bearer rk_" + "é" * 43,
        "Bearer rk_" + "A" * 4_000,
        "Basic",
        "Basic !!!",
        "Basic \xff",
        basic(""),
        basic("\0"),
        basic("\ud7ff:é"),
        "Digest username=x",
        "Token rk_" + "A" * 43,
    ],
)
def test_without_a_valid_key_the_answer_is_401_and_says_how(app, post, authorization):
    answer = post(authorization)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.json()["type"] == "/docs#problem-unauthorized"
    assert ReferralEvent.objects.count() == 0


def test_a_key_without_its_scheme_is_refused(app, post):
    assert post(builders.an_api_key(app)).status_code == 401


def test_a_key_is_refused_before_the_body_is_read(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.post("/v1/events", b"x" * 100, content_type="text/plain")

    assert answer.status_code == 401


def test_a_revoked_key_is_refused_and_says_so(app, post):
    key, text = create_key(app)
    key.revoked_at = timezone.now()
    key.save()

    answer = post(f"Bearer {text}")

    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]
    assert ReferralEvent.objects.count() == 0


def test_the_key_of_an_archived_app_is_refused_and_says_so(app, post):
    text = builders.an_api_key(app)
    app.archived_at = timezone.now()
    app.save()

    answer = post(f"Bearer {text}")

    assert answer.status_code == 403
    assert answer.json()["type"] == "/docs#problem-app-archived"
    assert "archived" in answer.json()["detail"]
    assert ReferralEvent.objects.count() == 0


def test_a_revoke_takes_effect_within_seconds(app, post, monkeypatch):
    key, text = create_key(app)
    clock = [1_000.0]
    monkeypatch.setattr(auth, "monotonic", lambda: clock[0])
    assert post(f"Bearer {text}").status_code == 202
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())

    clock[0] += 4.9
    remembered = post(f"Bearer {text}").status_code
    clock[0] += 0.2
    forgotten = post(f"Bearer {text}").status_code

    assert (remembered, forgotten) == (202, 401)


def test_an_expired_key_is_refused_and_says_when_it_expired(app, post):
    key, text = create_key(app, expires_at=builders.NOON)

    answer = post(f"Bearer {text}")

    assert answer.status_code == 401
    assert answer.json()["detail"] == (
        "This API key expired on 23 Nov 2026, 12:00:00 UTC. Nothing was stored. Use the key "
        "that replaced it, or rotate it on the page API keys of the admin."
    )
    assert ReferralEvent.objects.count() == 0
    key.refresh_from_db()
    assert key.last_used_at is None


def test_a_remembered_key_is_refused_from_its_expiry_on_without_a_query(
    app, post, monkeypatch, django_assert_num_queries
):
    end = timezone.now() + timedelta(hours=1)
    _, text = create_key(app, expires_at=end)
    monkeypatch.setattr(auth, "monotonic", lambda: 1_000.0)
    monkeypatch.setattr(timezone, "now", lambda: end - timedelta(microseconds=1))
    assert post(f"Bearer {text}").status_code == 202

    monkeypatch.setattr(timezone, "now", lambda: end)
    with django_assert_num_queries(0):
        refused = post(f"Bearer {text}")

    assert refused.status_code == 401


def test_working_keys_are_those_that_are_neither_revoked_nor_expired(app):
    now = timezone.now()
    past, to_come = now - timedelta(hours=1), now + timedelta(hours=1)
    ends = (None, past, to_come)
    for revoked_at in ends:
        for expires_at in ends:
            key, _ = create_key(app, expires_at=expires_at)
            ApiKey.objects.filter(pk=key.pk).update(revoked_at=revoked_at)

    working = ApiKey.objects.working()

    assert sorted(
        (each.revoked_at == to_come, each.expires_at == to_come) for each in working
    ) == [(False, False), (False, True), (True, False), (True, True)]
    assert all(each.has_ended == (each not in working) for each in ApiKey.objects.all())


def test_what_is_remembered_is_bounded(app, post, monkeypatch):
    monkeypatch.setattr(auth, "REMEMBERED_KEYS", 2)
    monkeypatch.setattr(auth, "monotonic", lambda: 1_000.0)
    auth.clear_remembered_keys()
    texts = [builders.an_api_key(app) for _ in range(3)]
    for text in texts:
        post(f"Bearer {text}")

    def looked_up(text):
        with CaptureQueriesContext(connection) as queries:
            post(f"Bearer {text}")
        return any('FROM "referrals_apikey"' in query["sql"] for query in queries)

    assert [looked_up(text) for text in reversed(texts)] == [False, True, True]


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(app, post, monkeypatch):
    key, text = create_key(app)
    clock = [1_000.0]
    monkeypatch.setattr(auth, "monotonic", lambda: clock[0])
    before = timezone.now()
    post(f"Bearer {text}")
    key.refresh_from_db()
    first = key.last_used_at
    assert first
    assert before <= first <= timezone.now()

    clock[0] += 59
    post(f"Bearer {text}")
    key.refresh_from_db()
    assert key.last_used_at == first

    # Another process wrote it half a minute ago.
    recent = timezone.now() - timedelta(seconds=30)
    ApiKey.objects.update(last_used_at=recent)
    clock[0] += 61
    post(f"Bearer {text}")
    key.refresh_from_db()
    assert key.last_used_at == recent

    ApiKey.objects.update(last_used_at=recent - timedelta(seconds=31))
    clock[0] += 61
    post(f"Bearer {text}")
    key.refresh_from_db()
    assert key.last_used_at > recent


def test_a_refused_key_is_not_noted_as_used(app, post):
    key, text = create_key(app)
    ApiKey.objects.update(revoked_at=timezone.now())

    answer = post(f"Bearer {text}")

    assert answer.status_code == 401
    key.refresh_from_db()
    assert key.last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_a_use_that_cannot_be_noted_costs_the_request_nothing(app, post):
    text = builders.an_api_key(app)

    def refuse_updates(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise DatabaseError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse_updates):
        answer = post(f"Bearer {text}")

    assert answer.status_code == 202


def test_no_part_of_a_key_reaches_the_log(app, post, caplog):
    text = builders.an_api_key(app)
    caplog.set_level("DEBUG")

    post(f"Bearer {text}")
    post("Bearer rk_" + "A" * 43)

    logged = everything_in(caplog)
    assert len(caplog.records) == 2
    assert text[3:] not in logged
    assert "A" * 43 not in logged
