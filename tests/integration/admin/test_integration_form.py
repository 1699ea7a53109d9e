"""The set-up of an integration: what a person types, what becomes of it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.models import SENDS, Account, Integration
from referrals.secret import Secret
from tests.builders import an_account, an_app, an_integration
from tests.integration.admin.conftest import CANARY, text_of

ADD = "/admin/clevertap_sync/integration/add/"


def change(integration):
    return f"/admin/clevertap_sync/integration/{integration.pk}/change/"


def typed(app=None, **changes):
    """Return a filled-in form."""
    return {
        **({"app": app.pk} if app else {}),
        "name": "default",
        "dashboard_address": "",
        "account_id": "ABC-DEF-123Z",
        "new_passcode": CANARY,
        "passcode_kind": "account",
        "time_zone": "UTC",
        "identity_provider": "email",
        "location": "in1",
        "sends": ["app_install:referred"],
        "event_kinds": "production",
        "send_suspicious": "on",
        "event_data_format": "flattened",
        "property_limit": "100",
        "in_flight_limit": "5",
        "late_time": "happened",
        **changes,
    }


def test_a_new_integration_gets_its_account_and_goes_on_to_the_check(admin):
    app = an_app()

    response = admin.post(ADD, typed(app))

    made = Integration.objects.select_related("account").get()
    assert response.url == f"/admin/clevertap_sync/integration/{made.pk}/check/"
    assert (made.account.location, made.account.account_id) == ("in1", "ABC-DEF-123Z")
    assert made.passcode.reveal() == CANARY
    assert not made.enabled
    assert set(SENDS) - set(made.not_sent) == {"app_install:referred"}
    assert (made.send_suspicious, made.send_rejected) == (True, False)


def test_blanks_around_what_was_copied_are_dropped(admin):
    admin.post(
        ADD,
        typed(
            an_app(),
            account_id=" ABC-DEF-123Z ",
            new_passcode=f"\t{CANARY} ",
            identity_provider=" email ",
        ),
    )

    made = Integration.objects.select_related("account").get()
    assert made.account.account_id == "ABC-DEF-123Z"
    assert made.passcode.reveal() == CANARY
    assert made.identity_provider == "email"


def test_the_dashboards_address_fills_in_account_and_location(admin):
    address = "https://sg1.dashboard.clevertap.com/TEST-ABC-DEF-123Z/boards/1"

    admin.post(
        ADD, typed(an_app(), dashboard_address=address, account_id="", location="")
    )

    account = Integration.objects.select_related("account").get().account
    assert (account.location, account.account_id) == ("sg1", "TEST-ABC-DEF-123Z")


def test_another_address_is_refused_with_an_example(admin):
    response = admin.post(
        ADD, typed(an_app(), dashboard_address="https://example.com/ABC-DEF-123Z")
    )

    assert "This is no address of CleverTap" in text_of(response)
    assert not Integration.objects.exists()
    assert not Account.objects.exists()


def test_an_unusual_account_id_is_saved_with_a_warning(admin):
    response = admin.post(ADD, typed(an_app(), account_id="nonsense"), follow=True)

    assert Integration.objects.get().account.account_id == "nonsense"
    assert "does not look like one of CleverTap" in text_of(response)


def test_an_account_is_used_by_one_integration_of_an_app(admin, integration):
    account = integration.account

    response = admin.post(
        ADD,
        typed(
            integration.app,
            name="second",
            account_id=account.account_id,
            location=account.location,
        ),
    )

    assert "integration default uses this account already" in text_of(response)
    assert Integration.objects.count() == 1


def test_the_passcode_is_replaced_only_when_something_is_typed(admin, integration):
    before = integration.passcode

    admin.post(change(integration), typed(new_passcode=""))
    integration.refresh_from_db()
    assert integration.passcode.reveal() == before

    admin.post(change(integration), typed())
    integration.refresh_from_db()
    assert integration.passcode == Secret(CANARY)


@pytest.mark.parametrize(
    ("changes", "are_new"),
    [
        ({}, True),
        ({"account_id": "DEM-EU1-0001", "location": "eu1", "new_passcode": ""}, False),
        ({"account_id": "DEM-EU1-0001", "location": "eu1"}, True),
        ({"account_id": "DEM-EU1-0001", "new_passcode": ""}, True),
    ],
    ids=["all", "neither", "passcode", "location"],
)
def test_since_when_credentials_are_in_force_is_noted(
    admin, integration, changes, are_new
):
    admin.post(change(integration), typed(**changes))

    integration.refresh_from_db()
    assert (integration.credentials_since is not None) is are_new


@pytest.mark.django_db(transaction=True)
def test_saving_settings_touches_nothing_that_delivery_writes(admin, integration):
    Integration.objects.filter(pk=integration.pk).update(
        cursor=42, hold_reason="server_error", hold_probes=False, enabled=True
    )

    with CaptureQueriesContext(connection) as captured:
        response = admin.post(change(integration), typed(identity_provider="custom_id"))

    # Delivery goes on between the form's reading of the row and its writing.
    updates = [q["sql"] for q in captured if q["sql"].startswith("UPDATE")]
    assert updates
    assert not [sql for sql in updates if '"cursor" =' in sql or '"enabled" =' in sql]
    assert response.url == change(integration)
    integration.refresh_from_db()
    assert integration.identity_provider == "custom_id"
    assert (integration.cursor, integration.enabled) == (42, True)
    assert (integration.hold_reason, integration.hold_probes) == ("server_error", True)


def test_the_in_flight_limit_goes_to_the_account(admin, integration):
    admin.post(
        change(integration),
        typed(
            account_id=integration.account.account_id, location="eu1", in_flight_limit=2
        ),
    )

    account = Account.objects.get()
    assert (account.in_flight_limit, account.current_limit) == (2, 2)


def test_the_history_says_that_the_passcode_changed_and_not_to_what(admin, integration):
    admin.post(change(integration), typed())

    entry = LogEntry.objects.latest("pk")
    assert "Passcode" in entry.change_message
    assert CANARY not in entry.change_message


def test_the_passcode_is_on_no_page(admin, sandbox):
    integration = an_integration(an_app("shop"), passcode=CANARY)
    pages = [
        "/admin/",
        "/admin/clevertap_sync/integration/",
        change(integration),
        f"{change(integration)[:-7]}check/",
        f"{change(integration)[:-7]}enable/",
        f"{change(integration)[:-7]}history/",
        "/admin/problems/",
    ]

    for page in pages:
        response = admin.get(page, follow=True)
        assert response.status_code == 200, page
        assert CANARY not in text_of(response), page
    wrong = admin.post(change(integration), typed(location=""))
    assert "Choose where CleverTap stores the data" in text_of(wrong)
    assert CANARY not in text_of(wrong)
    assert "••••YZ is stored" in text_of(wrong)
    check = admin.post(f"{change(integration)[:-7]}check/")
    assert "refuses the passcode" in text_of(check)
    assert CANARY not in text_of(check)


def test_the_identity_hint_counts_what_the_events_carry(admin, delivered):
    page = text_of(admin.get(change(delivered)))

    assert "What the last 24 users" in page
    assert "91 %" in page
    assert "2 of 24" in page
    assert "custom_id" in page


def test_events_for_an_account_of_the_other_kind_are_asked_about_before_they_go(
    admin, integration
):
    sends_tests = typed(
        account_id=integration.account.account_id, location="eu1", event_kinds="both"
    )

    asked = text_of(admin.post(change(integration), sends_tests))
    before = Integration.objects.get().event_kinds
    confirmed = {**sends_tests, "sends_misplaced": "on"}
    saved = text_of(admin.post(change(integration), confirmed, follow=True))
    again = admin.post(change(integration), sends_tests)

    sentence = (
        f"Test events go to {integration.account.account_id}, a production account"
    )
    assert sentence in asked
    assert "Send them there all the same" in asked
    assert before == "production"
    assert sentence in saved
    assert Integration.objects.get().event_kinds == "both"
    # What stands is not asked about again.
    assert again.status_code == 302


def test_where_nothing_is_delivered_yet_the_form_only_warns(admin):
    page = admin.post(ADD, typed(an_app(), account_id="TEST-ABC-DEF-123Z"), follow=True)

    assert "Production events go to TEST-ABC-DEF-123Z, a test account" in text_of(page)
    assert Integration.objects.get().event_kinds == "production"


def test_the_page_that_enables_says_which_events_do_not_belong_there(admin):
    paused = an_integration(
        account=an_account(account_id="TEST-ABC-DEF-123Z"), enabled=False
    )
    enable = f"/admin/clevertap_sync/integration/{paused.pk}/enable/"

    warned = text_of(admin.get(enable))
    Integration.objects.update(event_kinds="test")
    silent = text_of(admin.get(enable))

    assert "Production events go to TEST-ABC-DEF-123Z, a test account" in warned
    assert "TEST-ABC-DEF-123Z, a test account" not in silent
