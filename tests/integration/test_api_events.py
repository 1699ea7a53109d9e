"""`POST /v1/events` as a backend meets it: what it answers, and what is then stored."""

import gzip
import json
from datetime import timedelta

import pytest
from django.test import Client

from referrals import log
from referrals.models import App, ReferralEvent
from tests import builders
from tests.builders import NOON, a_sent_custom_event, a_sent_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def post(client, app):
    """Return a function that sends a body, JSON unless it is bytes, with the app's key."""
    key = builders.an_api_key(app)

    def send(body, *, query="", content_type="application/json", **headers):
        return client.post(
            f"/v1/events{query}",
            body if isinstance(body, bytes) else json.dumps(body),
            content_type=content_type,
            headers={"Authorization": f"Bearer {key}", **headers},
        )

    return send


def stored_ids(app):
    return [logged.event.id for logged in log.read_range(app.pk, 1, 10_000)]


def test_one_event_is_answered_with_its_position(post, app):
    answer = post(a_sent_event(id="e-1"))

    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "conflicts": 0,
        "rejected": 0,
        "results": [{"index": 0, "id": "e-1", "status": "accepted", "position": 1}],
    }
    assert stored_ids(app) == ["e-1"]


def test_a_bad_event_costs_its_own_result_only(post, app):
    events = [
        a_sent_event(id="e-1"),
        {"id": "e-2", "type": "x"},
        a_sent_event(id="e-3"),
    ]

    answer = post({"events": events})

    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 1)
    assert [r["status"] for r in body["results"]] == [
        "accepted",
        "rejected",
        "accepted",
    ]
    assert [r.get("position") for r in body["results"]] == [1, None, 2]
    assert body["results"][1]["pointer"] == "/type"
    assert stored_ids(app) == ["e-1", "e-3"]


def test_sending_again_is_a_duplicate_and_other_content_a_conflict(post, app):
    post(a_sent_event(id="e-1"))

    answer = post(
        {
            "events": [
                a_sent_event(id="e-1"),
                a_sent_event(id="e-1", channel="sms"),
                a_sent_event(id="e-2"),
            ]
        }
    )

    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["conflicts"]) == (1, 1, 1)
    assert [r["position"] for r in body["results"]] == [1, 1, 2]
    assert stored_ids(app) == ["e-1", "e-2"]


def test_a_request_of_duplicates_only_is_a_success(post):
    post(a_sent_event(id="e-1"))

    answer = post(a_sent_event(id="e-1"))

    assert answer.status_code == 202
    assert answer.json()["duplicates"] == 1


def test_a_request_of_refused_events_only_is_a_problem(post, app):
    answer = post({"events": [a_sent_event(id="a/b"), {"id": "e-2"}]})

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "/docs#problem-nothing-stored"
    assert body["status"] == 422
    assert [r["pointer"] for r in body["results"]] == ["/id", "/type"]
    assert [r["code"] for r in body["results"]] == ["bad_id", "missing_field"]
    assert stored_ids(app) == []


def test_a_conflict_alone_is_a_problem(post, app):
    post(a_sent_event(id="e-1"))

    answer = post(a_sent_event(id="e-1", content="other"))

    assert answer.status_code == 422
    assert answer.json()["results"][0]["status"] == "conflict"
    assert answer.json()["results"][0]["code"] == "conflict"


def test_a_strict_request_with_one_bad_event_stores_nothing(post, app):
    events = [a_sent_event(id="e-1"), {"id": "e-2", "type": "x"}]

    answer = post({"events": events}, query="?strict=1")

    assert answer.status_code == 422
    results = answer.json()["results"]
    assert [r["status"] for r in results] == ["rejected", "rejected"]
    assert "index 1" in results[0]["detail"]
    assert stored_ids(app) == []


def test_a_strict_request_with_a_conflict_fails_beside_a_duplicate(post, app):
    post(a_sent_event(id="e-1"))
    events = [
        a_sent_event(id="e-1"),
        a_sent_event(id="e-1", content="other"),
        a_sent_event(id="e-2"),
    ]

    answer = post({"events": events}, query="?strict=1")

    assert answer.status_code == 422
    assert "strict" in answer.json()["detail"]
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == ["duplicate", "conflict", "rejected"]
    assert stored_ids(app) == ["e-1"]


def test_a_strict_request_of_good_events_is_stored(post, app):
    answer = post({"events": [a_sent_event(id="e-1")]}, query="?strict=1")

    assert answer.status_code == 202
    assert stored_ids(app) == ["e-1"]


def test_an_unknown_channel_is_a_warning_and_refused_only_when_strict(post, app):
    event = a_sent_event(id="e-1", channel="pigeon")

    strict = post(event, query="?strict=1")
    lenient = post(event)

    assert strict.status_code == 422
    assert strict.json()["results"][0]["pointer"] == "/channel"
    assert strict.json()["results"][0]["code"] == "doubtful"
    assert lenient.status_code == 202
    assert len(lenient.json()["results"][0]["warnings"]) == 1
    assert stored_ids(app) == ["e-1"]


def test_a_number_that_loses_digits_is_a_warning_and_refused_only_when_strict(
    post, app
):
    event = json.dumps(a_sent_custom_event(id="e-1", event_data={"pi": 7}))
    raw = event.replace("7}", "3.14159265358979323846}").encode()

    strict = post(raw, query="?strict=1")
    lenient = post(raw)
    again = post(raw)

    assert strict.status_code == 422
    assert strict.json()["results"][0]["pointer"] == "/event_data/pi"
    assert lenient.status_code == 202
    assert len(lenient.json()["results"][0]["warnings"]) == 1
    assert log.find_event(app.pk, "e-1").event.event_data == {"pi": 3.141592653589793}
    assert again.json()["duplicates"] == 1


def test_a_neighbour_with_nan_costs_no_digit_and_no_microsecond(post, app):
    bad = json.dumps(a_sent_event(id="e-1", metadata={"x": float("nan")}))
    good = json.dumps(a_sent_event(id="e-2", metadata={"pi": 7}, occurred_at=8))
    good = good.replace("7}", "3.14159265358979323846}")
    good = good.replace(": 8", ": 1795435200.1234567")

    answer = post(f'{{"events":[{bad},{good}]}}'.encode())

    refused, stored = answer.json()["results"]
    assert refused["pointer"] == "/metadata/x"
    assert len(stored["warnings"]) == 1
    event = log.find_event(app.pk, "e-2").event
    assert event.occurred_at == NOON + timedelta(microseconds=123456)
    assert event.metadata == {"pi": 3.141592653589793}


def test_lines_are_events_and_blank_ones_do_not_count(post, app):
    lines = [
        b"",
        json.dumps(a_sent_event(id="e-1")).encode(),
        b"  \t",
        b"{broken",
        json.dumps(a_sent_event(id="e-2")).encode(),
        b"",
    ]

    answer = post(b"\r\n".join(lines), content_type="application/x-ndjson")

    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [(r["index"], r["status"]) for r in results] == [
        (0, "accepted"),
        (1, "rejected"),
        (2, "accepted"),
    ]
    assert stored_ids(app) == ["e-1", "e-2"]


@pytest.mark.parametrize("members", [1, 3])
def test_a_gzipped_body_is_read_whole(post, app, members):
    body = json.dumps(a_sent_event(id="e-1")).encode()
    cut = len(body) // members + 1
    parts = [body[i : i + cut] for i in range(0, len(body), cut)]

    answer = post(b"".join(map(gzip.compress, parts)), **{"Content-Encoding": "gzip"})

    assert answer.status_code == 202
    assert stored_ids(app) == ["e-1"]


def test_a_byte_order_mark_is_ignored(post, app):
    answer = post(b"\xef\xbb\xbf" + json.dumps(a_sent_event(id="e-1")).encode())

    assert answer.status_code == 202
    assert stored_ids(app) == ["e-1"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; charset=utf8; boundary=x",
    ],
)
def test_json_may_say_that_it_is_utf_8(post, content_type):
    answer = post(a_sent_event(), content_type=content_type)

    assert answer.status_code == 202


def test_a_thousand_events_are_one_request(post, app):
    events = [a_sent_event(id=f"e-{n}") for n in range(1000)]

    answer = post({"events": events})

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1000
    assert answer.json()["results"][999]["position"] == 1000


def test_half_a_surrogate_pair_costs_its_own_event_only(post, app):
    events = [a_sent_event(id="e-1"), a_sent_event(id="e-2", content="\ud83d")]

    answer = post({"events": events})

    assert answer.status_code == 202
    assert answer.json()["results"][1]["pointer"] == "/content"
    assert stored_ids(app) == ["e-1"]


def test_nan_costs_its_own_event_only(post, app):
    events = [
        a_sent_event(id="e-1"),
        builders.a_sent_custom_event(id="e-2", event_data={"x": float("nan")}),
    ]

    answer = post({"events": events})

    assert answer.status_code == 202
    assert answer.json()["results"][1]["pointer"] == "/event_data/x"
    assert stored_ids(app) == ["e-1"]


def test_events_go_to_the_app_of_the_key_only(post, app):
    other = builders.an_app("other")

    post(a_sent_event(id="e-1"))

    assert stored_ids(app) == ["e-1"]
    assert stored_ids(other) == []


def test_a_busy_caller_costs_no_query_but_the_logs(post, django_assert_max_num_queries):
    post(a_sent_event())

    # Savepoint in and out (the test's own transaction), look-up, insert.
    with django_assert_max_num_queries(6) as queries:
        post({"events": [a_sent_event() for _ in range(100)]})

    tables = {query["sql"] for query in queries.captured_queries}
    assert any("referrals_referralevent" in sql for sql in tables)
    assert not any("referrals_apikey" in sql for sql in tables)
    assert not any("session" in sql for sql in tables)


def test_the_answer_sets_no_cookie_and_is_not_stored(post):
    answer = post(a_sent_event())

    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_csrf_token_is_asked_for(app):
    key = builders.an_api_key(app)

    answer = Client(enforce_csrf_checks=True).post(
        "/v1/events",
        json.dumps(a_sent_event()),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.status_code == 202


def test_nothing_of_the_request_is_half_there_after_a_refusal(post):
    post({"events": [{"id": "e-1"}]})

    assert ReferralEvent.objects.count() == 0
    assert App.objects.count() == 1
