"""`manage.py provision --file`: a whole set-up, brought to what the file says, and not beyond."""

import io
import json

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Account, Alert, Integration
from clevertap_sync.provisioning.file_keys import APP_COLUMNS, list_tables
from referrals import history, log, source_setup
from referrals.models import ApiKey, App, Change, Source
from referrals.secret import Secret
from tests import documented
from tests.builders import a_sent_event, an_app, an_integration

pytestmark = pytest.mark.django_db

PASSCODE = "planted-passcode"
WORDS = {
    "PASSCODE": PASSCODE,
    "HOOK": "https://hooks.example.com/planted",
    "HEARTBEAT": "https://heartbeat.example.com/planted",
    "SECRET": "planted-secret",
}
#: Every key of every table.
EVERYTHING = """
[apps.shop]
name = "The Shop"
ignored_networks = ["192.0.2.0/24", "2001:db8::/32"]
loose_ids = ["anonymous_id"]
remembers_referrers = true
fraud_same_ip = true
fraud_installs = 3
fraud_installs_days = 7
fraud_advertising_ids = false
fraud_advertising_ids_days = 14
api_key = true
api_key_days = 90

[apps.shop.integrations.production]
account_id = "ABC-DEF-123Z"
location = "India"
identity_provider = "custom_id"
passcode = { env = "PASSCODE" }
enable = true
event_kinds = "production"
not_sent = ["app_open:generated"]
send_suspicious = false
send_rejected = false
passcode_kind = "user"
passcode_expires_on = 2099-01-31
time_zone = "Asia/Kolkata"
reconciles = true
event_data_format = "json"
send_none = true
refuse_long_texts = true
send_event_id = true
property_limit = 200
late_time = "known"
falls_back_to_clevertap_id = true
in_flight_limit = 3

[apps.shop.sources.Ours]
platform = "custom"
identity = "email"
referrer_keys = ["invited_by"]
events = ["Level Reached"]
test = true
takes_marketing_links = true
verifier = { is = "hmac", header = "X-Signature" }
secret = { env = "SECRET" }

[alerts."Growth team"]
app = "shop"
way = "webhook"
recipients = ["growth@example.com"]
address = { env = "HOOK" }
held_minutes = 0
lag_minutes = 10
dead_percent = 6
passcode_days = 7
refused_percent = 8
quiet_hours = false
pause_hours = 9
stale_percent = 10
fewer_percent = 11
new_names = false
worker_gone = false
failing_alerts = false
failing_sources = false
other_errors = false
other_warnings = true
heartbeat_address = { env = "HEARTBEAT" }
heartbeat_minutes = 2
heartbeat_fails = true
"""
INTEGRATION = """
[apps.shop.integrations.default]
account_id = "ABC-DEF-123Z"
location = "in1"
identity_provider = "email"
"""
ENABLED = INTEGRATION + 'passcode = { env = "PASSCODE" }\nenable = true\n'
ALERT = '[alerts.team]\nrecipients = ["team@example.com"]\n'


@pytest.fixture(autouse=True)
def _secrets(monkeypatch, settings):
    for name, text in WORDS.items():
        monkeypatch.setenv(name, text)
    # Nobody is asked about users.
    settings.CLEVERTAP_BASE_URL = "http://127.0.0.1:1/{location}"


@pytest.fixture
def apply(tmp_path):
    """Apply a file of this text; return what was printed, its exit status, and warnings."""

    def run(text, *flags):
        path = tmp_path / "set-up.toml"
        path.write_text(text, "utf-8")
        out, err, status = io.StringIO(), io.StringIO(), 0
        try:
            call_command("provision", f"--file={path}", *flags, stdout=out, stderr=err)
        except SystemExit as end:
            status = end.code
        assert PASSCODE not in out.getvalue() + err.getvalue()
        assert "/planted" not in out.getvalue() + err.getvalue()
        return out.getvalue(), status, err.getvalue()

    return run


@pytest.fixture
def apply_json(apply):
    return lambda text, *flags: json.loads(apply(text, "--json", *flags)[0])


def changes(answer):
    return [(each["place"], each["what"]) for each in answer["changes"]]


def rows():
    """Return every row of ours, as stored; ciphertexts differ each time they are written."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label in {"referrals", "clevertap_sync"}
    }


def refused(apply, text):
    """Return why the file was refused, having seen that nothing was written."""
    before = rows()
    with pytest.raises(CommandError) as caught:
        apply(text)
    assert rows() == before
    return str(caught.value)


def test_the_example_names_every_key():
    names = [key for table in list_tables() for key in table.keys]

    assert [each for each in names if f"\n{each} = " not in EVERYTHING] == []
    assert [each for each in APP_COLUMNS if f"\n{each} = " not in EVERYTHING] == []


def test_a_whole_set_up_is_made_and_a_second_run_changes_nothing(apply_json):
    first = apply_json(EVERYTHING)
    before = rows()

    second = apply_json(EVERYTHING)

    assert changes(first) == [
        ("apps.shop", "made"),
        ("apps.shop.api_key", "made"),
        ("apps.shop.integrations.production", "made"),
        ("apps.shop.integrations.production", "enabled"),
        ("apps.shop.sources.Ours", "made"),
        ('alerts."Growth team"', "made"),
    ]
    assert second == {
        "dry_run": False,
        "changes": [],
        "notes": [],
        "left_alone": [],
        "shown_once": [],
    }
    assert rows() == before


def test_what_the_file_says_is_what_is_stored(apply):
    apply(EVERYTHING)

    app, integration = App.objects.get(), Integration.objects.get()
    source, alert = Source.objects.get(), Alert.objects.get()
    assert (app.name, app.loose_ids) == ("The Shop", ["anonymous_id"])
    assert (app.fraud_installs, app.fraud_advertising_ids) == (3, None)
    assert app.ignored_networks == "192.0.2.0/24\n2001:db8::/32"
    assert str(integration.account) == "ABC-DEF-123Z (India)"
    assert integration.passcode.reveal() == PASSCODE
    assert integration.not_sent == ["app_open:generated"]
    assert integration.passcode_expires_on.isoformat() == "2099-01-31"
    assert integration.counts_since is not None
    assert integration.enabled
    assert integration.identities_may_be_new
    assert Account.objects.get().in_flight_limit == 3
    assert Account.objects.get().current_limit == 3
    assert source.secret.reveal() == WORDS["SECRET"]
    assert source.verifier == {"is": "hmac", "header": "X-Signature"}
    assert (source.is_test, source.takes_marketing_links) == (True, True)
    assert (alert.app, alert.lag_minutes, alert.quiet_hours) == (app, 10, None)
    assert alert.url.reveal() == WORDS["HOOK"]
    assert alert.signing_secret


def test_a_dry_run_says_what_would_happen_and_changes_nothing(apply, apply_json):
    an_integration(an_app("other"))
    before = rows()

    said, status, _ = apply(EVERYTHING, "--dry-run")
    planned = apply_json(EVERYTHING, "--dry-run")
    unchanged = rows()
    done = apply_json(EVERYTHING)
    after, nothing, _ = apply(EVERYTHING, "--dry-run")

    assert unchanged == before
    assert status == 3
    assert "+ apps.shop: would be made\n" in said
    assert "> apps.shop.integrations.production: would be enabled, from now\n" in said
    assert "It would be: 5 made, 1 enabled. Nothing was written." in said
    assert "not shown again" not in said
    assert planned["changes"] == done["changes"]
    assert planned["shown_once"] == []
    assert [each["what"] for each in done["shown_once"]] == [
        "API key",
        "address",
        "signing secret",
    ]
    assert (after.splitlines()[0], nothing) == ("Nothing would change.", 0)


def test_what_differs_is_changed_and_told_with_its_history(apply, apply_json):
    apply(ENABLED + ALERT)

    answer = apply_json(
        ENABLED.replace("in1", "eu1").replace('"email"', '"custom_id"')
        + "in_flight_limit = 2\n"
        + ALERT
        + "lag_minutes = 99\n"
    )

    assert answer["changes"] == [
        {
            "place": "apps.shop.integrations.default",
            "what": "changed",
            "differences": [
                ["Identity provider", "email", "custom_id"],
                ["Account", "ABC-DEF-123Z (India)", "ABC-DEF-123Z (Europe)"],
                ["Uploads at the same time", "5", "2"],
            ],
        },
        {
            "place": "alerts.team",
            "what": "changed",
            "differences": [["Minutes events wait", "30", "99"]],
        },
    ]
    alert = Alert.objects.get()
    assert history.list_changes(alert)[0].by == history.COMMAND_LINE
    assert Integration.objects.get().account.location == "eu1"


def test_another_secret_is_changed_and_never_told(apply, apply_json, monkeypatch):
    apply(ENABLED)
    monkeypatch.setenv("PASSCODE", "another-passcode")

    answer = apply_json(ENABLED)

    assert answer["changes"][0]["differences"] == [["Passcode", "••••", "changed"]]
    assert Integration.objects.get().passcode.reveal() == "another-passcode"


def test_what_is_left_out_of_the_file_stays_as_it_is(apply):
    apply(EVERYTHING)
    before = Integration.objects.values().get()

    said, _, _ = apply(
        '[apps.shop]\n[apps.shop.integrations.production]\naccount_id = "ABC-DEF-123Z"\n'
        'location = "in1"\nidentity_provider = "custom_id"\n'
    )

    assert said.splitlines() == [
        "Nothing changed.",
        "Not in the file, and left alone:",
        "  apps.shop.sources.Ours",
        '  alerts."Growth team"',
    ]
    assert Integration.objects.values().get() == before


def test_apps_integrations_and_alerts_beyond_the_file_are_named(apply_json):
    an_integration(an_app("blog"))
    an_integration(an_app("shop"), name="old")
    an_app("gone", archived_at="2026-01-01T00:00Z")

    assert apply_json(INTEGRATION)["left_alone"] == [
        "apps.shop.integrations.old",
        "apps.blog",
    ]


def test_what_a_person_paused_stays_paused(apply, apply_json):
    apply(ENABLED)
    lifecycle.pause_integration(Integration.objects.get())

    answer = apply_json(ENABLED)

    assert answer["changes"] == []
    assert answer["notes"] == [
        {
            "place": "apps.shop.integrations.default",
            "sentence": "It is paused, and stays so: resume it in the admin.",
        }
    ]
    assert not Integration.objects.get().enabled


def test_an_alert_that_a_person_switched_off_stays_off(apply, apply_json):
    apply(ALERT)
    Alert.objects.update(enabled=False)

    answer = apply_json(ALERT)

    assert answer["changes"] == []
    assert answer["notes"][0]["place"] == "alerts.team"
    assert not Alert.objects.get().enabled


def test_delivery_starts_from_now_where_it_never_was_enabled(apply):
    apply(INTEGRATION)
    app = App.objects.get()
    log.append(app, [a_sent_event(id=f"event-{n}") for n in range(3)])

    said, _, _ = apply(ENABLED)

    integration = Integration.objects.get()
    assert (integration.enabled, integration.cursor) == (True, 3)
    assert "> apps.shop.integrations.default: enabled, from now" in said


def test_a_secret_that_was_rotated_since_is_not_taken_back(apply, apply_json):
    source = '[apps.shop.sources.Dub]\nplatform = "dub"\nsecret = { env = "SECRET" }\n'
    apply(source)
    row = Source.objects.get()
    source_setup.set_secret("a person", row, Secret("a-newer-secret"))

    assert apply_json(source)["changes"] == []
    row.refresh_from_db()
    assert row.secret.reveal() == "a-newer-secret"


def test_an_app_that_needs_no_key_gets_none(apply):
    apply("[apps.shop]\napi_key = false\n")

    assert App.objects.count() == 1
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            ENABLED.replace('passcode = { env = "PASSCODE" }', ""),
            "apps.shop.integrations.default.passcode: Enabling needs the account's pass",
        ),
        (
            INTEGRATION + INTEGRATION.replace("default", "second"),
            "apps.shop.integrations.second.account_id: The app's integration default uses",
        ),
        (
            INTEGRATION + 'time_zone = "Mars/Base"',
            "apps.shop.integrations.default.time_zone: There is no such time zone.",
        ),
        (
            INTEGRATION + "passcode_expires_on = 2099-01-31",
            "apps.shop.integrations.default.passcode_expires_on: Only a user passcode",
        ),
        (
            '[apps.shop.sources.Branch]\nplatform = "branch"\nevents = ["a\\u200bb"]',
            "apps.shop.sources.Branch.events: Entry 1: Leave out line breaks",
        ),
        (
            '[apps.shop.sources.Branch]\nplatform = "branch"\nidentity = "a b"',
            "apps.shop.sources.Branch: There can be no such identity provider.",
        ),
        (INTEGRATION + "[alerts.team]", "alerts.team.recipients: Write at least one"),
        ('[alerts.team]\nway = "slack"', "alerts.team.address: Say where the address"),
        (
            '[alerts.team]\nway = "slack"\naddress = { env = "SECRET" }',
            "alerts.team.address: Begin with https:// and a host name.",
        ),
        (ALERT + 'app = "none"', "alerts.team.app: There is no such app"),
    ],
)
def test_what_cannot_be_is_refused_whole(apply, text, line):
    assert refused(apply, text).startswith(line)


def test_what_is_archived_is_refused(apply):
    apply(INTEGRATION)
    Integration.objects.update(archived_at="2026-01-01T00:00Z")
    integration = refused(apply, INTEGRATION)
    App.objects.update(archived_at="2026-01-01T00:00Z")

    assert integration.startswith("apps.shop.integrations.default: This integration is")
    assert refused(apply, INTEGRATION).startswith("apps.shop: This app is archived.")


def test_two_alerts_of_one_name_are_not_told_apart(apply):
    Alert.objects.bulk_create([Alert(name="team"), Alert(name="team")])

    assert refused(apply, ALERT).startswith(
        "alerts.team: Several alerts have this name."
    )


def test_events_for_an_account_of_the_other_kind_are_warned_of(apply):
    _, _, err = apply(INTEGRATION + 'event_kinds = "test"\n')

    assert (
        "apps.shop.integrations.default: Test events go to ABC-DEF-123Z, a prod" in err
    )


def test_the_page_s_example_can_be_applied(apply, tmp_path, monkeypatch):
    passcode = tmp_path / "passcode"
    passcode.write_text("of-staging\n", "utf-8")
    monkeypatch.setenv("PASSCODE_PRODUCTION", PASSCODE)
    example = documented.block("reference/set-up-file", "toml")

    said, status, err = apply(
        example.replace("/run/secrets/passcode-staging", "passcode")
    )

    assert (status, err) == (0, "")
    assert "6 made, 2 enabled." in said
    assert Integration.objects.get(name="staging").passcode.reveal() == "of-staging"
    assert Integration.objects.filter(enabled=True).count() == 2
    assert Change.objects.filter(by=history.COMMAND_LINE).exists()


@pytest.mark.parametrize(
    "options",
    [
        ("shop", "--file=x.toml"),
        ("--file=x.toml", "--enable"),
        ("shop",),
        (
            "shop",
            "--account-id=1",
            "--identity-provider=e",
            "--location=in1",
            "--dry-run",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options):
    with pytest.raises(CommandError):
        call_command("provision", *options)

    assert not App.objects.exists()


def test_a_file_that_is_not_there_is_said_without_its_path():
    with pytest.raises(CommandError, match=r"^The file cannot be read \(FileNotFound"):
        call_command("provision", "--file=/nowhere/planted")


def test_a_mark_that_an_editor_puts_before_the_text_is_no_part_of_it(apply):
    said, _, _ = apply("\N{BYTE ORDER MARK}[apps.shop]\napi_key = false\n")

    assert said.startswith("+ apps.shop: made\n1 made.\n")
