"""`manage.py provision`: what it makes, what it leaves alone, what it refuses."""

import io
import json
import re
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from clevertap_sync.clevertap.locations import LABELS, Location
from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Account, Integration, Upload
from clevertap_sync.process import clock
from clevertap_sync.provisioning import find_location
from referrals import history, log
from referrals.fraud_rules import FraudRules, Limit
from referrals.keys import digest_key
from referrals.models import ApiKey, App, Source
from tests.builders import a_sent_event

pytestmark = pytest.mark.django_db

PASSCODE = "planted-passcode"


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch, settings):
    """Take no passcode from this machine, and ask no CleverTap about users."""
    monkeypatch.delenv("CLEVERTAP_PASSCODE", raising=False)
    settings.CLEVERTAP_BASE_URL = "http://127.0.0.1:1/{location}"


@pytest.fixture
def provision(monkeypatch):
    """Run the command with sensible values; return its two outputs."""

    def run(*flags, app="shop", stdin=None, **changed):
        values = {
            "account_id": "ABC-DEF-123Z",
            "identity_provider": "email",
            "location": "in1",
            **changed,
        }
        options = [f"--{k.replace('_', '-')}={v}" for k, v in values.items()]
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
            flags = (*flags, "--passcode-stdin")
        out, err = io.StringIO(), io.StringIO()
        call_command("provision", app, *options, *flags, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def provision_json(provision):
    return lambda *flags, **values: json.loads(provision("--json", *flags, **values)[0])


def append(app, *numbers):
    log.append(app, [a_sent_event(id=f"event-{number}") for number in numbers])


def test_it_makes_app_key_and_integration(provision_json):
    answer = provision_json(stdin=f" {PASSCODE}\n")

    integration = Integration.objects.get()
    assert answer == {
        "app": "shop",
        "api_key": answer["api_key"],
        "integration": "default",
        "enabled": False,
    }
    assert ApiKey.objects.get().digest == digest_key(answer["api_key"])
    assert (integration.app.slug, integration.name) == ("shop", "default")
    assert integration.account.account_id == "ABC-DEF-123Z"
    assert integration.account.location == "in1"
    assert integration.identity_provider == "email"
    assert integration.passcode.reveal() == PASSCODE
    assert not integration.enabled


def test_a_repeat_changes_nothing_and_shows_no_key(provision_json):
    first = provision_json("--enable", stdin=PASSCODE)

    second = provision_json("--enable", stdin=PASSCODE)

    assert "api_key" in first
    assert second == {"app": "shop", "integration": "default", "enabled": True}
    counts = [m.objects.count() for m in (App, ApiKey, Account, Integration)]
    assert counts == [1, 1, 1, 1]
    assert not Upload.objects.exists()


def test_a_repeat_updates_what_differs_and_keeps_the_passcode(provision):
    provision("--enable", stdin=PASSCODE)

    provision(
        account_id=" TEST-ABC-DEF-123Z ",
        identity_provider="custom_id",
        location="United States",
        name="The Shop",
    )

    integration = Integration.objects.get()
    assert integration.account.account_id == "TEST-ABC-DEF-123Z"
    assert integration.account.location == "us1"
    assert integration.identity_provider == "custom_id"
    assert integration.passcode.reveal() == PASSCODE
    assert integration.app.name == "The Shop"
    assert integration.enabled


def test_a_held_integration_is_tried_again_only_when_something_changed(provision):
    provision("--enable", stdin=PASSCODE)
    held = {"hold_reason": "credentials_refused", "hold_probes": True}
    Integration.objects.update(**held, held_until="2099-01-01T00:00Z")

    provision(stdin=PASSCODE)
    unchanged = Integration.objects.get().held_until
    provision(stdin="another-passcode")

    assert unchanged.year == 2099
    assert Integration.objects.get().held_until.year < 2099


@pytest.mark.parametrize(
    ("changes", "are_new"),
    [
        ({}, False),
        ({"identity_provider": "custom_id"}, False),
        ({"stdin": "another-passcode"}, True),
        ({"account_id": "XYZ-DEF-123Z"}, True),
        ({"location": "sg1"}, True),
    ],
    ids=["nothing", "provider", "passcode", "account", "location"],
)
def test_since_when_credentials_are_in_force_is_noted(provision, changes, are_new):
    provision(stdin=PASSCODE)
    made = Integration.objects.get().credentials_since

    provision(**changes)

    assert made is None
    assert (Integration.objects.get().credentials_since is not None) is are_new


@pytest.mark.parametrize(
    "changes", [{"account_id": "XYZ-DEF-123Z"}, {"location": "sg1"}]
)
@pytest.mark.parametrize("flags", [(), ("--enable",)], ids=["kept", "enabled"])
@pytest.mark.parametrize("reason", ["identity_mismatch", "identity_letter_case"])
def test_another_account_has_its_people_looked_up_afresh_and_the_log_goes_on(
    provision, changes, flags, reason
):
    provision("--enable", stdin=PASSCODE)
    append(App.objects.get(), 1, 2)
    Integration.objects.update(
        hold_reason=reason,
        identities_may_be_new=reason == "identity_letter_case",
        identities_unknown=12,
        identities_other_case=12 * (reason == "identity_letter_case"),
    )

    provision(*flags, **changes)

    integration = Integration.objects.get()
    assert (integration.enabled, integration.cursor) == (True, 0)
    assert integration.identities_may_be_new is bool(flags)
    assert (integration.identities_unknown, integration.identities_other_case) == (0, 0)
    # The next dry run ends the hold.
    assert integration.hold_probes is True
    assert integration.held_until <= clock.read_now()


def test_enabling_first_starts_from_now(provision_json):
    provision_json()
    append(App.objects.get(), 1, 2, 3)

    answer = provision_json("--enable", stdin=PASSCODE)

    integration = Integration.objects.get()
    assert answer["enabled"] is True
    assert (integration.enabled, integration.cursor) == (True, 3)


def test_enabling_again_skips_nothing_although_nothing_was_delivered_yet(provision):
    provision("--enable", stdin=PASSCODE)
    integration = Integration.objects.get()
    enabled_at = integration.first_enabled_at
    lifecycle.pause_integration(integration)
    append(App.objects.get(), 1, 2, 3)

    provision("--enable")

    integration.refresh_from_db()
    assert (integration.enabled, integration.cursor) == (True, 0)
    assert integration.first_enabled_at == enabled_at


def test_enabling_again_goes_on_where_it_stopped(provision):
    provision("--enable", stdin=PASSCODE)
    append(App.objects.get(), 1, 2)
    integration = Integration.objects.get()
    Upload.objects.create(
        integration=integration,
        first=1,
        last=1,
        settings={},
        created_at="2026-01-01T00:00Z",
        due_at="2026-01-01T00:00Z",
    )
    Integration.objects.update(cursor=1)
    lifecycle.pause_integration(integration)

    provision("--enable")

    integration.refresh_from_db()
    assert (integration.enabled, integration.cursor) == (True, 1)


def test_a_key_is_made_again_once_all_are_revoked(provision_json):
    first = provision_json()
    ApiKey.objects.update(revoked_at="2026-01-01T00:00Z")

    second = provision_json()

    assert second["api_key"] != first["api_key"]


def test_a_key_with_a_life_is_followed_by_the_next_one_once_it_has_expired(
    provision_json, provision
):
    first = provision_json("--expires", "90")
    again = provision_json("--expires", "90")
    key = ApiKey.objects.get()
    left = key.expires_at - timezone.now()
    ApiKey.objects.update(expires_at=timezone.now())

    text, _ = provision("--expires", "1")

    assert timedelta(days=90) - timedelta(minutes=1) < left <= timedelta(days=90)
    assert first["api_key_expires_at"] == key.expires_at.isoformat()
    assert again.keys().isdisjoint({"api_key", "api_key_expires_at"})
    assert ApiKey.objects.count() == 2
    assert "             It expires on " in text


@pytest.mark.parametrize("days", ["0", "-1", "3651", "9" * 20, "soon"])
def test_a_life_of_a_key_that_cannot_be_is_refused(provision, days):
    with pytest.raises(CommandError, match="argument --expires: this value cannot"):
        provision("--expires", days)

    assert App.objects.count() == 0


def test_the_passcode_comes_from_the_environment_too(provision, monkeypatch):
    monkeypatch.setenv("CLEVERTAP_PASSCODE", f"{PASSCODE}\n")

    provision("--enable")

    assert Integration.objects.get().passcode.reveal() == PASSCODE


def test_one_app_has_several_integrations(provision):
    provision()

    provision(integration="second", account_id="XYZ-DEF-123Z")

    names = Integration.objects.values_list("name", "account__account_id")
    assert sorted(names) == [("default", "ABC-DEF-123Z"), ("second", "XYZ-DEF-123Z")]


def test_an_unusual_account_id_is_taken_with_a_warning(provision):
    _, warning = provision(account_id="unusual")

    assert "does not look like one of CleverTap's" in warning
    assert Account.objects.get().account_id == "unusual"


@pytest.mark.parametrize(
    ("account_id", "kinds", "said"),
    [
        ("ABC-DEF-123Z", "production", ""),
        ("TEST-ABC-DEF-123Z", "test", ""),
        (
            "TEST-ABC-DEF-123Z",
            "production",
            "Production events go to TEST-ABC-DEF-123Z",
        ),
        ("TEST-ABC-DEF-123Z", "both", "Production events go to TEST-ABC-DEF-123Z"),
        (
            "ABC-DEF-123Z",
            "test",
            "Test events go to ABC-DEF-123Z, a production account",
        ),
        (
            "ABC-DEF-123Z",
            "both",
            "Test events go to ABC-DEF-123Z, a production account",
        ),
    ],
)
def test_events_for_an_account_of_the_other_kind_are_warned_of(
    provision, account_id, kinds, said
):
    _, err = provision(f"--event-kinds={kinds}", account_id=account_id)

    assert err.startswith(said)
    assert bool(err) is bool(said)
    assert Integration.objects.get().event_kinds == kinds


def test_the_kinds_of_events_change_by_the_option_alone(provision):
    provision("--event-kinds=test")
    provision()
    kept = Integration.objects.get()

    provision("--event-kinds=production")

    changed = Integration.objects.get()
    assert (kept.event_kinds, changed.event_kinds) == ("test", "production")
    assert history.list_changes(changed)[0].differences == [
        ["Event kinds", "Test events", "Production events"]
    ]


def test_the_passcode_is_never_printed(provision):
    out, err = provision("--enable", stdin=PASSCODE)

    assert PASSCODE not in out + err
    assert "Keep it: it is not shown again." in out


def refused(provision, *flags, **values):
    """Return why the command was refused, having seen that nothing was written."""
    before = [m.objects.count() for m in (App, ApiKey, Account, Integration)]
    with pytest.raises(CommandError) as caught:
        provision(*flags, **values)
    after = [m.objects.count() for m in (App, ApiKey, Account, Integration)]
    assert before == after
    return str(caught.value)


def test_an_unknown_location_is_refused_with_the_known_ones(provision):
    text = refused(provision, location="mars")

    assert text.startswith("There is no location 'mars'. Use one of: eu1 (Europe), in1")


def test_enabling_without_a_passcode_is_refused(provision):
    assert refused(provision, "--enable").startswith(
        "Enabling needs the account's passcode."
    )


def test_an_empty_standard_input_is_refused(provision):
    assert refused(provision, stdin="\n").startswith(
        "No passcode came on standard input."
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"app": "my shop"}, "slug: "),
        ({"app": "x" * 51}, "slug: "),
        ({"integration": "a b"}, "name: "),
        ({"account_id": " "}, "account id: "),
        ({"account_id": "A" * 65}, "account id: "),
        ({"identity_provider": " "}, "identity provider: "),
        ({"identity_provider": "p" * 101}, "identity provider: "),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(provision, values, named):
    assert refused(provision, **values).startswith(named)


def test_an_account_that_another_integration_of_the_app_uses_is_refused(provision):
    provision()

    text = refused(provision, integration="second")

    assert text.startswith("The app's integration default uses this account already.")


def test_what_is_archived_is_refused(provision):
    provision()
    Integration.objects.update(archived_at="2026-01-01T00:00Z")
    integration = refused(provision)
    App.objects.update(archived_at="2026-01-01T00:00Z")

    assert integration.startswith("The integration default is archived.")
    assert refused(provision).startswith("The app shop is archived.")


def test_a_passcode_that_no_key_decrypts_is_refused_until_it_is_given_anew(
    provision, settings
):
    provision(stdin=PASSCODE)
    settings.FIELD_ENCRYPTION_KEYS = ["another key, long enough to be taken for one"]

    unreadable = refused(provision, "--enable")
    provision("--enable", stdin=PASSCODE)

    assert unreadable.startswith("No key in FIELD_ENCRYPTION_KEYS decrypts")
    assert Integration.objects.get().passcode.reveal() == PASSCODE


@pytest.mark.parametrize("location", Location)
def test_every_location_is_found_by_code_and_by_name(location):
    assert find_location(f" {location.value.upper()} ") is location
    assert find_location(LABELS[location].lower()) is location


def test_it_makes_sources_of_platforms_in_the_same_run(provision_json):
    flags = ("--platform", "branch", "--platform=adjust", "--platform", "branch")

    answer = provision_json(*flags)
    again = provision_json(*flags)

    branch, adjust = Source.objects.order_by("-platform")
    assert list(answer) == ["app", "api_key", "integration", "enabled", "sources"]
    assert answer["sources"] == [
        {
            "source": branch.public_id,
            "platform": "branch",
            "url": f"/v1/hooks/{branch.public_id}",
            "secret": branch.secret.reveal(),
            "header": "X-Webhook-Secret",
        },
        {
            "source": adjust.public_id,
            "platform": "adjust",
            "url": f"/v1/hooks/{adjust.public_id}/{adjust.secret.reveal()}",
            "secret": adjust.secret.reveal(),
            "header": None,
        },
    ]
    assert [each.get("secret") for each in again["sources"]] == [None, None]
    assert again["sources"][1]["url"] == f"/v1/hooks/{adjust.public_id}/…"
    assert Source.objects.count() == 2


def test_without_platforms_nothing_is_said_of_sources(provision, provision_json):
    assert "sources" not in provision_json()
    assert "Source" not in provision()[0]


def test_people_read_where_a_platform_calls_and_what_is_missing(provision):
    out, err = provision("--platform", "branch", "--platform", "dub")

    branch, dub = Source.objects.order_by("platform")
    lines = out.splitlines()
    assert f"Source       Branch: /v1/hooks/{branch.public_id}" in lines
    assert f"             secret {branch.secret.reveal()}" in lines
    assert f"Source       Dub: /v1/hooks/{dub.public_id}" in lines
    assert "provision_source shop --platform dub --secret-stdin" in err


def test_an_unknown_platform_leaves_nothing_behind(provision):
    with pytest.raises(CommandError, match="There is no platform 'brnach'"):
        provision("--platform", "branch", "--platform", "brnach")

    assert not App.objects.exists()
    assert not Source.objects.exists()


def test_it_lists_ids_that_come_before_sign_up_and_remembers_referrers(provision):
    provision()

    provision("--loose-ids=Anonymous_ID, branch_id", "--remember-referrers")

    app = App.objects.get()
    assert app.loose_ids == ["anonymous_id", "branch_id"]
    assert app.remembers_referrers
    assert history.list_changes(app)[0].differences == [
        ["IDs that come before sign-up", history.EMPTY, "anonymous_id, branch_id"],
        ["Remembers referrers", "no", "yes"],
    ]


def test_without_the_options_they_stay_and_an_empty_list_removes_them(provision):
    provision("--loose-ids=branch_id", "--remember-referrers")
    provision()
    kept = App.objects.get()

    provision("--loose-ids=", "--no-remember-referrers")

    assert (kept.loose_ids, kept.remembers_referrers) == (["branch_id"], True)
    changed = App.objects.get()
    assert (changed.loose_ids, changed.remembers_referrers) == ([], False)


def test_somebodys_identity_is_no_id_that_comes_before_sign_up(provision):
    with pytest.raises(CommandError, match="--loose-ids: Write names of identity prov"):
        provision("--loose-ids=ann@example.com")

    assert not App.objects.exists()


def test_it_switches_the_comparison_and_leaves_it_alone_without_the_option(provision):
    provision("--reconcile")
    on = Integration.objects.get()
    provision(identity_provider="custom_id")
    kept = Integration.objects.get()
    provision(account_id="XYZ-DEF-123Z")
    moved = Integration.objects.get()

    provision("--no-reconcile", account_id="XYZ-DEF-123Z")

    off = Integration.objects.get()
    assert on.reconciles
    assert on.counts_since is not None
    assert (kept.reconciles, kept.counts_since) == (True, on.counts_since)
    assert moved.counts_since > on.counts_since
    assert (off.reconciles, off.counts_since) == (False, None)
    assert history.list_changes(off)[0].differences == [
        ["Compare with CleverTap each night", "yes", "no"]
    ]


def test_a_new_integration_is_not_compared_unless_told(provision):
    provision()

    made = Integration.objects.get()
    assert (made.reconciles, made.counts_since) == (False, None)


def test_it_sets_fraud_rules_and_leaves_alone_what_is_not_named(provision):
    provision()
    provision(
        "--fraud=installs=6", "--fraud=Installs_Days = none", "--fraud=same_ip=yes"
    )

    provision("--fraud=installs=6")

    app = App.objects.get()
    assert app.fraud_rules == FraudRules(
        same_ip=True, installs=Limit(6, None), advertising_ids=Limit(2, 30)
    )
    latest, *_ = history.list_changes(app)
    assert latest.differences == [
        ["Installs from one IP address", "4", "6"],
        ["Installs: within days", "30", history.EMPTY],
        ["Same IP address on both sides", "no", "yes"],
    ]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("installs=21", "less than or equal to 20"),
        ("installs=-1", "installs takes a whole number or none, and not '-1'."),
        ("same_ip=1", "same_ip takes yes or no, and not '1'."),
        ("ips=1", "'ips=1' is none of same_ip=…, installs=…"),
    ],
)
def test_a_fraud_rule_that_cannot_be_is_refused(provision, setting, why):
    with pytest.raises(CommandError, match=re.escape(why)):
        provision(f"--fraud={setting}")

    assert not App.objects.exists()
