"""New custom names, from the first event to the approval; production and test events."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter
from referrals import log
from referrals.models import CustomName
from tests.builders import a_sent_custom_event, a_sent_event, an_app, an_integration
from tests.integration.admin.conftest import text_of

pytestmark = pytest.mark.django_db

NAMES = "/admin/referrals/customname/"


@pytest.fixture
def one_too_many(settings, sandbox, integration):
    """An app whose third name has to be approved: two events of it came already."""
    settings.CUSTOM_NAMES_LIMIT = 2
    names = ["Level 1", "Level 2", "Level 3", "Level 3"]
    log.append(integration.app, [a_sent_custom_event(name) for name in names])
    deliver(integration.pk)
    return integration


def approve(browser, *names):
    rows = CustomName.objects.filter(name__in=names).values_list("pk", flat=True)
    chosen = {"action": "approve", "_selected_action": list(rows)}
    return browser.post(NAMES, chosen, follow=True)


def arrived(sandbox):
    return sorted(record["evtName"] for record in sandbox.records())


def test_records_of_a_further_name_wait_and_the_page_says_why(
    admin, sandbox, one_too_many
):
    page = text_of(admin.get("/admin/problems/"))

    assert len(arrived(sandbox)) == 4
    assert DeadLetter.objects.filter(reason="new_event_name").count() == 4
    assert "as many custom event names to CleverTap as it may" in page
    assert "Approve the name in the admin under Custom names, then replay." in page
    assert "Waits for approval" in text_of(admin.get(NAMES))


def test_once_approved_what_waited_is_replayed_and_what_comes_is_sent(
    admin, sandbox, one_too_many
):
    page = text_of(approve(admin, "Level 3"))

    assert "Approved 1 name." in page
    assert '<a href="/admin/problems/">replay them under Problems</a>' in page
    log.append(one_too_many.app, [a_sent_custom_event("level 3")])
    deliver(one_too_many.pk)
    assert arrived(sandbox).count("Referred Level 3") == 1
    replay = reverse("admin:problem_replay", args=[one_too_many.pk, "new_event_name"])
    assert "4 records in 1 upload" in text_of(admin.get(replay))
    admin.post(replay)
    deliver(one_too_many.pk)
    assert arrived(sandbox).count("Referred Level 3") == 3
    assert not DeadLetter.objects.open().exists()
    assert LogEntry.objects.filter(change_message="Approved.").count() == 1


def test_a_name_that_goes_by_itself_needs_no_approval(admin, one_too_many):
    page = text_of(approve(admin, "Level 1"))

    assert "None of these names waited" in page
    assert CustomName.objects.filter(approved_at=None).count() == 3


def test_whoever_may_only_look_approves_nothing(staff, one_too_many):
    approve(staff("referrals.view_customname"), "Level 3")

    assert not CustomName.objects.exclude(approved_at=None).exists()


@pytest.mark.parametrize(
    ("kinds", "ids"),
    [
        ("production", ["Referred App Open"]),
        ("test", ["Referred App Install"]),
        ("both", ["Referred App Install", "Referred App Open"]),
    ],
)
def test_an_integration_delivers_the_kinds_of_event_that_it_is_set_to(
    sandbox, kinds, ids
):
    integration = an_integration(an_app(), event_kinds=kinds, not_sent=[])
    alone = {"referrer": None, "via": "smart_link"}
    log.append(
        integration.app,
        [a_sent_event(test=True, **alone), a_sent_event(type="app_open", **alone)],
    )

    deliver(integration.pk)

    assert arrived(sandbox) == ids
    assert not DeadLetter.objects.exists()


def test_a_test_event_is_marked_in_the_list_and_on_its_page(admin, integration):
    log.append(integration.app, [a_sent_event(test=True), a_sent_event()])

    events = text_of(admin.get("/admin/events/?app=shop"))
    badge = '<span class="badge">test</span>'
    assert events.count(badge) == 1
    assert badge in text_of(admin.get("/admin/events/shop/1/"))
    assert badge not in text_of(admin.get("/admin/events/shop/2/"))
