"""A set-up file is read: what it may say, and the sentence for each thing that it may not."""

from datetime import date
from pathlib import Path

import pytest

from clevertap_sync.models import Alert, Integration
from clevertap_sync.provisioning.file_keys import APP_COLUMNS, TABLES, list_tables
from clevertap_sync.provisioning.file_reading import (
    SetUpFileError,
    read_set_up,
    spell_place,
)
from clevertap_sync.provisioning.file_secrets import SecretPlaces
from referrals.models import App

#: Stands for a passcode that somebody wrote where it does not belong.
PLANTED = "PLA-NTE-DXXX"
INTEGRATION = """
[apps.shop.integrations.default]
account_id = "ABC-DEF-123Z"
location = "in1"
identity_provider = "email"
"""
SOURCE = '[apps.shop.sources.Branch]\nplatform = "branch"\n'
ALERT = "[alerts.team]\n"
AT_INTEGRATION = "apps.shop.integrations.default"


def read(text, folder=Path(), **environment):
    return read_set_up(text, SecretPlaces(environment, folder))


def refusals(text, **environment):
    """Return the lines of the refusal, having seen that they repeat no planted secret."""
    with pytest.raises(SetUpFileError) as refused:
        read(text, **environment)
    assert PLANTED not in str(refused.value)
    return str(refused.value).splitlines()


def test_rows_have_their_place_their_name_and_their_values():
    rows = read(
        INTEGRATION + 'passcode_expires_on = 2027-01-31\npasscode_kind = "user"'
    )

    (app,) = rows["apps"]
    (integration,) = app.inner["integrations"]
    assert (app.place, app.name, app.values) == ("apps.shop", "shop", {})
    assert integration.place == AT_INTEGRATION
    assert integration.values == {
        "account_id": "ABC-DEF-123Z",
        "location": "in1",
        "identity_provider": "email",
        "passcode_kind": "user",
        "passcode_expires_on": date(2027, 1, 31),
    }
    assert rows["alerts"] == ()


def test_an_empty_file_asks_for_nothing():
    assert read("") == {"apps": (), "alerts": ()}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("app = 1", "app: There is no such key. Is apps meant?"),
        ("xyz = 1", "xyz: There is no such key. Known: apps, alerts."),
        ("apps = 1", "apps: Write tables, such as [apps.APP]."),
        ("apps.shop = 1", "apps.shop: Write a table, such as [apps.APP]."),
        (
            INTEGRATION + "acount_id = 1",
            f"{AT_INTEGRATION}.acount_id: There is no such key. Is account_id meant?",
        ),
        (
            '[apps."my shop"]',
            (
                'apps."my shop": Enter a valid “slug” consisting of letters, numbers, '
                "underscores or hyphens."
            ),
        ),
        (
            "[apps.shop.integrations]\ndefault = 1",
            f"{AT_INTEGRATION}: Write a table, such as [apps.APP.integrations.NAME].",
        ),
    ],
)
def test_what_is_no_key_is_named_with_what_may_be_meant(text, line):
    assert refusals(text) == [line]


WRONG = [
    (INTEGRATION.replace("in1", PLANTED), "location", "There is no such location. Use"),
    (INTEGRATION + f'passcode = "{PLANTED}"', "passcode", "Never write a secret into"),
    (INTEGRATION + f'passcode = {{ env = "{PLANTED}" }}', "passcode", "env takes the"),
    (INTEGRATION + f'passcode = {{ path = "{PLANTED}" }}', "passcode", "Never write a"),
    (
        INTEGRATION + 'passcode = { env = "NONE" }',
        "passcode",
        "The variable is not set",
    ),
    (
        INTEGRATION + f'passcode = {{ file = "{PLANTED}" }}',
        "passcode",
        "The file cannot be read (FileNotFoundError).",
    ),
    (INTEGRATION + f'enable = "{PLANTED}"', "enable", "Write true or false, without"),
    (
        INTEGRATION + f'event_kinds = "{PLANTED}"',
        "event_kinds",
        "Use one of: production",
    ),
    (INTEGRATION + f'not_sent = ["{PLANTED}"]', "not_sent", "Entry 1 is none of: app_"),
    (
        INTEGRATION + f'not_sent = "{PLANTED}"',
        "not_sent",
        "Write a list of texts, such",
    ),
    (
        INTEGRATION + "in_flight_limit = 0",
        "in_flight_limit",
        "Write a number from 1 to",
    ),
    (INTEGRATION + "in_flight_limit = true", "in_flight_limit", "Write a whole number"),
    (
        INTEGRATION + "property_limit = -1",
        "property_limit",
        "Ensure this value is great",
    ),
    (
        INTEGRATION + "passcode_expires_on = 2027-01-31T00:00:00",
        "passcode_expires_on",
        "Write a date, such as 2027-01-31, without quotes.",
    ),
    (
        INTEGRATION.replace("email", " "),
        "identity_provider",
        "The text is empty. Leave",
    ),
    (
        INTEGRATION.replace("email", r"\u0000"),
        "identity_provider",
        "Leave out line breaks",
    ),
    (
        INTEGRATION.replace("email", "e" * 101),
        "identity_provider",
        "Ensure this value has at most 100 characters (it has 101).",
    ),
]


@pytest.mark.parametrize(("text", "key", "sentence"), WRONG)
def test_a_value_that_cannot_be_is_refused_where_it_stands_and_never_repeated(
    text, key, sentence
):
    (line,) = refusals(text)

    assert line.startswith(f"{AT_INTEGRATION}.{key}: {sentence}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            f'[apps.shop]\nignored_networks = ["192.0.2.0/24", "{PLANTED}"]',
            (
                "apps.shop.ignored_networks: Entry 2 is no network and no address, such as "
                "192.0.2.0/24."
            ),
        ),
        (
            f'[apps.shop]\nloose_ids = ["{PLANTED}@example.com"]',
            (
                "apps.shop.loose_ids: Write names of identity providers, such as anonymous_id, "
                "device_handle, and no one's identity."
            ),
        ),
        (
            "[apps.shop]\napi_key_days = 0",
            "apps.shop.api_key_days: Write a number from 1 to 3,650.",
        ),
        (
            f'[alerts.team]\nrecipients = ["{PLANTED}"]',
            "alerts.team.recipients: Entry 1 is no e-mail address.",
        ),
        (
            "[alerts.team]\nlag_minutes = 1",
            "alerts.team.lag_minutes: Write a number from 2 to 10,080.",
        ),
        (
            "[alerts.team]\nnew_names = 1",
            "alerts.team.new_names: Write true or false, without quotes.",
        ),
    ],
)
def test_apps_and_alerts_have_rules_of_their_own(text, line):
    assert refusals(text) == [line]


def test_a_platform_is_one_that_is_known():
    (line,) = refusals(SOURCE.replace('"branch"', f'"{PLANTED}"'))

    assert line.startswith("apps.shop.sources.Branch.platform: Use one of: branch, ")


def test_everything_that_is_wrong_is_said_at_once():
    lines = refusals(
        '[apps.shop]\nname = 1\n[apps.shop.integrations.x]\n[alerts.team]\nhow = "slack"'
    )

    assert [line.partition(":")[0] for line in lines] == [
        "apps.shop.name",
        "apps.shop.integrations.x.account_id",
        "apps.shop.integrations.x.location",
        "apps.shop.integrations.x.identity_provider",
        "alerts.team.how",
    ]


@pytest.mark.parametrize(
    "text",
    [f'passcode = "{PLANTED}', f"[apps.shop\n{PLANTED}", f"a = {PLANTED}"],
)
def test_what_is_no_toml_is_refused_with_its_line(text):
    (line,) = refusals(text)

    assert line.startswith("file: This is no TOML: ")


def test_tables_that_are_nested_without_end_are_refused():
    assert refusals("a = " + "[" * 100_000) == [
        "file: Its tables are nested too deeply."
    ]


def test_a_secret_comes_from_the_environment_or_from_a_file_beside(tmp_path):
    (tmp_path / "passcode").write_text(f"{PLANTED}\n", "utf-8")

    (of_variable,) = read(INTEGRATION + 'passcode = { env = "P" }', P=f" {PLANTED} ")[
        "apps"
    ]
    (of_file,) = read(INTEGRATION + 'passcode = { file = "passcode" }', tmp_path)[
        "apps"
    ]

    for app in (of_variable, of_file):
        passcode = app.inner["integrations"][0].values["passcode"]
        assert passcode.reveal() == PLANTED
        assert PLANTED not in repr(app)


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "x" * 5000])
def test_what_is_no_secret_is_not_taken_for_one(text):
    (line,) = refusals(INTEGRATION + 'passcode = { env = "P" }', P=text)

    assert line.startswith(f"{AT_INTEGRATION}.passcode: ")


def test_a_place_is_spelled_as_toml_has_it():
    assert spell_place("alerts", "Growth team", 'a"b') == r'alerts."Growth team"."a\"b"'


def test_never_is_said_by_false():
    (alert,) = read(ALERT + "lag_minutes = false\nheld_minutes = 0")["alerts"]

    assert alert.values == {"lag_minutes": None, "held_minutes": 0}


def test_every_setting_of_a_person_has_a_key():
    """A new column of the form is missed here until the file has it, too."""
    from clevertap_sync.admin.alerts.alert_form import AlertForm
    from clevertap_sync.admin.integration.integration_form import COLUMNS
    from referrals.admin.app_form import AppForm

    integration = TABLES["apps"].inner["integrations"].keys
    assert set(COLUMNS) - integration.keys() == {"app", "name"}
    assert set(AppForm.Meta.fields) - set(APP_COLUMNS) == {"slug"}
    # An alert that a person has switched off stays so.
    assert set(AlertForm.Meta.fields) - TABLES["alerts"].keys.keys() == {
        "name",
        "enabled",
    }


def test_every_key_says_what_it_takes_and_means():
    silent = [
        (table.place, key.name)
        for table in list_tables()
        for key in table.keys.values()
        if not (key.takes and key.meaning)
    ]

    assert silent == []


def test_columns_keep_their_names():
    for model, keys in (
        (App, TABLES["apps"].keys),
        (Integration, TABLES["apps"].inner["integrations"].keys),
        (Alert, TABLES["alerts"].keys),
    ):
        columns = {each.name for each in model._meta.get_fields()}
        own = {
            *("account_id", "location", "enable", "in_flight_limit", "api_key"),
            *("api_key_days", "address", "heartbeat_address"),
        }
        assert keys.keys() - columns - own == set()
