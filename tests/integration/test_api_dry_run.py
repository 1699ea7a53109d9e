"""`?dry_run=1`: the exact records, and nothing stored."""

import gzip
import json

import pytest

from referrals import destinations
from referrals.models import App, CustomName, ReferralEvent
from referrals.vocabulary import Side
from tests import builders
from tests.builders import a_sent_custom_event, a_sent_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def dry_run(client, app):
    key = builders.an_api_key(app)

    def send(*events, query="?dry_run=1"):
        return client.post(
            f"/v1/events{query}",
            json.dumps({"events": events}),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )

    return send


def a_preview(detail):
    return destinations.Preview(
        integration="recorder",
        side=Side.REFERRED,
        status=destinations.PreviewStatus.NOT_SENT,
        detail=detail,
    )


class Recorder:
    """A destination that shows what it was asked to preview."""

    def __init__(self):
        self.events = []

    def preview(self, _app_id, events):
        self.events.extend(events)
        return [[a_preview(event.id)] for event in events]

    def explain(self, *_):
        return []


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(destinations, "_destinations", [recorder])
    return recorder


def test_a_dry_run_answers_the_exact_records_of_each_integration(app, dry_run):
    builders.an_integration(app)

    answer = dry_run(a_sent_event(id="e-1"))

    assert answer.status_code == 200
    body = answer.json()
    assert (body["dry_run"], body["accepted"], body["rejected"]) == (True, 1, 0)
    (result,) = body["results"]
    assert (result["index"], result["id"], result["status"]) == (0, "e-1", "accepted")
    referred, generated = result["records"]
    assert (referred["side"], generated["side"]) == ("referred", "generated")
    assert referred["record"] == {
        "identity": builders.ANN,
        "ts": builders.NOON_SECONDS,
        "type": "event",
        "evtName": "Referred App Install",
        "evtData": {"Channel": "whatsapp", "Content": "spring", "Status": "valid"},
    }
    assert generated["record"]["evtName"] == "Generated App Install"
    assert generated["record"]["identity"] == builders.BOB


def test_a_dry_run_stores_nothing(app, dry_run):
    answer = dry_run(a_sent_event(), a_sent_custom_event())

    assert answer.json()["accepted"] == 2
    assert ReferralEvent.objects.count() == 0
    assert CustomName.objects.count() == 0


def test_without_a_destination_there_are_no_records(dry_run):
    (result,) = dry_run(a_sent_event()).json()["results"]

    assert result["records"] == []


def test_a_dry_run_says_which_events_are_bad(dry_run, recorder):
    answer = dry_run(a_sent_event(id="e-1"), {"id": "e-2"}, a_sent_event(id="e-3"))

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [r["status"] for r in results] == ["accepted", "rejected", "accepted"]
    assert results[1]["pointer"] == "/type"
    assert results[1]["code"] == "missing_field"
    told = {"integration": "recorder", "side": "referred", "status": "not_sent"}
    assert [r.get("records") for r in results] == [
        [told | {"detail": "e-1"}],
        None,
        [told | {"detail": "e-3"}],
    ]


def test_a_dry_run_of_bad_events_only_is_a_problem(dry_run):
    answer = dry_run({"id": "e-1"})

    assert answer.status_code == 422
    assert answer.json()["results"][0]["pointer"] == "/type"


def test_a_strict_dry_run_refuses_what_a_strict_request_would(dry_run):
    answer = dry_run(
        a_sent_event(id="e-1"),
        a_sent_event(id="e-2", channel="pigeon"),
        query="?dry_run=1&strict=1",
    )

    assert answer.status_code == 422
    first, second = answer.json()["results"]
    assert first["status"] == "rejected"
    assert "index 1" in first["detail"]
    assert second["pointer"] == "/channel"


def test_a_destination_sees_what_the_log_would_keep(app, dry_run, recorder):
    CustomName.objects.create(
        app=app, name="Known", normalised="known", number=7, first_position=1
    )
    App.objects.update(fraud_same_ip=True)
    person = {"identities": {"email": "a"}, "ip": "203.0.113.7"}

    dry_run(
        a_sent_event(occurred_at=None, user=person, referrer=person),
        a_sent_custom_event("KNOWN"),
        a_sent_custom_event("New"),
        a_sent_custom_event("n e w"),
        a_sent_custom_event("Newer"),
        a_sent_event(status="rejected", user=person, referrer=person),
    )

    first, *custom, decided = recorder.events
    assert first.occurred_at is not None
    assert first.status == "suspicious"
    assert "same_ip" in first.reasons
    assert "203.0.113.7" not in repr(first)
    assert [event.name_number for event in custom] == [7, 8, 8, 9]
    assert (decided.status, decided.reasons) == ("rejected", ())


@pytest.mark.parametrize("value", ["1", "true", "TRUE"])
def test_a_switch_is_on(dry_run, value):
    assert dry_run(a_sent_event(), query=f"?dry_run={value}").status_code == 200


@pytest.mark.parametrize("value", ["0", "false"])
def test_a_switch_is_off(dry_run, value):
    assert dry_run(a_sent_event(), query=f"?dry_run={value}").status_code == 202


@pytest.mark.parametrize(("blanks", "status"), [(0, 200), (1, 413)])
def test_a_dry_run_of_more_than_a_megabyte_is_refused(client, app, blanks, status):
    """Its answer is several times as long, and kept until it is read."""
    body = json.dumps({"events": [a_sent_event(id="e-1")]})
    body = " " * (1024 * 1024 - len(body) + blanks) + body

    answer = client.post(
        "/v1/events?dry_run=1",
        gzip.compress(body.encode()),
        content_type="application/json",
        headers={
            "Authorization": f"Bearer {builders.an_api_key(app)}",
            "Content-Encoding": "gzip",
        },
    )

    assert answer.status_code == status
    if status == 413:
        assert answer.json()["detail"] == (
            "A dry run's body is at most 1,048,576 bytes when it is decompressed, since its "
            "answer may be several times as long. Nothing would be stored anyway: send fewer "
            "events."
        )
