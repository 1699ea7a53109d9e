"""What is not well with a source, as commands, pages and alerts say it."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clevertap_sync.alerting import watch
from clevertap_sync.insight.source_queries import read_source_facts
from clevertap_sync.models import Alert, Incident
from referrals.ingest import background, writing
from referrals.ingest.counter import (
    CountKey,
    HourlyKey,
    IngestCounts,
    find_hour,
)
from referrals.models import App, Source
from referrals.source_setup import archive_source
from tests import builders
from tests.integration.admin.conftest import admin, staff, text_of  # noqa: F401 - fixtures
from tests.integration.hooks.calling import call_hook, sample_of, signed

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def app():
    return builders.an_app("shop", name="The shop")


@pytest.fixture
def source(app):
    return builders.a_source(app, "branch")


@pytest.fixture
def call(client, django_capture_on_commit_callbacks):
    """Return a function that calls a source's hook, and writes what was counted."""

    def send(source, what):
        with django_capture_on_commit_callbacks(execute=True):
            call_hook(client, source, what)
        background.flush_counts()

    return send


def came(source, outcome, code="", *, number=1, ago=timedelta(0)):
    key = CountKey(source.app_id, source.way, outcome, code)
    at = timezone.now() - ago
    writing.write_counts({HourlyKey(find_hour(at), key): IngestCounts(at, number)})


def facts_of(source):
    (facts,) = read_source_facts(timezone.now())[source.app_id]
    return facts


def findings(capsys):
    call_command("delivery_status", "--json")
    rows = json.loads(capsys.readouterr().out)
    return {
        row["app"]: {each["code"]: each for each in row["findings"]} for row in rows
    }


def test_a_wrong_secret_is_told_everywhere_with_the_way_to_the_source(
    source, call, capsys, admin
):
    Alert.objects.create(name="Default", recipients="ann@example.com", app=source.app)
    call(source, sample_of(source, secret="another"))

    watch.update_incidents()

    (finding,) = findings(capsys)["shop"].values()
    assert (finding["code"], finding["severity"]) == ("calls_unverified", "warning")
    assert finding["sentence"].startswith(
        "The source Branch refused 1 call, and was never called with a good secret: "
    )
    address = f"/admin/referrals/source/{source.pk}/change/"
    assert finding["url"] == address
    overview = text_of(admin.get("/admin/"))
    assert finding["sentence"].split(":")[0] in overview
    assert f'href="{address}"' in overview
    (incident,) = Incident.objects.all()
    assert (incident.rule, incident.subject) == (
        "calls_unverified",
        f"app:{source.app_id}",
    )

    call(source, sample_of(source))

    assert "calls_unverified" not in findings(capsys)["shop"]


def test_what_is_not_verified_is_not_refused_of_the_app(source, call, capsys):
    builders.an_integration(source.app)
    for _ in range(3):
        call(source, sample_of(source, secret="another"))

    codes = set(findings(capsys)["shop"])

    assert codes == {"calls_unverified", "no_worker"}


def test_what_a_source_ignores_is_neither_taken_nor_refused(source, call, capsys):
    nobody = {"name": "INSTALL", "last_attributed_touch_data": {"~channel": "sms"}}
    for _ in range(3):
        call(source, signed(source, nobody))

    assert findings(capsys) == {}


def test_what_the_log_refuses_of_a_source_is_refused_at_the_apps_door(
    app, call, capsys
):
    source = builders.a_source(app, "standard_webhooks")
    data = {"id": "e-7", "type": "no such type"}
    call(source, signed(source, {"type": "x", "data": data}))

    assert set(findings(capsys)["shop"]) == {"nothing_accepted", "events_refused"}


def test_the_facts_of_a_source_that_is_called_well(source):
    came(source, "call", number=3, ago=30 * HOUR)
    came(source, "call", number=5, ago=2 * HOUR)
    came(source, "accepted", number=2)
    came(source, "ignored", "organic", number=7)
    came(source, "spooled", number=2, ago=3 * HOUR)
    came(source, "drained", number=2, ago=2 * HOUR)
    came(source, "lost", "spool_full", number=4, ago=30 * HOUR)

    facts = facts_of(source)

    now = timezone.now()
    assert (facts.pk, facts.name, facts.has_secret) == (source.pk, "Branch", True)
    # Nothing of the day was lost or not verified: nobody asks for the rest of it.
    assert (facts.calls_lately, facts.has_taken) == (0, True)
    assert facts.ignored == {"organic": 7}
    assert now - facts.called_at < 2 * HOUR + DAY / 100
    assert facts.spooled_at < facts.drained_at
    assert (facts.lost_lately, facts.unverified_at) == (0, None)
    assert facts.call_hours == ()


def test_the_facts_of_a_source_that_is_silent_and_then_refused(source):
    for days in (9, 8, 3):
        came(source, "call", ago=days * DAY)
    came(source, "unauthorised", "signature", number=2, ago=8 * DAY + HOUR)
    came(source, "unauthorised", "signature", number=6, ago=2 * DAY)

    facts = facts_of(source)

    today = find_hour(timezone.now())
    assert facts.call_hours == [today - days * DAY for days in (9, 8, 3)]
    assert (facts.unverified, facts.unverified_lately) == (6, 0)
    assert facts.called_at < facts.unverified_at


def test_what_was_lost_or_not_verified_is_measured_by_the_calls_of_the_day(source):
    came(source, "call", number=3, ago=30 * HOUR)
    came(source, "call", number=5)
    came(source, "unauthorised", "signature", number=2, ago=HOUR)
    came(source, "lost", "spool_full", number=4, ago=2 * HOUR)

    facts = facts_of(source)

    assert (facts.calls_lately, facts.unverified_lately, facts.lost_lately) == (5, 2, 4)
    assert facts.unverified == 0


def test_archived_sources_and_apps_have_no_facts(source):
    other = builders.a_source(builders.an_app("other"), "branch")
    archive_source("a test", source)
    App.objects.filter(pk=other.app_id).update(archived_at=timezone.now())

    assert read_source_facts(timezone.now()) == {}


def test_a_source_whose_secret_no_key_decrypts(source, capsys):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE referrals_source SET secret = 'no cipher'")

    (finding,) = findings(capsys)["shop"].values()

    assert (finding["code"], finding["severity"]) == ("source_unreadable", "error")


def test_a_source_that_nobody_has_called_for_a_week(source, capsys):
    assert findings(capsys) == {}
    Source.objects.update(created_at=timezone.now() - 7 * DAY)

    (finding,) = findings(capsys)["shop"].values()

    assert (finding["code"], finding["severity"]) == ("source_unused", "info")


def test_a_hundred_sources_cost_no_query_more_than_one(app, source):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            read_source_facts(timezone.now())
        return len(captured.captured_queries)

    def trouble(source):
        came(source, "call", ago=2 * DAY)
        came(source, "unauthorised", "signature", number=5)

    assert queries() == 2
    trouble(source)
    one = queries()
    for number in range(99):
        trouble(builders.a_source(app, "branch", name=f"Branch {number}"))

    assert queries() == one == 6
