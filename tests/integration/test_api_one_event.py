"""`GET /v1/events/{id}`: what became of an event, and not whom it is about."""

from datetime import datetime

import pytest

from referrals import log
from tests import builders
from tests.builders import a_sent_custom_event, a_sent_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def ask(client, app):
    key = builders.an_api_key(app)

    def get(path, method="get"):
        return getattr(client, method)(
            f"/v1/events/{path}", headers={"Authorization": f"Bearer {key}"}
        )

    return get


def append(app, *events):
    results = log.append(app, events)
    assert [result.status for result in results] == ["accepted"] * len(events)


def test_an_event_is_answered_with_its_place_and_its_outcomes(app, ask):
    builders.an_integration(app)
    append(app, a_sent_event(id="e-0"), a_sent_event(id="e-1"))

    answer = ask("e-1")

    assert answer.status_code == 200
    body = answer.json()
    (logged,) = log.read_range(app.pk, 2, 2)
    assert datetime.fromisoformat(body.pop("received_at")) == logged.received_at
    outcomes = body.pop("outcomes")
    assert body == {
        "id": "e-1",
        "position": 2,
        "occurred_at": builders.NOON_TEXT,
        "type": "app_install",
        "name": None,
        "status": "valid",
        "reasons": [],
        "test": False,
        "request_id": None,
    }
    assert [(o["integration"], o["side"], o["status"]) for o in outcomes] == [
        ("default", "referred", "pending"),
        ("default", "generated", "pending"),
    ]


def test_a_custom_event_has_its_name_and_a_suspicious_one_its_reasons(app, ask):
    person = {"identities": {"email": "a"}}
    append(app, a_sent_custom_event(id="e-1", user=person, referrer=person, test=True))

    body = ask("e-1").json()

    assert body["name"] == "Subscription Started"
    assert (body["status"], body["reasons"]) == ("suspicious", ["same_identity"])
    assert body["test"] is True


def test_no_identity_is_shown(app, ask):
    builders.an_integration(app)
    append(app, a_sent_event(id="e-1"))

    answer = ask("e-1")

    assert answer.status_code == 200
    text = answer.text
    assert builders.ANN not in text
    assert builders.BOB not in text


@pytest.mark.parametrize("event_id", ["a?b#c", "100%", "...", "x" * 200, "é?"[1:]])
def test_any_id_can_be_asked_for_when_percent_encoded(app, ask, event_id):
    append(app, a_sent_event(id=event_id))

    path = "".join(f"%{byte:02X}" for byte in event_id.encode())

    assert ask(path).json()["id"] == event_id


@pytest.mark.parametrize(
    "path",
    ["e-2", "%00", "%00e-1", "%FF", "%ED%A0%80", "é", "x" * 201, "%20", "e-1%20"],
)
def test_what_is_not_there_is_a_404(app, ask, path):
    append(app, a_sent_event(id="e-1"))

    answer = ask(path)

    assert answer.status_code == 404
    assert answer.json()["type"] == "/docs#problem-not-found"


def test_an_event_of_another_app_is_not_there(app, ask):
    append(builders.an_app("other"), a_sent_event(id="e-1"))

    assert ask("e-1").status_code == 404


def test_asking_needs_a_key(client, app):
    append(app, a_sent_event(id="e-1"))

    assert client.get("/v1/events/e-1").status_code == 401


def test_asking_takes_no_parameters(ask):
    assert ask("e-1?full=1").status_code == 400


def test_head_answers_like_get(app, ask):
    append(app, a_sent_event(id="e-1"))

    assert ask("e-1", "head").status_code == 200
