"""The page of referrals: bounded, honest about what it covers, and discreet."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.admin.events import statistics_page
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import (
    ANN,
    BOB,
    NOON,
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
)
from tests.integration.admin.conftest import text_of

PAGE = "/admin/referrals/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def events(integration):
    log.append(
        integration.app,
        [
            *(a_sent_event(status="valid") for _ in range(3)),
            a_sent_event(status="suspicious", channel="sms"),
            a_sent_link_click(),
            a_sent_custom_event(f"{SCRIPT} \u202e{{{{ 7 }}}}"),
            a_sent_event(test=True),
        ],
    )
    return integration.app


def received(app, *days):
    """Move the events, in log order, to days after noon of the builders' day."""
    for position, day in enumerate(days, start=1):
        ReferralEvent.objects.filter(app=app, position=position).update(
            received_at=NOON + timedelta(days=day)
        )


def test_it_counts_by_event_channel_and_referrer(admin, events):
    response = admin.get(PAGE)

    page = text_of(response)
    counted = response.context["tally"]
    assert (counted.events, counted.tests, counted.doubtful) == (6, 1, 17)
    assert "Counted are all 6 events" in page
    assert "1 test event left out" in page
    lines = {line.name: line.count for line in response.context["channels"]}
    assert lines == {"whatsapp": 4, "sms": 1, "No channel": 1}
    ((rank, referrer),) = response.context["referrers"]
    assert (rank, referrer.identity, referrer.brought, referrer.events) == (
        1,
        BOB,
        4,
        6,
    )
    assert BOB in page
    assert ANN not in page


def test_whoever_may_not_see_identities_sees_counts(staff, events):
    page = text_of(staff("referrals.view_referralevent").get(PAGE))

    assert BOB not in page
    assert "Number 1" in page
    assert "You may see counts, not identities" in page


def test_it_reads_a_bounded_stretch_and_says_which(admin, integration, monkeypatch):
    monkeypatch.setattr(statistics_page, "EVENTS", 10)
    log.append(integration.app, [a_sent_event() for _ in range(25)])

    with CaptureQueriesContext(connection) as captured:
        response = admin.get(PAGE)

    assert response.context["tally"].events == 10
    assert "newest 10 events, not the 15 before them" in text_of(response)
    assert len(captured) <= 6


def test_days_bound_the_stretch(admin, integration):
    log.append(integration.app, [a_sent_event() for _ in range(4)])
    received(integration.app, 0, 1, 2, 5)

    response = admin.get(PAGE, {"since": "2026-11-24", "until": "2026-11-25"})
    nothing = admin.get(PAGE, {"since": "2026-11-26", "until": "2026-11-27"})
    nonsense = admin.get(PAGE, {"since": "\0", "until": "x"})

    assert response.context["stretch"] == statistics_page.LogStretch(2, 3, 2)
    assert response.context["tally"].events == 2
    assert "Counted are all 2 events of these days" in text_of(response)
    assert "Nothing was received on these days" in text_of(nothing)
    assert "Enter a valid date" in text_of(nonsense)


def test_its_chart_has_a_column_for_each_hour_or_day(admin, integration):
    log.append(integration.app, [a_sent_event() for _ in range(2)])
    received(integration.app, 0, 3)

    page = text_of(admin.get(PAGE))

    assert "<title>24 Nov: 0 valid, 0 suspicious, 0 rejected</title>" in page
    assert "<title>26 Nov: 1 valid, 0 suspicious, 0 rejected</title>" in page


def test_hostile_names_are_inert(admin, events):
    page = text_of(admin.get(PAGE))

    assert SCRIPT not in page
    assert "\u202e" not in page
    assert "{{ 7 }}" in page


def test_an_empty_log_says_what_to_do(admin, integration):
    page = text_of(admin.get(PAGE))

    assert "No event yet." in page
    assert f"/admin/referrals/apikey/add/?app={integration.app_id}" in page


def test_it_is_for_those_who_may_see_events(staff, events):
    assert staff().get(PAGE).status_code == 403
