"""Who changed what: from old to new, in plain words, and never a secret."""

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Alert, Integration
from referrals import history
from referrals.models import ApiKey, Change, CustomName, Membership, Role
from referrals.secret import Secret
from referrals.vocabulary import SIDES, EventType
from tests.builders import an_app, an_integration
from tests.integration.admin.conftest import CANARY, text_of, type_fraud_rules
from tests.integration.admin.test_alerts import typed as typed_alert
from tests.integration.admin.test_integration_form import change, typed

OTHER = "ANO-THER-PASS-ABC"


def changes():
    """Return what was done, in order."""
    return [
        (row.by, row.kind, row.what, [tuple(each) for each in row.differences])
        for row in Change.objects.order_by("pk")
    ]


def as_it_is(integration, **changed):
    """Return the form of the integration as it is, with these fields changed."""
    return typed(
        **{
            "account_id": integration.account.account_id,
            "location": "eu1",
            "new_passcode": "",
            "send_rejected": "on",
            "sends": [f"{kind}:{side}" for kind in EventType for side in SIDES[kind]],
            **changed,
        }
    )


def test_saving_without_a_change_is_no_change(admin, integration):
    admin.post(change(integration), as_it_is(integration))

    assert changes() == []


def test_a_setting_is_told_from_old_to_new_in_words(admin, integration):
    sends = as_it_is(integration)["sends"]
    sends.remove("app_open:generated")

    admin.post(
        change(integration),
        as_it_is(
            integration,
            identity_provider="custom_id",
            event_data_format="json",
            location="in1",
            send_none="on",
            in_flight_limit="3",
            sends=sends,
        ),
    )

    assert changes() == [
        (
            "ann",
            "integration",
            "Changed.",
            [
                ("Identity provider", "email", "custom_id"),
                ("Location", "Europe", "India"),
                ("Events to send", "all", "all but Generated App Open"),
                ("Event data format", "One property per pair", "One JSON text"),
                ("Send 'none' for a missing Channel or Content", "no", "yes"),
                ("Uploads at the same time", "5", "3"),
            ],
        )
    ]


def test_of_a_passcode_only_that_it_changed(admin, integration):
    admin.post(change(integration), as_it_is(integration, new_passcode=CANARY))

    assert changes() == [
        ("ann", "integration", "Changed.", [("Passcode", "••••", "changed")])
    ]
    page = text_of(admin.get("/admin/history/"))
    assert "Passcode" in page
    assert CANARY not in page
    assert CANARY not in str(list(Change.objects.values()))


def test_switching_is_told(admin, sandbox, integration):
    page = f"/admin/clevertap_sync/integration/{integration.pk}"

    admin.post(f"{page}/pause/")
    admin.post(f"{page}/enable/", {"start": "now"})
    admin.post(f"{page}/archive/")

    assert [row[2] for row in changes()] == [
        "Paused.",
        "Enabled, from: now.",
        "Archived.",
    ]


def test_a_location_that_was_found_is_told(admin, integration):
    admin.post(
        f"/admin/clevertap_sync/integration/{integration.pk}/move/", {"location": "sg1"}
    )

    assert changes()[0][3] == [("Location", "Europe", "Singapore")]


def test_apps_keys_names_and_replays_are_told(admin, settings, delivered):
    settings.CUSTOM_NAMES_LIMIT = 0
    app = delivered.app
    name = CustomName.objects.create(
        app=app, name="N", normalised="n", number=1, first_position=1
    )
    inlines = {
        f"{inline}-{count}_FORMS": 0
        for inline in ("api_keys", "memberships")
        for count in ("TOTAL", "INITIAL")
    }

    admin.post(
        f"/admin/referrals/app/{app.pk}/change/",
        {"name": "New", **type_fraud_rules(app), **inlines},
    )
    admin.post("/admin/referrals/apikey/add/", {"app": app.pk, "label": "backend"})
    key = ApiKey.objects.get()
    admin.post(f"/admin/referrals/apikey/{key.pk}/revoke/")
    admin.post(
        "/admin/referrals/customname/",
        {"action": "approve", "_selected_action": [name.pk]},
    )
    admin.post(f"/admin/problems/{delivered.pk}/no_identity/replay/")

    assert changes() == [
        ("ann", "app", "Changed.", [("Name", "Shop", "New")]),
        ("ann", "apikey", "Created.", []),
        ("ann", "apikey", "Revoked.", []),
        ("ann", "customname", "Approved.", []),
        ("ann", "replay", "Ordered: 2 records.", []),
    ]
    assert {row.app for row in Change.objects.all()} == {app}


def test_roles_and_passwords_are_told(admin):
    app = an_app("shop", name="Shop")
    bob = User.objects.create_user("bob", password="x")
    role = Membership.objects.create(user=bob, app=app, role=Role.VIEWER)
    page = f"/admin/auth/user/{bob.pk}"
    form = {
        "username": "bob",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "is_active": "on",
        "is_staff": "on",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": role.pk,
        "memberships-0-user": bob.pk,
        "memberships-0-app": app.pk,
        "memberships-0-role": "editor",
    }

    admin.post(f"{page}/change/", form)
    admin.post(
        f"{page}/password/",
        {
            "password1": "a-Long-0ne!",
            "password2": "a-Long-0ne!",
            "usable_password": "true",
        },
    )

    first, second = changes()
    assert ("Role", "bob: Viewer of Shop", "bob: Editor of Shop") in first[3]
    assert second == ("ann", "user", "Changed.", [("Password", "••••", "changed")])
    assert "a-Long-0ne!" not in str(list(Change.objects.values()))


def test_alerts_are_told_without_their_address(admin):
    app = an_app("shop")
    admin.post(
        "/admin/clevertap_sync/alert/add/",
        typed_alert(
            app=app.pk, way="slack", new_url="https://hooks.example.com/s3cr3t"
        ),
    )
    alert = Alert.objects.get()
    admin.post(
        f"/admin/clevertap_sync/alert/{alert.pk}/change/",
        typed_alert(
            app=app.pk,
            way="slack",
            new_url="https://hooks.example.com/t0ken",
            held_minutes="",
        ),
    )
    admin.post(f"/admin/clevertap_sync/alert/{alert.pk}/delete/", {"post": "yes"})

    assert changes() == [
        ("ann", "alert", "Created.", []),
        (
            "ann",
            "alert",
            "Changed.",
            [("Address", "••••", "changed"), ("Minutes held", "5", history.EMPTY)],
        ),
        ("ann", "alert", "Deleted.", []),
    ]
    assert "s3cr3t" not in str(list(Change.objects.values()))


@pytest.mark.django_db(transaction=True)
def test_the_command_line_is_told_as_such(monkeypatch):
    def provision(provider, passcode):
        monkeypatch.setenv("CLEVERTAP_PASSCODE", passcode)
        call_command(
            *("provision", "shop", "--account-id", "ABC-DEF-123Z", "--location", "in1"),
            *("--identity-provider", provider, "--enable"),
            stdout=io.StringIO(),
        )

    provision("email", CANARY)
    provision("email", CANARY)
    provision("custom_id", OTHER)

    assert changes() == [
        ("command line", "app", "Created.", []),
        ("command line", "integration", "Created.", []),
        ("command line", "integration", "Enabled, from: now.", []),
        ("command line", "apikey", "Created.", []),
        (
            "command line",
            "integration",
            "Changed.",
            [
                ("Identity provider", "email", "custom_id"),
                ("Passcode", "••••", "changed"),
            ],
        ),
    ]
    kept = str(list(Change.objects.values()))
    assert CANARY not in kept
    assert OTHER not in kept


def test_a_pause_after_a_restore_is_told_as_the_workers(integration):
    lifecycle.pause_restored_backup(integration.pk, 10)

    by, kind, what, _ = changes()[0]
    assert (by, kind) == ("worker", "integration")
    assert "a restored backup" in what


def test_the_page_is_filtered_by_app_person_and_day(admin, integration):
    other = an_integration(an_app("other"))
    for each in (integration, other):
        admin.post(f"/admin/clevertap_sync/integration/{each.pk}/pause/")
    Change.objects.filter(app=other.app).update(by="bob")
    Change.objects.filter(app=other.app).update(at="2026-01-02T23:30:00Z")

    def shown(query):
        page = admin.get(f"/admin/history/?{query}").context["changes"]
        return [row.app.slug for row in page]

    assert shown("") == ["other", "shop"]
    assert shown("app=shop") == ["shop"]
    assert shown("by=bob") == ["other"]
    assert shown("since=2026-01-02&until=2026-01-02") == ["other"]
    assert shown("since=2026-01-03") == ["shop"]
    assert shown(f"kind=integration&row={integration.pk}") == ["shop"]
    assert shown("since=nonsense&before=x&app=%00&until=9999-99-99") == [
        "other",
        "shop",
    ]


def test_the_page_is_paged_by_key(admin, integration):
    for number in range(60):
        Change.objects.create(
            by="x", kind="app", row="1", subject="s", what=str(number)
        )

    first = admin.get("/admin/history/")
    second = admin.get(f"/admin/history/{first.context['older']}")

    assert [row.what for row in first.context["changes"]] == [
        str(number) for number in range(59, 9, -1)
    ]
    assert [row.what for row in second.context["changes"]] == [
        str(number) for number in range(9, -1, -1)
    ]
    assert second.context["older"] == ""


def test_an_integrations_page_has_its_latest_changes_for_superusers(
    admin, staff, integration
):
    admin.post(change(integration), as_it_is(integration, identity_provider="phone"))

    assert "Who changed it" in text_of(admin.get(change(integration)))
    other = staff("clevertap_sync.change_integration")
    assert "Who changed it" not in text_of(other.get(change(integration)))
    assert other.get("/admin/history/").status_code == 403
    moved = admin.get(f"{change(integration)[:-7]}history/")
    assert moved.url == f"/admin/history/?kind=integration&row={integration.pk}"


def test_a_hostile_name_is_inert_in_the_history(admin):
    script = "<script>alert(1)</script>"
    admin.post("/admin/referrals/app/add/", {"name": script, "slug": "shop"})

    page = text_of(admin.get("/admin/history/"))

    assert script not in page
    assert "&lt;script&gt;" in page


def test_a_passcode_that_cannot_be_read_does_not_stop_a_change(
    admin, integration, settings
):
    integration.passcode = Secret(CANARY)
    integration.save()
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-that-which-it-was-saved-with"]

    admin.post(change(integration), as_it_is(integration, identity_provider="phone"))

    assert Integration.objects.get().identity_provider == "phone"
    assert changes()[0][3] == [("Identity provider", "email", "phone")]
