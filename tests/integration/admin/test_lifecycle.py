"""Check, find the location, enable, pause, archive: each a POST, each explained."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import transaction

from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.models import Integration, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals import log
from referrals.models import Change, ReferralEvent
from tests.builders import NOON, a_sent_event, an_account, an_app, an_integration
from tests.integration.admin.conftest import text_of
from tests.integration.admin.test_integration_form import typed
from tests.integration.threads import Worker


def at(integration, name):
    return f"/admin/clevertap_sync/integration/{integration.pk}/{name}/"


@pytest.fixture
def paused(integration):
    integration.enabled = False
    integration.save()
    return integration


def test_looking_at_the_check_asks_nobody(admin, sandbox, integration):
    assert admin.get(at(integration, "check")).status_code == 200

    assert sandbox.requests() == []


def test_the_check_is_a_dry_run(admin, sandbox, integration):
    page = text_of(admin.post(at(integration, "check")))

    assert "CleverTap in Europe accepts the account ID and the passcode." in page
    assert [request.dry_run for request in sandbox.requests()] == [True]
    assert sandbox.records() == []


def test_a_good_check_lets_a_held_integration_probe_at_once(
    admin, sandbox, integration
):
    Integration.objects.filter(pk=integration.pk).update(
        hold_reason="credentials_refused",
        held_until=datetime(2099, 1, 1, tzinfo=UTC),
    )

    admin.post(at(integration, "check"))

    integration.refresh_from_db()
    assert integration.held_until.year < 2099
    assert integration.hold_probes


def test_the_location_is_found_and_changed_with_one_click(admin, sandbox):
    account = an_account(Location.SG1, account_id=ACCOUNTS[Location.IN1].account_id)
    lost = an_integration(
        account=account, passcode=ACCOUNTS[Location.IN1].passcode, enabled=False
    )

    check = text_of(admin.post(at(lost, "check")))
    assert "does not know this account ID in Singapore" in check
    found = text_of(admin.post(at(lost, "find-location")))
    assert "This account answers in India" in found
    assert "Change the location to India" in found
    assert len(sandbox.requests()) == 1 + len(Location)
    admin.post(at(lost, "move"), {"location": "in1"})

    lost.refresh_from_db()
    assert lost.account.location == "in1"
    assert lost.credentials_since is not None
    assert "accepts the account ID" in text_of(admin.post(at(lost, "check")))


def test_a_location_with_an_article_is_spelt_with_it(admin, sandbox):
    lost = an_integration(location=Location.US1, passcode="WRO-NG-PASS")

    page = text_of(admin.post(at(lost, "find-location")))

    assert "CleverTap in the United States is asked to accept" in page
    assert "CleverTap in the United States refuses" in page


def by_the_form(admin, integration):
    admin.post(at(integration, "change"), typed(account_id="ABC-DEF-123Z"))


def by_one_click(admin, integration):
    admin.post(at(integration, "move"), {"location": "in1"})


def by_the_command(admin, integration):
    wanted = ["--account-id=ABC-DEF-123Z", "--location=in1"]
    slug = integration.app.slug
    call_command("provision", slug, *wanted, "--identity-provider=email")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [by_the_form, by_one_click, by_the_command])
def test_an_account_changes_only_between_two_claims(
    admin, sandbox, integration, change
):
    before = integration.account_id
    changed = []

    def move():
        change(admin, integration)
        changed.append(Integration.objects.get().account_id)

    with transaction.atomic():
        lock_account(integration.pk)
        mover = Worker(move)
        mover.wait_for_its_lock()
        assert changed == []
    mover.finish()

    assert len(changed) == 1
    assert changed != [before]


def test_enabling_from_now_skips_what_is_there(admin, sandbox, paused):
    log.append(paused.app, [a_sent_event() for _ in range(3)])

    response = admin.post(at(paused, "enable"), {"start": "now"})

    assert response.url == "/admin/"
    paused.refresh_from_db()
    assert (paused.enabled, paused.cursor) == (True, 3)
    assert Upload.objects.get().state == Upload.State.SKIPPED


def test_enabling_where_it_stopped_skips_nothing(admin, sandbox, paused):
    log.append(paused.app, [a_sent_event() for _ in range(3)])

    admin.post(at(paused, "enable"), {"start": "resume"})

    paused.refresh_from_db()
    assert (paused.enabled, paused.cursor) == (True, 0)


def test_after_a_restored_backup_it_proposes_what_repeats_nothing(admin, paused):
    paused.first_enabled_at = NOON
    paused.hold_reason = RESTORED_BACKUP
    paused.save()

    page = text_of(admin.get(at(paused, "enable")))

    assert 'value="now" checked' in page
    assert page.count(" checked") == 1


def test_enabling_says_what_it_will_set_off(admin, sandbox, paused):
    log.append(paused.app, [a_sent_event() for _ in range(5)])
    ReferralEvent.objects.filter(position__lte=3).update(
        received_at=clock.read_now() - timedelta(hours=2, seconds=5)
    )

    page = text_of(admin.get(at(paused, "enable")))

    assert "5 events in the log are skipped;" in page
    assert "5 events wait and are delivered first. None is skipped." in page
    assert (
        "2 arrived in the last two hours: live campaigns may fire, so real people may "
        "get messages. 3 are older: they count in CleverTap, and no live campaign fires."
    ) in page
    assert "for those of the last two hours, up to 2, live campaigns may fire" in page


def test_enabling_sets_nothing_off_where_nothing_waits(admin, sandbox, paused):
    page = text_of(admin.get(at(paused, "enable")))

    assert "Nothing waits. None is skipped." in page
    assert "live campaigns may fire" not in page


def test_enabling_from_a_date_needs_the_date(admin, sandbox, paused):
    page = text_of(admin.post(at(paused, "enable"), {"start": "date"}))
    assert "Choose the date to start from." in page
    assert sandbox.requests() == []

    admin.post(at(paused, "enable"), {"start": "date", "since": "2026-11-01"})

    paused.refresh_from_db()
    assert paused.enabled
    assert paused.deliver_since == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_failed_check_enables_only_with_the_override(admin, sandbox):
    wrong = an_integration(passcode="WRO-NG-PASS", enabled=False)

    page = text_of(admin.post(at(wrong, "enable"), {"start": "now"}))
    assert "refuses the passcode" in page
    assert "Enable although the check failed" in page
    wrong.refresh_from_db()
    assert not wrong.enabled
    admin.post(at(wrong, "enable"), {"start": "now", "override": "on"})

    wrong.refresh_from_db()
    assert wrong.enabled
    assert Change.objects.get().what == (
        "Enabled, from: now. The check of the connection had failed."
    )


def test_an_override_that_was_not_needed_is_not_recorded(admin, sandbox, paused):
    admin.post(at(paused, "enable"), {"start": "now", "override": "on"})

    assert Change.objects.get().what == "Enabled, from: now."


def test_pausing_keeps_the_cursor(admin, delivered):
    admin.post(at(delivered, "pause"))

    delivered.refresh_from_db()
    assert (delivered.enabled, delivered.cursor) == (False, 12)


def test_archiving_wipes_the_passcode(admin, integration):
    admin.post(at(integration, "archive"))

    integration.refresh_from_db()
    assert integration.archived_at is not None
    assert not integration.enabled
    assert not integration.passcode
    assert admin.get(at(integration, "enable")).status_code == 404


def test_the_last_step_leads_to_enabling_only_where_it_may_be_done(
    admin, staff, paused
):
    viewer = staff("clevertap_sync.view_integration")
    page, enable = at(paused, "change"), f'href="{at(paused, "enable")}"'

    before, seen = text_of(admin.get(page)), text_of(viewer.get(page))
    admin.post(at(paused, "archive"))
    after = text_of(admin.get(page))

    assert enable in before
    assert "you choose where delivery starts" in before
    assert enable not in seen
    assert "Somebody who may change this integration can enable it." in seen
    assert enable not in after
    assert "This integration is archived: it delivers nothing any more." in after


@pytest.mark.parametrize("name", ["pause", "archive", "find-location", "move"])
def test_a_get_changes_nothing(admin, sandbox, integration, name):
    assert admin.get(at(integration, name)).status_code == 405

    integration.refresh_from_db()
    assert integration.enabled
    assert sandbox.requests() == []


@pytest.mark.parametrize("name", ["check", "enable", "pause", "archive", "move"])
def test_whoever_may_only_look_switches_nothing(staff, sandbox, integration, name):
    viewer = staff("clevertap_sync.view_integration")

    response = viewer.post(at(integration, name), {"location": "in1", "start": "now"})

    assert response.status_code == 403
    integration.refresh_from_db()
    assert (integration.enabled, integration.account.location) == (True, "eu1")
    assert sandbox.requests() == []


def test_an_archived_app_is_not_offered_to_new_integrations(admin):
    an_app("gone", name="Gone", archived_at=datetime(2026, 1, 1, tzinfo=UTC))
    an_app("here", name="Here")

    page = text_of(admin.get("/admin/clevertap_sync/integration/add/"))

    assert ">Here</option>" in page
    assert ">Gone</option>" not in page


def test_what_was_paused_before_its_first_event_is_resumed_and_skips_nothing(
    admin, paused
):
    log.append(paused.app, [a_sent_event()])

    page = text_of(admin.get(at(paused, "enable")))
    change = text_of(admin.get(at(paused, "change")))
    never = an_integration(enabled=False, name="never")

    assert "Resume delivery" in page
    assert "Where it stopped" in page
    assert 'value="resume" checked' in page
    assert "Resume…" in change
    assert "Enable delivery" in text_of(admin.get(at(never, "enable")))
