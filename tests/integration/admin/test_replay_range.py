"""Replaying a range: asked for, planned, ordered by a POST, and counted twice knowingly."""

from datetime import timedelta

import pytest
from django.db.models import F

from clevertap_sync.models import Replay
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import a_sent_event
from tests.integration.admin.conftest import text_of


@pytest.fixture
def address(delivered):
    return f"/admin/clevertap_sync/integration/{delivered.pk}/replay-range/"


def test_positions_are_planned_and_then_ordered(admin, delivered, address):
    log.append(delivered.app, [a_sent_event()])  # not handed out yet
    asked = {"by": "positions", "first": 3, "last": 1_000_000}

    form = text_of(admin.get(address))
    plan = text_of(admin.get(address, asked))

    assert "in 1 upload" not in form
    assert f"{delivered.cursor - 2} events in 1 upload" in plan
    assert "it will count twice" in plan
    assert f"{delivered.cursor - 2} arrived in the last two hours" in plan
    assert not Replay.objects.exists()

    response = admin.post(address, asked)

    ordered = Replay.objects.get()
    assert response.url == f"/admin/clevertap_sync/replay/{ordered.pk}/change/"
    assert (ordered.first, ordered.last, ordered.cursor) == (3, delivered.cursor, 2)
    assert ordered.created_by == "ann"


def test_days_are_those_of_the_project_and_old_events_are_told(
    admin, delivered, address
):
    old = ReferralEvent.objects.filter(app=delivered.app, position__lte=4)
    old.update(received_at=F("received_at") - timedelta(days=40))
    day = old.get(position=1).received_at.date()

    plan = text_of(admin.get(address, {"by": "days", "since": day, "until": day}))
    open_end = text_of(admin.get(address, {"by": "days", "since": day}))

    assert "4 events in 1 upload" in plan
    assert "4 are older" in plan
    assert f"{delivered.cursor} events in 1 upload" in open_end
    assert f"{delivered.cursor - 4} arrived" in open_end


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("by=days", "Choose where it begins."),
        ("by=positions", "Choose where it begins."),
        ("by=positions&first=9&last=3", "The end is before the beginning."),
        ("by=days&since=2026-02-02&until=2026-01-01", "The end is before"),
        ("by=positions&first=0", "greater than or equal to 1"),
        ("by=positions&first=99999999999999999999", "less than or equal to"),
        ("by=days&since=%00", "Enter a valid date."),
        ("by=nonsense&first=1", "Select a valid choice"),
        ("by=days&since=9999-12-31", "Nothing to replay"),
        ("by=days&since=0001-01-01&until=0001-01-01", "Nothing to replay"),
        ("by=positions&first=1000", "Nothing to replay"),
    ],
)
def test_what_is_no_range_is_told_and_orders_nothing(admin, address, asked, sentence):
    assert sentence in text_of(admin.get(f"{address}?{asked}"))

    values = dict(pair.split("=") for pair in asked.split("&"))
    assert admin.post(address, values).status_code == 200
    assert not Replay.objects.exists()


def test_whoever_may_not_replay_may_not_ask(staff, delivered, address):
    editor = staff("clevertap_sync.change_integration")

    assert editor.get(address).status_code == 403
    page = editor.get(f"/admin/clevertap_sync/integration/{delivered.pk}/change/")
    assert "Replay a range" not in text_of(page)


def test_the_integrations_page_leads_there(admin, delivered, address):
    page = admin.get(f"/admin/clevertap_sync/integration/{delivered.pk}/change/")

    assert f'href="{address}"' in text_of(page)
