"""The addresses that SDKs of Segment's kind call: who, limits, answers, what is stored."""

import base64
import copy
import gzip
import json
import threading

import pytest
from django.db import OperationalError, connection, connections

from referrals import log, source_setup
from referrals.api import auth
from referrals.hooks import segment_sources, segment_views
from referrals.hooks.known_sources import clear_known_sources
from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.keys import create_key
from referrals.models import App, Change, IngestCount, RejectedEvent, Source
from referrals.sources.presets import load_preset
from tests import builders
from tests.harness.process import wait_until
from tests.integration.hooks.calling import (
    SEGMENT_INSTALL as INSTALL,
    events_of,
    ids_of,
)
from tests.logs import everything_in
from tests.unit.bombs import a_bomb

pytestmark = pytest.mark.django_db

MEBIBYTE = 1024 * 1024
JSON = "application/json"


@pytest.fixture
def key(app):
    return builders.an_api_key(app)


@pytest.fixture
def post(client, key):
    """Return a function that posts to `/v1/segment/v1/{method}` with the key as Basic."""

    def send(method, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = {"Authorization": basic(key), **headers}
        return client.post(
            f"/v1/segment/v1/{method}",
            data,
            content_type=JSON,
            headers={name: value for name, value in shown.items() if value},
        )

    return send


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def installs(number, **changes):
    return [{**INSTALL, "messageId": f"m-{n}", **changes} for n in range(number)]


def counts():
    """Return what was counted, as {(outcome, code): number}."""
    background.flush_counts()
    found = {}
    for row in IngestCount.objects.exclude(hour=ALL_TIME_HOUR):
        name = (row.outcome, row.code)
        found[name] = found.get(name, 0) + row.number
    return found


def assert_refused(answer, status, code):
    """An SDK of RudderStack's repeats every error without a code and a message."""
    told = answer.json()
    assert (answer.status_code, told["success"], told["code"]) == (status, False, code)
    assert told["message"]
    assert set(told) == {"success", "code", "message"}


# What is taken


def test_a_call_is_an_event_and_the_answer_is_what_sdks_wait_for(post, app):
    answer = post("track", INSTALL)

    assert (answer.status_code, answer.content) == (200, b'{"success":true}')
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Cache-Control"] == "no-store"
    (event,) = events_of(app)
    assert (event.id, event.type) == ("seg.m-1", "app_install")
    assert event.user.identities["custom_id"] == "u-42"
    assert event.referrer.identities == {"custom_id": "u-7"}


@pytest.mark.parametrize("method", ["batch", "batch/", "import", "b"])
def test_a_batch_holds_many_events_under_each_name_that_sdks_have_for_it(
    post, app, method
):
    answer = post(method, {"batch": [*installs(3), {"type": "page"}]})

    assert answer.status_code == 200
    assert ids_of(app) == ["seg.m-0", "seg.m-1", "seg.m-2"]


@pytest.mark.parametrize("method", ["page", "screen", "group", "alias"])
def test_other_calls_are_taken_and_ignored(post, app, method):
    assert post(method, {"userId": "u-42"}).status_code == 200

    assert events_of(app) == []
    assert counts() == {("call", ""): 1, ("ignored", "no_event"): 1}


IDENTIFY = {
    "userId": "u-42",
    "anonymousId": "anon-3",
    "timestamp": "2026-11-23T12:00:00Z",
}


def test_an_identify_call_is_ignored_while_the_app_learns_nothing(post, app):
    assert post("identify", IDENTIFY).status_code == 200

    assert events_of(app) == []
    assert counts() == {("call", ""): 1, ("ignored", "no_link"): 1}


@pytest.mark.parametrize(
    "choice", [{"loose_ids": ["anonymous_id"]}, {"remembers_referrers": True}]
)
def test_an_identify_call_says_who_somebody_is(post, app, choice):
    App.objects.filter(pk=app.pk).update(**choice)

    for method in ("identify", "identify"):
        assert post(method, IDENTIFY).status_code == 200

    (event,) = events_of(app)
    assert event.type == "identify"
    assert event.user.identities == {"custom_id": "u-42", "anonymous_id": "anon-3"}


def test_a_batch_that_comes_again_makes_nothing_new(post, app):
    batch = {"batch": installs(2), "sentAt": "2026-11-23T12:00:01Z"}

    answers = [
        post("batch", batch),
        post("batch", {**batch, "sentAt": "2026-11-23T12:00:31Z"}),
    ]

    assert [each.status_code for each in answers] == [200, 200]
    assert ids_of(app) == ["seg.m-0", "seg.m-1"]


def test_gzip_is_read(post, app):
    body = gzip.compress(json.dumps({"batch": installs(2)}).encode())

    assert post("batch", body, **{"Content-Encoding": "gzip"}).status_code == 200
    assert ids_of(app) == ["seg.m-0", "seg.m-1"]


@pytest.mark.django_db(transaction=True)
def test_good_events_are_stored_beside_bad_ones_which_stand_among_the_rejected(
    post, app
):
    bad = {**INSTALL, "messageId": "m-bad", "timestamp": "2099-01-01T00:00:00Z"}

    answer = post("batch", {"batch": [*installs(1), bad]})

    assert answer.status_code == 200
    assert ids_of(app) == ["seg.m-0"]
    found = counts()
    assert [found[each] for each in (("accepted", ""), ("rejected", "in_future"))] == [
        *(1, 1)
    ]
    assert RejectedEvent.objects.get().key == "seg.m-bad"


# Who may call


def test_the_write_key_may_stand_in_the_body(post, app, key):
    body = {"batch": installs(1), "writeKey": key}

    assert post("batch", body, Authorization="").status_code == 200
    assert ids_of(app) == ["seg.m-0"]


def test_the_first_call_makes_the_source_once(post, app):
    for _ in range(2):
        post("track", INSTALL)

    (source,) = Source.objects.all()
    assert (source.app, source.platform) == (app, "segment")
    assert source.name == "Segment and other CDPs"
    assert not source.secret
    assert Change.objects.get().by.startswith("API key rk_")


def test_the_choices_of_the_source_hold(post, app):
    builders.a_source(app, "segment", identity="clevertap_id")

    post("track", INSTALL)

    (event,) = events_of(app)
    assert event.user.identities["clevertap_id"] == "u-42"


def test_a_source_that_another_process_makes_in_the_same_moment_is_taken(
    post, app, monkeypatch
):
    make = source_setup.create_source

    def make_after_another(by, source):
        make("another process", Source(app=app, platform="segment"))
        return make(by, source)

    monkeypatch.setattr(segment_sources, "create_source", make_after_another)

    assert post("track", INSTALL).status_code == 200
    assert Source.objects.count() == 1


def test_the_oldest_source_of_several_is_taken(post, app):
    builders.a_source(app, "segment", name="first")
    builders.a_source(app, "segment", name="second", is_test=True)

    post("track", INSTALL)

    (event,) = events_of(app)
    assert not event.test


def test_an_archived_source_is_not_brought_back(post, app):
    source = builders.a_source(app, "segment")
    assert post("track", INSTALL).status_code == 200
    source_setup.archive_source("ann", source)
    clear_known_sources()

    answer = post("track", INSTALL)

    assert_refused(answer, 403, "source_archived")
    assert Source.objects.count() == 1


def test_a_wrong_key_is_refused_before_the_body_is_read(post):
    answer = post("batch", b"{", Authorization=basic("rk_" + "A" * 43))

    assert_refused(answer, 401, "unknown_key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert counts() == {("unauthorised", "unknown_key"): 1}


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({}, "no_key"),
        ({"writeKey": ""}, "no_key"),
        ({"writeKey": 5}, "no_key"),
        ({"writeKey": "x"}, "malformed_key"),
        ({"writeKey": "rk_" + "A" * 43}, "unknown_key"),
    ],
    ids=["none", "empty", "number", "malformed", "unknown"],
)
def test_a_wrong_key_in_the_body_is_refused(post, app, named, code):
    answer = post("batch", {"batch": installs(1), **named}, Authorization="")

    assert_refused(answer, 401, code)
    assert events_of(app) == []


def test_a_revoked_key_and_one_of_an_archived_app_are_refused(post, app):
    app.archived_at = builders.NOON
    app.save()
    assert_refused(post("track", INSTALL), 403, "app_archived")

    app.api_keys.update(revoked_at=builders.NOON)
    auth.clear_remembered_keys()
    assert_refused(post("track", INSTALL), 401, "revoked_key")


def test_an_expired_key_is_refused(post, app):
    app.api_keys.update(expires_at=builders.NOON)

    assert_refused(post("track", INSTALL), 401, "expired_key")


# Keys for tracking only


@pytest.fixture
def tracking(app):
    """Return a source, and a key that may append to it alone."""
    builders.a_source(app, "segment", name="backend")
    source = builders.a_source(app, "segment", name="phones", is_test=True)
    _, text = create_key(app, "app", tracking_source=source)
    return source, text


@pytest.mark.django_db(transaction=True)
def test_a_tracking_only_key_appends_to_its_own_source(post, app, tracking):
    source, text = tracking

    assert post("track", INSTALL, Authorization=basic(text)).status_code == 200

    (event,) = events_of(app)
    assert event.test
    background.flush_counts()
    hours = IngestCount.objects.exclude(hour=ALL_TIME_HOUR)
    assert set(hours.values_list("way", flat=True)) == {source.way}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/v1/events"),
        ("post", "/v1/events?dry_run=1"),
        ("get", "/v1/events/seg.m-1"),
    ],
)
def test_a_tracking_only_key_does_nothing_else(client, app, tracking, method, path):
    shown = {"Authorization": f"Bearer {tracking[1]}"}
    sent = {"data": builders.a_sent_event(), "content_type": JSON}

    answer = getattr(client, method)(
        path, headers=shown, **(sent if method == "post" else {})
    )

    assert answer.status_code == 403
    assert answer.json()["type"] == "/docs#problem-tracking-only"
    assert "/v1/segment" in answer.json()["detail"]
    assert events_of(app) == []


def test_a_tracking_only_key_that_is_refused_is_counted(client, tracking):
    client.post(
        "/v1/events",
        builders.a_sent_event(),
        content_type=JSON,
        headers={"Authorization": f"Bearer {tracking[1]}"},
    )

    assert counts() == {("unauthorised", "tracking_only"): 1}


def test_a_tracking_only_key_of_an_archived_source_goes_to_no_other(
    post, app, tracking
):
    source, text = tracking
    source_setup.archive_source("ann", source)

    answer = post("track", INSTALL, Authorization=basic(text))

    assert_refused(answer, 403, "source_archived")
    assert events_of(app) == []


# Limits and hostile bodies


def test_a_batch_of_2_500_events_is_taken(post, app):
    assert post("batch", {"batch": installs(2_500)}).status_code == 200

    assert log.read_head(app.pk) == 2_500


@pytest.mark.django_db(transaction=True)
def test_a_batch_of_more_is_refused_whole(post, app):
    answer = post("batch", {"batch": installs(2_501)})

    assert_refused(answer, 400, "too_many_events")
    assert log.read_head(app.pk) == 0
    assert counts() == {("rejected", "too_many_events"): 1, ("call", ""): 1}


def padded(size):
    """Return a batch of exactly that many bytes."""
    body = json.dumps({"batch": installs(1)}).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("is_gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("size", "status"), [(0, 200), (1, 400)])
def test_a_body_has_at_most_4_mb(post, app, size, status, is_gzip):
    body = padded(4 * MEBIBYTE + size)
    more = {"Content-Encoding": "gzip"} if is_gzip else {}

    answer = post("batch", gzip.compress(body) if is_gzip else body, **more)

    assert answer.status_code == status
    assert log.read_head(app.pk) == (1 if status == 200 else 0)
    if status == 400:
        assert_refused(answer, 400, "too_large")


def test_a_gzip_bomb_is_refused(post):
    answer = post("batch", a_bomb(64), **{"Content-Encoding": "gzip"})

    assert_refused(answer, 400, "too_large")


def test_what_is_no_gzip_is_refused(post):
    answer = post("batch", b"{}", **{"Content-Encoding": "gzip"})

    assert_refused(answer, 400, "bad_gzip")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b'{"batch": [' + b"[" * 100_000, "too_deep"),
        (b'{"batch": [' + b"1," * 165_001 + b"1]}", "too_many_values"),
        (b'{"userId": "a", "userId": "b"}', "repeated_key"),
    ],
    ids=["cut", "bytes", "deep", "values", "repeated"],
)
def test_a_body_that_cannot_be_read_is_refused(post, body, code):
    assert_refused(post("batch", body), 400, code)


@pytest.mark.django_db(transaction=True)
def test_a_body_that_cannot_be_read_is_counted(post):
    post("batch", b"{")

    assert counts() == {("rejected", "not_json"): 1, ("call", ""): 1}


def test_a_body_that_cannot_be_read_tells_no_key(post):
    assert_refused(post("batch", b"{", Authorization=""), 400, "not_json")

    background.flush_counts()
    assert RejectedEvent.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b"[]",
        b'"x"',
        b"{}",
        b'{"batch": null}',
        b'{"batch": {}}',
        b'{"batch": [null, 7, "x", [], {}]}',
        b'{"batch": [{"type": "track", "event": {}, "properties": 7}]}',
        (
            b'{"batch": [{"type": "track", "event": "Signed Up", "properties": '
            b'{"referrer_id": ["u-7"]}, "userId": {"x": NaN}}]}'
        ),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", ["track", "batch"])
def test_json_of_any_shape_is_answered_and_makes_no_event(post, app, method, body):
    assert post(method, body).status_code == 200

    assert events_of(app) == []


def test_a_body_that_ended_early_is_asked_for_again(post):
    assert_refused(post("batch", b"{}", **{"Content-Length": "100"}), 429, "busy")


# Answers


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options"])
def test_another_method_is_refused_and_browsers_get_no_cors(client, method):
    answer = getattr(client, method)(
        "/v1/segment/v1/batch",
        headers={"Origin": "https://example.com"},
    )

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert not [each for each in answer.headers if "access-control" in each.lower()]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/v1/batch", "/v1/batches"])
def test_another_address_says_how_the_host_is_set(client, path):
    answer = client.post(f"/v1/segment{path}", b"{}", content_type=JSON)

    assert_refused(answer, 404, "not_found")
    assert "/v1/batch" in answer.json()["message"]


@pytest.mark.django_db(transaction=True)
def test_while_the_database_is_away_the_sdk_is_asked_to_come_again(post):
    assert post("track", INSTALL).status_code == 200

    def refuse(execute, sql, params, many, context):
        raise OperationalError

    with connection.execute_wrapper(refuse):
        auth.clear_remembered_keys()
        answer = post("track", {**INSTALL, "messageId": "m-2"})

    assert_refused(answer, 429, "busy")
    assert answer.headers["Retry-After"] == "60"


@pytest.mark.django_db(transaction=True)
def test_what_the_log_does_not_commit_in_time_is_asked_for_again_and_stored_once(
    post, app, monkeypatch
):
    goes_on = threading.Event()
    append = log.append

    def append_late(*args, **options):
        goes_on.wait()
        return append(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", append_late)
        patch.setattr(segment_views, "DEADLINE_SECONDS", 0.05)
        answer = post("track", INSTALL)
    goes_on.set()
    wait_until(lambda: log.read_head(app.pk) == 1)

    assert_refused(answer, 429, "busy")
    assert answer.headers["Retry-After"] == "60"
    assert post("track", INSTALL).status_code == 200
    assert ids_of(app) == ["seg.m-1"]


@pytest.mark.django_db(transaction=True)
def test_a_request_holds_no_connection_while_another_thread_appends(post, monkeypatch):
    """Otherwise as many calls as there are connections wait for one another."""
    held = []
    append, ours = log.append, connections["default"]

    def append_and_look(*args, **options):
        held.append(ours.connection is not None)
        return append(*args, **options)

    monkeypatch.setattr(log, "append", append_and_look)

    assert post("track", INSTALL).status_code == 200
    assert held == [False]


def test_a_fault_of_ours_is_asked_for_again_and_logged_without_the_body(
    client, post, monkeypatch, caplog
):
    def fail(*_, **__):
        raise RuntimeError(INSTALL["userId"])

    monkeypatch.setattr("referrals.hooks.segment_views.append_outcomes", fail)
    client.raise_request_exception = False

    answer = post("track", INSTALL)

    assert_refused(answer, 429, "busy")
    assert "RuntimeError" in everything_in(caplog)
    assert INSTALL["userId"] not in everything_in(caplog)


def test_no_part_of_a_key_or_a_body_reaches_the_log(post, key, caplog):
    caplog.set_level("DEBUG")

    post("track", INSTALL)
    post("track", {**INSTALL, "writeKey": key}, Authorization="")
    post("track", b"{u-42", Authorization=basic("rk_" + "A" * 43))

    logged = everything_in(caplog)
    assert key[12:] not in logged
    assert "A" * 43 not in logged
    assert "u-42" not in logged


def test_a_write_key_in_the_body_is_stored_nowhere(post, app, key):
    source = builders.a_source(app, "segment")
    source.mapping = copy.deepcopy(load_preset("segment").mapping)
    source.mapping["event"]["metadata"] = {"pick": ["writeKey", "messageId"]}
    source.save()

    post("track", {**INSTALL, "writeKey": key})

    (event,) = events_of(app)
    assert event.metadata == {"messageId": "m-1"}
