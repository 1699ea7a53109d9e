"""What is not well beside the integrations: at doors of apps without one, and at large."""

import json
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client

from clevertap_sync.alerting import watch
from clevertap_sync.models import Alert, Incident
from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount, Membership
from tests.builders import NOON, a_sent_event, an_api_key, an_app, an_integration
from tests.integration.admin.conftest import admin, staff, text_of  # noqa: F401 - fixtures

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(django_capture_on_commit_callbacks):
    """Return a function that sends an event with an API key; what was counted is written."""

    def send(key, **changes):
        with django_capture_on_commit_callbacks(execute=True):
            answer = Client().post(
                "/v1/events",
                a_sent_event(**changes),
                content_type="application/json",
                headers={"Authorization": f"Bearer {key}"},
            )
        background.flush_counts()
        return answer

    return send


def let_pass(time):
    """Let everything at the doors have come so long before: whole hours."""
    counts = IngestCount.objects.exclude(hour=ALL_TIME_HOUR)
    counts.update(hour=F("hour") - time, last_at=F("last_at") - time)
    IngestCount.objects.filter(hour=ALL_TIME_HOUR).update(last_at=F("last_at") - time)


def rows(capsys):
    call_command("delivery_status", "--json")
    return json.loads(capsys.readouterr().out)


def test_what_is_refused_at_the_door_of_an_app_without_integration_has_a_row(
    send, capsys
):
    lonely = an_app("lonely")
    other = an_integration(an_app("shop"))
    assert send(an_api_key(lonely), occurred_at=1795428900000).status_code == 422

    shop, lone = rows(capsys)

    assert [each["code"] for each in shop["findings"]] == ["no_worker"]
    assert other.app.slug == "shop"
    finding, cause = lone.pop("findings")
    assert (finding["code"], finding["severity"]) == ("nothing_accepted", "error")
    assert (cause["code"], cause["severity"]) == ("times_in_milliseconds", "warning")
    assert finding["count"] == 1
    assert finding["url"] == "/admin/ingest/?app=lonely"
    assert lone == {
        "app": "lonely",
        "integration": None,
        "head": 0,
        "cursor": 0,
        "backlog": 0,
        "lag_seconds": 0.0,
        "in_flight": 0,
        "queued": 0,
        "delivered": 0,
        "dead_letters": {},
        "waiting": {},
        "revived": None,
        "expired": None,
        "hold": None,
        "unknown_outcomes": 0,
        "unknown_causes": {},
        "parked_letters": {},
        "balanced": True,
        "clevertap": None,
    }


def test_what_is_accepted_for_an_app_without_integration_is_told_with_its_number(
    send,
    capsys,
    admin,
):
    lonely = an_app("lonely")
    key = an_api_key(lonely)
    send(key)
    send(key)

    (row,) = rows(capsys)

    assert (row["app"], row["integration"], row["head"]) == ("lonely", None, 0)
    (finding,) = row["findings"]
    assert (finding["code"], finding["severity"]) == ("no_integration", "warning")
    assert finding["count"] == 2
    add = f"/admin/clevertap_sync/integration/add/?app={lonely.pk}"
    assert finding["url"] == add
    assert f'<option value="{lonely.pk}" selected>' in admin.get(add).content.decode()
    for page in ("", "problems/"):
        shown = text_of(admin.get(f"/admin/{page}"))
        assert "2 events were accepted, and this app has no integration" in shown


def test_what_an_archived_integration_took_is_not_told_again(send, capsys):
    app = an_app("shop")
    key = an_api_key(app)
    send(key)
    an_integration(app, archived_at=NOON, cursor=1)

    assert rows(capsys) == []

    send(key)

    (row,) = rows(capsys)

    assert [(each["code"], each["count"]) for each in row["findings"]] == [
        ("no_integration", 1)
    ]


def test_the_key_of_an_app_without_integration_is_named_to_those_who_see_it(
    send,
    admin,
    staff,
):
    shop, lonely = an_app("shop"), an_app("lonely", name="Of somebody else")
    an_integration(shop)
    send(an_api_key(lonely))
    viewer = staff()
    Membership.objects.create(user_id=viewer.session["_auth_user_id"], app=shop)

    assert "Of somebody else got 1 event" in text_of(admin.get("/admin/"))
    assert "Of somebody else" not in text_of(viewer.get("/admin/"))


def test_a_batch_that_was_refused_is_no_less_refused_a_day_later(send, capsys):
    app = an_app("shop")
    an_integration(app)
    key = an_api_key(app)
    send(key, occurred_at=1795428900000)
    let_pass(30 * HOUR)

    (row,) = rows(capsys)

    codes = [each["code"] for each in row["findings"]]
    assert codes == ["nothing_accepted", "no_worker", "times_in_milliseconds"]
    assert "1 time, 30 h ago" in row["findings"][0]["sentence"]

    send(key)

    (row,) = rows(capsys)

    assert {"nothing_accepted", "times_in_milliseconds"}.isdisjoint(
        each["code"] for each in row["findings"]
    )


def test_what_was_taken_in_the_hour_before_keeps_a_refusal_a_warning(send, capsys):
    app = an_app("shop")
    an_integration(app)
    key = an_api_key(app)
    send(key)
    send(key, occurred_at=1795428900000)
    let_pass(30 * HOUR)

    (row,) = rows(capsys)

    codes = {each["code"] for each in row["findings"]}
    assert "times_in_milliseconds" in codes
    assert "nothing_accepted" not in codes


def test_what_is_refused_stands_on_each_integration_of_the_app(send, capsys):
    app = an_app("shop")
    an_integration(app)
    key = an_api_key(app)
    assert send(key).status_code == HTTPStatus.ACCEPTED
    assert send(key, occurred_at=1795428900000).status_code == 422

    (row,) = rows(capsys)

    assert "times_in_milliseconds" in {each["code"] for each in row["findings"]}


def test_an_unknown_key_is_the_installations(send, capsys, admin, staff):
    app = an_app("shop")
    an_integration(app)
    viewer = staff()
    Membership.objects.create(user_id=viewer.session["_auth_user_id"], app=app)
    assert send("rk_unknown_key_of_somebody").status_code == 401

    *_, row = rows(capsys)

    assert (row["app"], row["integration"]) == (None, None)
    (finding,) = row["findings"]
    assert finding["code"] == "keys_unknown"
    assert "somebody" not in finding["sentence"]
    assert "whom no API key names" in text_of(admin.get("/admin/"))
    assert "whom no API key names" not in text_of(viewer.get("/admin/"))


def test_an_alert_for_every_app_hears_of_both(send):
    lonely = an_app("lonely")
    send(an_api_key(lonely), occurred_at=1795428900000)
    send("rk_unknown_key_of_somebody")
    Alert.objects.create(name="All", recipients="ann@example.com", refused_percent=1)
    Alert.objects.create(
        name="Shop", recipients="bob@example.com", refused_percent=1, app=an_app("shop")
    )

    watch.update_incidents()

    found = Incident.objects.values_list("alert__name", "rule", "subject")
    assert sorted(found) == [
        ("All", "keys_unknown", "installation"),
        ("All", "nothing_accepted", f"app:{lonely.pk}"),
        ("All", "times_in_milliseconds", f"app:{lonely.pk}"),
    ]
