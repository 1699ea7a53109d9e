"""Test events and announcements: sent for real, through the log, booked, and followed."""

import csv
import io
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync import insight
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import lifecycle
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Integration
from referrals import log
from referrals.models import ReferralEvent
from referrals.vocabulary import SIDES, TITLES
from tests.builders import ANN, BOB, a_sent_custom_event, a_sent_event, an_integration
from tests.integration.admin.conftest import text_of

ME, YOU = "me@example.org", "you@example.org"
BUILT_IN = {
    f"{side.title()} {title}" for each, title in TITLES.items() for side in SIDES[each]
}
TYPES = [each.value for each in TITLES]


@pytest.fixture
def address(integration):
    return f"/admin/test-event/{integration.pk}/"


@pytest.fixture
def announcing(integration):
    return f"/admin/announce/{integration.pk}/"


def order(**changes):
    return {
        "what": "app_install",
        "user": ME,
        "referrer": YOU,
        "kind": "production",
        "batch": "0" * 32,
        **changes,
    }


def test_a_test_event_is_shown_first_and_sent_only_when_confirmed(
    admin, sandbox, integration, address
):
    shown = admin.post(address, order())

    page = text_of(shown)
    assert "This is for real" in page
    assert "creates a profile for each identity" in page
    assert "Referred App Install" in page
    assert not ReferralEvent.objects.exists()
    sent = admin.post(address, order(confirmed="1"))

    assert sent.url == f"/admin/sent/{integration.pk}/1/1/"
    (stored,) = log.read_range(integration.app_id, 1, 1)
    assert stored.event.user.identities == {"email": ME}
    assert stored.event.referrer.identities == {"email": YOU}
    assert stored.event.test is False


def test_it_is_followed_until_both_sides_are_delivered(
    admin, sandbox, integration, address
):
    follow = admin.post(address, order(confirmed="1")).url

    waiting = text_of(admin.get(follow))
    deliver(integration.pk)
    done = text_of(admin.get(follow))

    assert "Under way" in waiting
    assert "0 of 2 records so far" in waiting
    assert 'data-live="2"' in waiting
    assert "CleverTap accepted 2 records." in done
    assert done.count("CleverTap accepted it.") == 2
    assert ME not in done
    names = [record["evtName"] for record in sandbox.records()]
    assert names == ["Referred App Install", "Generated App Install"]
    status = insight.read_statuses()[0]
    assert (status.balanced, status.delivered, status.head) == (True, 2, 1)


def test_what_is_refused_is_explained_where_it_is_followed(
    admin, sandbox, integration, address
):
    follow = admin.post(address, order(confirmed="1", user="null")).url
    deliver(integration.pk)

    page = text_of(admin.get(follow))

    assert "CleverTap accepted 1 of 2 records." in page
    assert "a placeholder such as null" in page
    assert insight.read_statuses()[0].balanced


@pytest.mark.parametrize("state", ["waiting", "expired"])
def test_what_waits_for_its_user_has_not_failed(admin, sandbox, integration, state):
    user = {"identities": {"custom_id": "7"}}
    log.append(integration.app, [a_sent_event(user=user)])
    deliver(integration.pk)
    DeadLetter.objects.update(state=state, reason="waiting_for_identity")

    page = text_of(admin.get(f"/admin/sent/{integration.pk}/1/1/"))

    assert "CleverTap accepted 1 of 2 records. Of the others no user is known." in page
    assert "Not all delivered" not in page


def test_a_second_click_sends_nothing_more(admin, integration, address):
    first = admin.post(address, order(confirmed="1"))
    again = admin.post(address, order(confirmed="1"))

    assert again.url == first.url
    assert ReferralEvent.objects.count() == 1
    assert LogEntry.objects.count() == 1


def test_one_batch_is_not_used_for_another_event(admin, integration, address):
    admin.post(address, order(confirmed="1"))

    refused = admin.post(address, order(confirmed="1", user=ANN))

    assert "Another event has this id" in text_of(refused)
    assert ReferralEvent.objects.count() == 1


def test_a_kind_that_the_integration_keeps_back_is_refused(admin, integration, address):
    refused = admin.post(address, order(kind="test", confirmed="1"))

    assert "takes production events only" in text_of(refused)
    assert not ReferralEvent.objects.exists()


def test_a_test_event_reaches_the_integrations_that_take_them_and_no_other(
    admin, sandbox, integration, address
):
    Integration.objects.filter(pk=integration.pk).update(event_kinds="both")
    log.append(integration.app, [a_sent_event()])
    admin.post(address, order(kind="test", confirmed="1"))
    deliver(integration.pk)

    (_, sent) = log.read_range(integration.app_id, 1, 2)
    assert sent.event.test is True
    identities = [record["identity"] for record in sandbox.records()]
    assert identities == [ANN, BOB, ME, YOU]


def test_who_else_would_deliver_it_is_said(admin, integration, address):
    other = an_integration(integration.app, location=Location.IN1, name="other")
    an_integration(
        integration.app, location=Location.SG1, name="tests", event_kinds="test"
    )

    page = text_of(admin.post(address, order()))

    told = re.search(r"These deliver it too: ([^<]+)\.</li>", page)[1]
    assert told == str(other)


def test_what_waits_says_why(admin, integration, address):
    lifecycle.pause_integration(integration)

    page = text_of(admin.post(address, order()))
    follow = text_of(admin.get(admin.post(address, order(confirmed="1")).url))

    assert "The integration is not enabled:" in page
    assert "The integration is not enabled: the event waits in the log." in follow


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": ""}, "Enter the identity of the user who came."),
        ({"what": "link_click", "referrer": ""}, "is about the referrer alone"),
        ({"what": "custom:99"}, "Select a valid choice"),
        ({"what": "nonsense"}, "Select a valid choice"),
        ({"kind": ""}, "This field is required"),
    ],
)
def test_what_is_missing_is_asked_for(admin, address, changes, said):
    page = text_of(admin.post(address, order(**changes, confirmed="1")))

    assert said in page
    assert not ReferralEvent.objects.exists()


def test_an_event_without_a_referrer_is_one_of_a_marketing_link(
    admin, sandbox, integration, address
):
    admin.post(address, order(referrer="", confirmed="1"))
    deliver(integration.pk)

    names = [record["evtName"] for record in sandbox.records()]
    assert names == ["Referred App Install"]


def test_every_built_in_event_is_announced_to_the_test_profile(
    admin, sandbox, integration, announcing
):
    ticks = {"chosen": TYPES, "person": ME, "kind": "production", "batch": "1" * 32}

    shown = admin.post(announcing, ticks)
    assert not ReferralEvent.objects.exists()
    follow = admin.post(announcing, {**ticks, "confirmed": "1"}).url
    deliver(integration.pk)

    assert {o.name for p in shown.context["previews"] for o in p.outcomes} == BUILT_IN
    records = sandbox.records()
    assert {record["evtName"] for record in records} == BUILT_IN
    assert {record["identity"] for record in records} == {ME}
    assert {record["evtData"]["Status"] for record in records} == {"valid"}
    assert follow == f"/admin/sent/{integration.pk}/1/{len(TYPES)}/"
    assert f"CleverTap accepted {len(BUILT_IN)} records." in text_of(admin.get(follow))
    assert insight.read_statuses()[0].balanced


def test_known_custom_names_are_announced_without_event_data(
    admin, sandbox, integration, announcing, settings
):
    settings.CUSTOM_NAMES_LIMIT = 1
    log.append(
        integration.app, [a_sent_custom_event("Kept"), a_sent_custom_event("Waiting")]
    )
    deliver(integration.pk)
    before = len(sandbox.records())

    offered = text_of(admin.get(announcing))
    ticks = {"chosen": ["custom:1"], "person": ME, "kind": "production"}
    admin.post(announcing, {**ticks, "confirmed": "1"})
    deliver(integration.pk)

    assert "Kept" in offered
    assert "Waiting" not in offered
    sent = sandbox.records()[before:]
    assert [record["evtName"] for record in sent] == ["Referred Kept", "Generated Kept"]
    assert [record["evtData"] for record in sent] == [{}, {}]


def test_following_costs_the_same_for_one_event_and_for_many(
    admin, sandbox, integration, announcing
):
    ticks = {"chosen": TYPES, "person": ME, "kind": "production"}
    admin.post(announcing, {**ticks, "confirmed": "1"})
    deliver(integration.pk)

    counts = []
    for last in (1, 6):
        with CaptureQueriesContext(connection) as captured:
            admin.get(f"/admin/sent/{integration.pk}/1/{last}/")
        counts.append(len(captured))

    assert counts[0] == counts[1]
    assert counts[0] <= 10


def test_the_schema_file_lists_names_properties_and_types(
    admin, staff, integration, announcing
):
    log.append(
        integration.app,
        [
            a_sent_custom_event(
                "=Gift", event_data={"n": 1, "plan": "gold", "paid": True, "x": 1.5}
            )
        ],
    )
    Integration.objects.filter(pk=integration.pk).update(
        not_sent=["app_open:generated"], send_event_id=True
    )

    rows = table(admin.get(f"{announcing}schema.csv"))
    viewer = table(
        staff("clevertap_sync.view_integration").get(f"{announcing}schema.csv")
    )

    assert rows[0] == ["Event", "Property", "Type", "What it says"]
    assert ["Referred App Open", "Channel", "String"] in [row[:3] for row in rows]
    assert "Generated App Open" not in {row[0] for row in rows}
    assert [row[1:3] for row in rows if row[0] == "Referred =Gift"] == [
        ["Event Data n", "Integer"],
        ["Event Data paid", "Boolean"],
        ["Event Data plan", "String"],
        ["Event Data x", "Float"],
        ["Event ID", "String"],
    ]
    assert [row[1] for row in viewer if row[0] == "Referred =Gift"] == ["Event ID"]


def test_sending_is_for_those_who_may_change_the_integration(
    staff, integration, address, announcing
):
    viewer = staff("clevertap_sync.view_integration", "referrals.view_referralevent")

    for page in (address, announcing):
        assert viewer.get(page).status_code == 403
        assert viewer.post(page, order(confirmed="1")).status_code == 403
    assert not ReferralEvent.objects.exists()


def test_nothing_in_the_history_or_the_address_tells_an_identity(
    admin, integration, address
):
    sent = admin.post(address, order(confirmed="1"))

    entry = LogEntry.objects.get()
    assert entry.change_message == "Sent 1 event for real: event 1 of the log."
    assert ME not in entry.object_repr + sent.url


@pytest.mark.parametrize(
    "page",
    ["sent/1/0/1/", "sent/1/2/1/", "sent/1/1/9999/", "sent/1/1/1/", "sent/999/1/1/"],
)
def test_nothing_to_follow_is_not_found(admin, integration, page):
    assert admin.get(f"/admin/{page}").status_code == 404


def table(response):
    text = response.getvalue().decode().removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text, newline="")))
