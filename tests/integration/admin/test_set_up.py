"""The set-up's evidence and advice: time zone, expiry, counts, suggestion, starting point."""

from datetime import UTC, datetime, timedelta

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Integration
from referrals import log
from tests.builders import (
    a_sent_custom_event,
    a_sent_event,
    a_sent_link_click,
    an_account,
    an_app,
    an_integration,
)
from tests.integration.admin.conftest import CANARY, text_of
from tests.integration.admin.test_integration_form import ADD, change, typed
from tests.people import emails, installs_of

TODAY = datetime.now(UTC).date()


def same(integration, **changes):
    """Return the integration's form as it is, but for `changes`."""
    return typed(
        account_id=integration.account.account_id,
        location=integration.account.location,
        new_passcode="",
        **changes,
    )


@pytest.mark.usefixtures("sandbox")
class TestTimeZone:
    @pytest.mark.parametrize("text", ["Asia/Kolkata", " asia/kolkata "])
    def test_a_name_is_taken_whatever_its_case(self, admin, integration, text):
        admin.post(change(integration), same(integration, time_zone=text))

        integration.refresh_from_db()
        assert integration.time_zone == "Asia/Kolkata"

    @pytest.mark.parametrize("text", ["Mars/Base", "../../etc/passwd", "+05:30"])
    def test_what_is_none_is_refused_with_an_example(self, admin, integration, text):
        page = text_of(
            admin.post(change(integration), same(integration, time_zone=text))
        )

        assert "There is no such time zone. It looks like Asia/Kolkata" in page
        integration.refresh_from_db()
        assert integration.time_zone == "UTC"

    def test_delivery_from_a_date_begins_at_the_projects_midnight(self, admin):
        paused = an_integration(enabled=False, time_zone="Asia/Kolkata")
        url = f"/admin/clevertap_sync/integration/{paused.pk}/enable/"

        assert "Asia/Kolkata" in text_of(admin.get(url))
        admin.post(url, {"start": "date", "since": "2026-11-01"})

        paused.refresh_from_db()
        assert paused.deliver_since == datetime(2026, 10, 31, 18, 30, tzinfo=UTC)


class TestPasscode:
    def test_a_user_passcode_has_its_last_day(self, admin, integration):
        last = TODAY + timedelta(days=90)

        admin.post(
            change(integration),
            same(integration, passcode_kind="user", passcode_expires_on=last),
        )

        integration.refresh_from_db()
        assert integration.passcode_kind == "user"
        assert integration.passcode_expires_on == last

    def test_an_account_passcode_has_none(self, admin, integration):
        admin.post(
            change(integration), same(integration, passcode_expires_on="2030-01-01")
        )

        integration.refresh_from_db()
        assert integration.passcode_expires_on is None

    def test_a_user_passcode_without_its_last_day_is_saved_with_a_warning(self, admin):
        page = admin.post(ADD, typed(an_app(), passcode_kind="user"), follow=True)

        assert "You set no last day for the user passcode." in text_of(page)
        assert Integration.objects.get().passcode_kind == "user"

    def test_a_new_passcode_cannot_have_expired(self, admin):
        page = admin.post(
            ADD,
            typed(an_app(), passcode_kind="user", passcode_expires_on="2020-01-01"),
        )

        assert "This day has passed." in text_of(page)
        assert not Integration.objects.exists()

    def test_an_unusual_one_is_saved_with_a_warning_that_does_not_show_it(self, admin):
        page = text_of(admin.post(ADD, typed(an_app()), follow=True))

        assert "The passcode does not look like one of CleverTap" in page
        assert CANARY not in page
        assert Integration.objects.get().passcode.reveal() == CANARY

    @pytest.mark.parametrize(
        ("days", "sentence"),
        [
            (15, None),
            (14, "The passcode expires in 14 days"),
            (1, "The passcode expires in 1 day,"),
            (0, "The passcode expires today."),
            (-1, "The passcode expired on"),
        ],
    )
    def test_people_are_reminded_from_two_weeks_before(self, admin, days, sentence):
        integration = an_integration(
            an_app("shop"),
            passcode_kind="user",
            passcode_expires_on=TODAY + timedelta(days=days),
        )

        for page in ("/admin/", change(integration)):
            shown = text_of(admin.get(page))
            assert ("The passcode expire" in shown) is (sentence is not None)
            assert sentence is None or sentence in shown


def test_a_test_account_is_marked_wherever_it_is_shown(admin):
    account = an_account(account_id="TEST-ABC-DEF-123Z")
    integration = an_integration(an_app("shop"), account=account)
    badge = '<span class="badge">test account</span>'

    for page in ("/admin/", change(integration), change(integration)[:-7] + "check/"):
        assert badge in text_of(admin.get(page)), page
    assert badge not in text_of(admin.get(change(an_integration())))


class TestEvidence:
    def test_the_grid_shows_records_and_people_beside_each_switch(
        self, admin, integration
    ):
        log.append(
            integration.app,
            [
                *installs_of(emails(3)),
                a_sent_event(),
                a_sent_event(),
                a_sent_custom_event(),
                a_sent_event(test=True),
                a_sent_link_click(),
            ],
        )

        page = text_of(admin.get(change(integration)))

        grid = page[page.index('class="grid"') :]
        assert "5 records, 4 people" in grid
        assert "2 records, 1 person" in grid
        assert grid.count("1 record, 1 person") == 3
        assert "Records and people of the last 30 days, from 8 events." in grid

    def test_a_better_provider_is_suggested(self, admin, integration):
        nameless = {"identities": {"custom_id": "7"}}
        log.append(
            integration.app,
            [
                *installs_of(emails(3)),
                a_sent_event(user=nameless, referrer=None, via="smart_link"),
            ],
        )

        page = text_of(admin.get(change(integration)))

        assert "75 % of the last 4 users carry <code>email</code>." in page
        assert "1 of the last 4 records would have no identity" in page
        assert "Suggestion: <code>custom_id</code>" in page

    def test_no_suggestion_where_nothing_is_lost(self, admin, integration):
        log.append(integration.app, installs_of(emails(3)))

        assert "Suggestion" not in text_of(admin.get(change(integration)))

    def test_a_new_integration_begins_with_the_identity_that_users_carry(self, admin):
        app = an_app("shop")
        nameless = {"identities": {"custom_id": "7"}}
        alone = {"referrer": None, "via": "smart_link"}
        log.append(app, [a_sent_event(user=nameless, **alone)])

        page = text_of(admin.get(ADD))

        assert 'name="identity_provider" value="custom_id"' in page

    def test_the_page_reads_no_more_than_its_sample(
        self, admin, integration, monkeypatch
    ):
        monkeypatch.setattr("clevertap_sync.insight.coverage.EVENTS", 2)
        log.append(integration.app, installs_of(emails(5)))

        page = text_of(admin.get(change(integration)))

        assert "as far as the newest 2 events of the log tell; there were more" in page
        assert "2 records, 2 people" in page


@pytest.mark.parametrize(
    ("changes", "is_asked_again"),
    [
        ({}, False),
        ({"property_limit": "99"}, False),
        ({"identity_provider": "custom_id"}, True),
        ({"location": "in1"}, True),
        ({"account_id": "ABC-DEF-123Z"}, True),
        (
            {"dashboard_address": "https://sg1.dashboard.clevertap.com/ABC-DEF-123Z/x"},
            True,
        ),
    ],
)
def test_a_change_of_whose_identities_has_them_looked_up_again(
    admin, integration, changes, is_asked_again
):
    admin.post(change(integration), {**same(integration), **changes})

    integration.refresh_from_db()
    assert (integration.identities_confirmed_at is None) is is_asked_again


def test_an_identity_in_place_of_its_name_is_doubted(admin, integration):
    page = admin.post(
        change(integration),
        same(integration, identity_provider="ann@example.com"),
        follow=True,
    )

    assert "looks like one user&#x27;s identity" in text_of(page)


@pytest.mark.django_db(transaction=True)
def test_the_corrected_provider_frees_a_doubted_integration(admin, sandbox):
    integration = an_integration(
        an_app("shop"), identity_provider="email", identities_confirmed_at=None
    )
    log.append(integration.app, installs_of(emails(12)))
    deliver(integration.pk)
    assert sandbox.records() == []

    admin.post(change(integration), same(integration, identity_provider="custom_id"))

    integration.refresh_from_db()
    assert not integration.identities_are_doubted
    assert (integration.hold_reason, integration.hold_probes) == (
        "identity_mismatch",
        True,
    )


def steps_of(page):
    """Return each step of the set-up that does not shine green, with what it says."""
    return {
        step.title: (step.word, step.note)
        for step in page.context["steps"]
        if step.colour == "bad"
    }


@pytest.mark.parametrize(
    ("cause", "hint", "steps"),
    [
        (
            "wrong_location",
            "in1",
            {
                "Location": (
                    "Check it",
                    "CleverTap stores the account in India, not where the settings say.",
                )
            },
        ),
        (
            "wrong_passcode",
            "",
            {
                "Passcode": (
                    "Refused",
                    (
                        "••••SS is stored, encrypted. CleverTap knows the account, and "
                        "refuses the passcode."
                    ),
                )
            },
        ),
        (
            "wrong_account_id",
            "",
            {"Account ID": ("Check it", "CleverTap does not know the account ID.")},
        ),
    ],
)
def test_the_one_field_that_is_wrong_is_marked_and_no_other(admin, cause, hint, steps):
    held = {"hold_reason": "credentials_refused", "hold_cause": cause}
    integration = an_integration(an_app(), **held, hold_hint=hint)

    assert steps_of(admin.get(change(integration))) == steps


def test_the_overview_and_a_test_event_say_the_cause_and_what_to_do(admin):
    integration = an_integration(
        an_app(),
        hold_reason="credentials_refused",
        held_since=datetime.now(UTC),
        hold_cause="wrong_location",
        hold_hint="in1",
    )
    log.append(integration.app, [a_sent_event()])

    overview = text_of(admin.get("/admin/"))
    following = text_of(admin.get(f"/admin/sent/{integration.pk}/1/1/"))

    for page in (overview, following):
        assert "CleverTap stores the account in India, not where" in page
        assert "Change the location to India." in page


@pytest.mark.parametrize("cause", ["", "unclear"])
def test_all_three_are_marked_where_nobody_knows_which(admin, cause):
    held = {"hold_reason": "credentials_refused", "hold_cause": cause}
    integration = an_integration(an_app(), **held)

    steps = steps_of(admin.get(change(integration)))

    assert list(steps) == ["Account ID", "Passcode", "Location"]


def test_a_passcode_that_no_key_decrypts_shows_no_end_of_anything(admin, settings):
    integration = an_integration(an_app())
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-the-one-it-was-saved-with"]

    page = admin.get(change(integration))

    word, note = steps_of(page)["Passcode"]
    assert word == "Unreadable"
    assert note.startswith("No key in FIELD_ENCRYPTION_KEYS decrypts the passcode")
    assert "••••" not in text_of(page)


def test_users_in_another_letter_case_are_told_where_they_are_confirmed(admin):
    integration = an_integration(
        an_app(),
        identities_confirmed_at=None,
        identities_unknown=5,
        identities_other_case=5,
        hold_reason="identity_letter_case",
    )

    page = admin.get(change(integration))

    assert "It knows 5 of the others in another letter case." in text_of(page)
    assert steps_of(page)["Identity provider"] == (
        "Check it",
        (
            "CleverTap knows the first users in another letter case, and would create a "
            "second profile for each of them."
        ),
    )
