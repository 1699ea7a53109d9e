"""`manage.py import_events --source`: what a platform has exported, into a log."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command

from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount
from referrals.source_setup import archive_source
from referrals.sources.presets import load_preset
from tests.builders import a_source, an_app
from tests.integration.hooks.calling import call_hook, events_of, sample_of, signed

pytestmark = pytest.mark.django_db

#: As the Export page and the Pull API name the columns of raw data.
APPSFLYER = [
    *("Attributed Touch Type", "Attributed Touch Time", "Install Time"),
    *("Event Time", "Event Name", "Event Value", "Event Revenue", "Event Source"),
    *("Partner", "Media Source", "Channel", "Keywords", "Campaign", "Campaign ID"),
    *("Sub Param 1", "Sub Param 2", "Cost Value", "IP", "AppsFlyer ID"),
    *("Advertising ID", "IDFA", "Android ID", "Customer User ID", "IDFV"),
    *("Platform", "App ID", "App Name", "Is Retargeting", "Is Primary Attribution"),
    *("HTTP Referrer", "Original URL"),
]
#: What of an install the preset's sample says, in those columns.
INSTALL = {
    "Attributed Touch Type": "click",
    "Install Time": "2026-11-27 09:14:02",
    "Event Time": "2026-11-27 09:14:02",
    "Event Name": "install",
    "Media Source": "af_app_invites",
    "Channel": "whatsapp",
    "Campaign": "spring",
    "Sub Param 1": "u-7",
    "IP": "203.0.113.7",
    "AppsFlyer ID": "1795770842118-5550001",
    "Customer User ID": "u-42",
    "IDFV": "0A1B2C3D-1111-4222-8333-444455556666",
    "Platform": "ios",
    "App ID": "id1200000001",
}
BRANCH = [
    *("id", "name", "timestamp", "timestamp_iso", "last_attributed_touch_type"),
    "last_attributed_touch_data_tilde_id",
    "last_attributed_touch_data_tilde_campaign",
    "last_attributed_touch_data_tilde_channel",
    "last_attributed_touch_data_tilde_feature",
    *("last_attributed_touch_data_custom_fields", "deep_linked", "user_data_os"),
    *("user_data_idfv", "user_data_ip", "user_data_developer_identity"),
    *("event_data_revenue", "event_data_currency", "custom_data", "hash_version"),
]
BRANCH_INSTALL = {
    "id": "1184402299",
    "name": "INSTALL",
    "timestamp": "1795860301422",
    "last_attributed_touch_data_tilde_id": "1184402211",
    "last_attributed_touch_data_tilde_campaign": "spring-invite",
    "last_attributed_touch_data_tilde_channel": "whatsapp",
    "last_attributed_touch_data_tilde_feature": "referrals",
    "last_attributed_touch_data_custom_fields": (
        '{"referringUserID":"u-7","+url":"https://demo.app.link/aB3"}'
    ),
    "user_data_os": "IOS",
    "user_data_idfv": "6F0D1C1E-0000-4B7A-9A11-0A0A0A0A0A01",
    "user_data_ip": "203.0.113.7",
    "user_data_developer_identity": "u-42",
}


@pytest.fixture
def app():
    return an_app("shop")


def run(path, *flags, source="AppsFlyer"):
    """Return exit status, the lines that were printed, and what was complained about."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = 0
    given = ("shop", str(path), "--source", source, *flags)
    try:
        call_command("import_events", *given, stdout=stdout, stderr=stderr)
    except SystemExit as stop:
        status = stop.code
    return status, stdout.getvalue().splitlines(), stderr.getvalue()


def export(folder, columns, *rows):
    path = folder / "export.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(
            [columns, *([row.get(name, "") for name in columns] for row in rows)]
        )
    return path


def test_a_row_becomes_what_its_call_becomes(app, tmp_path, client):
    source = a_source(app, "appsflyer")
    path = export(
        tmp_path, APPSFLYER, {**INSTALL, "Event Time": "2026-11-27 09:14:02.118"}
    )

    assert run(path) == (
        0,
        ["1 accepted, 0 duplicate, 0 conflict, 0 rejected, 0 ignored."],
        "",
    )
    (imported,) = events_of(app)
    other = an_app("other")
    call_hook(client, a_source(other, "appsflyer"), sample_of(source))
    (called,) = events_of(other)
    # Each app has ids and hashes of its own, and the export has no type of campaign.
    parts = [
        (e.type, e.occurred_at, e.user.identities, e.referrer, e.channel, e.content)
        for e in (imported, called)
    ]
    assert parts[0] == parts[1]
    assert imported.user.identities == {
        "custom_id": "u-42",
        "appsflyer_id": "1795770842118-5550001",
    }
    assert imported.metadata == {"media_source": "af_app_invites"}


def test_a_row_whose_call_came_is_a_duplicate(app, tmp_path, client):
    source = a_source(app, "appsflyer")
    call_hook(client, source, sample_of(source))
    path = export(tmp_path, APPSFLYER, INSTALL)

    assert run(path) == (
        0,
        [
            "0 accepted, 1 duplicate, 0 conflict, 0 rejected, 0 ignored.",
            "Duplicate with other content: 1 on line 2: what came first stays.",
        ],
        "",
    )
    assert len(events_of(app)) == 1


def test_importing_again_changes_nothing(app, tmp_path):
    a_source(app, "appsflyer")
    path = export(tmp_path, APPSFLYER, INSTALL)
    run(path)

    assert run(path)[:2] == (
        0,
        ["0 accepted, 1 duplicate, 0 conflict, 0 rejected, 0 ignored."],
    )


def test_rows_that_are_no_referral_are_counted_with_why(app, tmp_path):
    a_source(app, "appsflyer", chosen_events=["level_reached"])
    organic = {**INSTALL, "Media Source": "organic", "Sub Param 1": ""}
    value = '{"af_param_1":"u-7","level":3}'
    level = {**INSTALL, "Event Name": "level_reached", "Event Value": value}
    path = export(
        tmp_path,
        APPSFLYER,
        INSTALL,
        organic,
        level,
        {**INSTALL, "Sub Param 1": ""},
        {**INSTALL, "Event Name": "af_purchase"},
        {**organic, "Event Name": "organic-install"},
        {**INSTALL, "Event Time": "27/11/2026 9:14"},
    )

    status, out, err = run(path)

    assert (status, out) == (
        1,
        [
            "2 accepted, 0 duplicate, 0 conflict, 1 rejected, 4 ignored.",
            "Ignored 2 on lines 3, 7: the platform says that nobody led here.",
            "Ignored 1 on line 5: the call names nobody who invited.",
            "Ignored 1 on line 6: the source does not take events of this kind.",
        ],
    )
    assert err == (
        f"{path}, line 8: /occurred_at: The call's time is no date with a time of day.\n"
    )
    assert [(e.type, e.name, e.event_data) for e in events_of(app)] == [
        ("app_install", "", {}),
        ("custom", "level_reached", {"level": 3}),
    ]


def test_the_sources_own_choices_count(app, tmp_path):
    a_source(
        app,
        *("appsflyer",),
        identity="email",
        referrer_keys=["af_sub2"],
        is_test=True,
    )
    row = {
        **INSTALL,
        "Customer User ID": "ann@example.com",
        "Sub Param 2": "bob@example.com",
    }

    run(export(tmp_path, APPSFLYER, row))

    (event,) = events_of(app)
    assert event.user.identities["email"] == "ann@example.com"
    assert event.referrer.identities == {"email": "bob@example.com"}
    assert event.test


def test_a_dry_run_stores_nothing(app, tmp_path):
    a_source(app, "appsflyer")
    path = export(
        tmp_path,
        APPSFLYER,
        {**INSTALL, "Channel": "pigeon"},
        {**INSTALL, "Sub Param 1": ""},
    )

    status, out, _ = run(path, "--dry-run")

    assert (status, out[0]) == (
        0,
        "1 accepted, 0 duplicate, 0 conflict, 0 rejected, 1 ignored.",
    )
    assert out[2].startswith("Warning of 1 on line 2: The channel is none of the known")
    assert out[-1].startswith("This was a dry run: nothing was stored")
    assert events_of(app) == []


def test_branchs_columns_are_its_calls_laid_flat(app, tmp_path, client):
    source = a_source(app, "branch", chosen_events=["Subscription Started"])
    for number in (0, 2):
        call_hook(client, source, sample_of(source, number))
    bought = {
        "id": "1184402300",
        "name": "Subscription Started",
        "timestamp": "1795863600000",
        "last_attributed_touch_data_custom_fields": '{"referringUserID":"u-7"}',
        "user_data_developer_identity": "u-43",
        "event_data_revenue": "9.99",
        "event_data_currency": "EUR",
        "custom_data": '{"plan":"gold"}',
    }
    path = export(tmp_path, BRANCH, BRANCH_INSTALL, bought)

    status, out, _ = run(path, source="Branch")

    assert (status, out) == (
        0,
        ["1 accepted, 1 duplicate, 0 conflict, 0 rejected, 0 ignored."],
    )
    install, called, imported = events_of(app)
    assert install.id.startswith("branch.")
    assert imported.id == "branch.1184402300"
    assert imported.event_data == called.event_data
    assert imported.event_data == {"revenue": 9.99, "currency": "EUR", "plan": "gold"}


def test_a_call_with_branchs_id_and_its_row_are_one_event(app, tmp_path, client):
    source = a_source(app, "branch")
    click = load_preset("branch").samples[1].body
    call_hook(client, source, signed(source, click, query_string="id=77&deep_linked="))
    row = {
        "id": "77",
        "name": "CLICK",
        "timestamp": "1795860200007",
        "last_attributed_touch_data_tilde_channel": "telegram",
        "last_attributed_touch_data_tilde_feature": "referrals",
        "last_attributed_touch_data_custom_fields": (
            '{"referringUserID":"u-7","+url":"https://demo.app.link/aB3"}'
        ),
    }

    assert run(export(tmp_path, BRANCH, row), source="Branch")[:2] == (
        0,
        ["0 accepted, 1 duplicate, 0 conflict, 0 rejected, 0 ignored."],
    )


def test_rows_that_branch_has_hashed_are_refused(app, tmp_path):
    a_source(app, "branch")
    row = {**BRANCH_INSTALL, "user_data_idfv": "0123456789abcdef" * 4}

    status, out, err = run(export(tmp_path, BRANCH, row), source="Branch")

    assert (status, out) == (
        1,
        ["0 accepted, 0 duplicate, 0 conflict, 1 rejected, 0 ignored."],
    )
    assert "line 2: /: Branch has hashed the devices and users of this row" in err


def test_link_data_that_cannot_be_read_is_refused_and_not_ignored(app, tmp_path):
    a_source(app, "branch")
    row = {**BRANCH_INSTALL, "last_attributed_touch_data_custom_fields": '{"referr'}

    status, out, err = run(export(tmp_path, BRANCH, row), source="Branch")

    assert (status, out[0].split(", ")[3:]) == (1, ["1 rejected", "0 ignored."])
    assert (
        "In the column last_attributed_touch_data_custom_fields should be JSON." in err
    )


def test_jsonl_has_a_call_a_line(app, tmp_path, client):
    source = a_source(app, "branch")
    call_hook(client, source, sample_of(source))
    lines = [json.dumps(sample.body) for sample in source.preset.samples]
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join([*lines, "[]", '{"name": 1, "name": 2}', "{"]))

    status, out, err = run(path, source="Branch")

    assert (status, out) == (
        1,
        [
            "1 accepted, 1 duplicate, 0 conflict, 3 rejected, 1 ignored.",
            "Ignored 1 on line 3: the source does not take events of this kind.",
        ],
    )
    assert [line.removeprefix(f"{path}, ")[:10] for line in err.splitlines()] == [
        "line 4: /:",
        "line 5: /n",
        "line 6: /:",
    ]


def test_a_line_of_several_items_is_several_events(app, tmp_path):
    a_source(app, "friendbuy")
    item = {"customerId": "c-90", "advocateCustomerId": "c-12"}
    line = {
        "type": "friendIncentive",
        "createdOn": "2026-11-28T10:00:01.000Z",
        "data": [{**item, "rewardId": "rw-5"}, {**item, "rewardId": "rw-6"}],
    }
    path = tmp_path / "export.jsonl"
    path.write_text(json.dumps(line))

    assert run(path, source="Friendbuy")[1] == [
        "2 accepted, 0 duplicate, 0 conflict, 0 rejected, 0 ignored."
    ]
    assert len(events_of(app)) == 2


def test_it_counts_as_an_import_that_no_backend_has_to_mend(
    app, tmp_path, django_capture_on_commit_callbacks
):
    a_source(app, "appsflyer")
    path = export(tmp_path, APPSFLYER, INSTALL)
    other = {**INSTALL, "Campaign": "autumn"}

    with django_capture_on_commit_callbacks(execute=True):
        run(path)
        run(export(tmp_path, APPSFLYER, INSTALL, other))

    background.flush_counts()
    counts = IngestCount.objects.exclude(hour=ALL_TIME_HOUR)
    found = counts.values_list("way", "outcome", "code", "number")
    assert sorted(found) == [
        ("import", "accepted", "", 1),
        ("import", "duplicate", "", 1),
        ("import", "duplicate", "conflict", 1),
    ]


def refusal(*arguments, **options):
    with pytest.raises(CommandError) as refused:
        run(*arguments, **options)
    return str(refused.value)


def test_a_name_that_no_live_source_has_is_refused(app, tmp_path):
    a_source(app, "branch")
    archive_source("a test", a_source(app, "appsflyer"))
    a_source(an_app("other"), "appsflyer")

    assert refusal(tmp_path / "no-file") == (
        "The app has no live source of this name. Sources: Branch."
    )


def test_of_several_sources_the_public_id_says_which(app, tmp_path):
    sources = [a_source(app, each, name="mine") for each in ("appsflyer", "branch")]
    path = export(tmp_path, APPSFLYER, INSTALL)

    said = refusal(path, source="mine")

    assert said.startswith("The app has several sources of this name.")
    assert all(source.public_id in said for source in sources)
    assert run(path, source=sources[0].public_id)[0] == 0


def test_a_file_that_cannot_be_read_with_certainty_stops_there(app, tmp_path):
    a_source(app, "appsflyer")
    path = export(tmp_path, APPSFLYER, INSTALL, INSTALL)
    path.write_text(path.read_text() + f'"open{"," * 30}\n')

    said = refusal(path)

    assert "line 3: /: " in said
    assert "Imported before that: 1 accepted, " in said


def test_a_number_that_a_spreadsheet_has_shortened_is_refused(app, tmp_path):
    a_source(app, "appsflyer")
    path = export(
        tmp_path,
        APPSFLYER,
        {**INSTALL, "Customer User ID": "1.79E+12"},
        {**INSTALL, "Event Revenue": "1.0E7"},
    )

    status, out, err = run(path)

    assert (status, out[0]) == (
        1,
        "1 accepted, 0 duplicate, 0 conflict, 1 rejected, 0 ignored.",
    )
    assert "line 2: /: Column 23: A spreadsheet has shortened this number" in err
