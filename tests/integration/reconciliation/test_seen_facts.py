"""What is read of CleverTap's side for findings and cards, and what that costs."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync import insight
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.findings import judge_facts
from clevertap_sync.insight.findings.seen import ComparisonMissing, CountsFewer
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.insight.seen_facts import Delays
from clevertap_sync.insight.seen_queries import read_seen_facts
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    DeliveredCount,
    FirstSight,
    Statement,
)
from clevertap_sync.process import clock
from tests.builders import an_app, an_integration
from tests.integration.admin.conftest import admin, text_of  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
DISCARDED = {"code": "name_discarded", "size": -30, "sentence": "It is discarded."}
LATE = {"code": "not_processed_yet", "size": -20, "sentence": "It is to come."}


@pytest.fixture
def integration(db):
    return an_integration(reconciles=True, counts_since=clock.read_now() - 9 * DAY)


def deliver(integration, name):
    """Write down that the integration delivered something of the name."""
    DeliveredCount.objects.get_or_create(
        integration=integration,
        name=name,
        quarter=0,
        defaults={"settled_at": clock.read_now()},
    )


def a_statement(integration, name="Referred App Install", *, ago=1, **changes):
    deliver(integration, name)
    values = {"delivered": 100, "counted": 50, "compared_at": clock.read_now()}
    return Statement.objects.create(
        account=integration.account,
        folded_name=normalise_event_name(name),
        name=name,
        day=(clock.read_now() - ago * DAY).date(),
        **{**values, **changes},
    )


def a_comparison(integration, *, hours, **changes):
    now = clock.read_now()
    values = {"kind": Comparison.Kind.NIGHTLY, "state": Comparison.State.DONE}
    return Comparison.objects.create(
        account=integration.account,
        created_at=now,
        ended_at=now - timedelta(hours=hours),
        **{**values, **changes},
    )


def a_sight(integration, name, *, minutes, **changes):
    """Write that a new name was shown so long after its first delivery, an hour ago."""
    deliver(integration, name)
    first = clock.read_now() - 60 * MINUTE
    shown = first + minutes * MINUTE
    values = {"is_new": True, "asked": 1, "asked_at": shown, "shown_at": shown}
    return FirstSight.objects.create(
        account=integration.account,
        folded_name=normalise_event_name(name),
        name=name,
        first_at=first,
        **{**values, **changes},
    )


def read(integration):
    return read_seen_facts([integration], clock.read_now())[integration.pk]


def test_it_costs_nothing_where_nothing_is_compared(db):
    alone, now = an_integration(), clock.read_now()

    with CaptureQueriesContext(connection) as queries:
        assert read_seen_facts([alone], now) == {}

    assert len(queries) == 0


def test_it_costs_four_queries_however_many_are_compared(integration):
    others = [
        an_integration(reconciles=True, location=location)
        for location in (Location.US1, Location.IN1)
    ]
    alone = an_integration(location=Location.SG1)
    a_statement(integration)
    now = clock.read_now()

    with CaptureQueriesContext(connection) as queries:
        found = read_seen_facts([integration, *others, alone], now)

    assert len(queries) == 4
    assert set(found) == {integration.pk, *(each.pk for each in others)}
    assert [len(found[each.pk].short) for each in (integration, *others)] == [1, 0, 0]


def test_what_is_missing_is_told_without_what_is_as_it_should_be(integration):
    a_statement(integration, causes=[LATE, DISCARDED])
    a_statement(integration, "Late", counted=80, causes=[LATE])
    a_statement(integration, "Unsure", counted=95, maybe_fewer=5)
    a_statement(integration, "More", counted=101)
    a_statement(integration, "Not asked", counted=None)
    a_statement(integration, "Long ago", ago=9)
    a_statement(
        integration,
        "Unexplained",
        counted=0,
        maybe_fewer=2,
        unexplained=-100,
        nights_short=2,
    )

    short = read(integration).short

    assert [(each.name, each.missing, each.nights) for each in short] == [
        ("Unexplained", 98, 2),
        ("Referred App Install", 30, 0),
    ]
    assert [(each.cause, each.sentence) for each in short] == [
        ("", ""),
        ("name_discarded", "It is discarded."),
    ]


def test_of_a_shared_account_nobody_is_told_the_names_of_another_app(integration):
    account = integration.account
    other = an_integration(an_app("other"), account=account, reconciles=True)
    a_statement(integration, "Ours", counted=0)
    a_statement(other, "Theirs", counted=0)
    a_sight(integration, "Our New", minutes=3)
    a_sight(other, "Their New", minutes=3)
    late = {"shown_at": None, "cause": "name_unknown"}
    a_sight(integration, "Our Late", minutes=0, **late)
    a_sight(other, "Their Late", minutes=0, **late)

    found = read_seen_facts([integration, other], clock.read_now())

    names = {
        pk: [
            *(each.name for each in seen.short),
            *(each.name for each in seen.shown),
            *(each.name for each in seen.overdue),
        ]
        for pk, seen in found.items()
    }
    assert names == {
        integration.pk: ["Ours", "Our New", "Our Late"],
        other.pk: ["Theirs", "Their New", "Their Late"],
    }


def test_few_that_are_missing_are_no_finding_unless_an_alert_asks_for_them(integration):
    a_statement(integration, counted=96)
    facts = facts_of(integration)

    assert list(CountsFewer.find(facts)) == []
    (finding,) = CountsFewer.find(replace(facts, fewer_percent=4))
    assert (finding.count, finding.percent) == (4, 4.0)


def test_a_nightly_comparison_that_ended_well_counts_alone(integration):
    a_comparison(integration, hours=60, not_compared=3)
    a_comparison(integration, hours=1, kind=Comparison.Kind.ORDER, not_compared=1)
    a_comparison(integration, hours=1, state=Comparison.State.FAILED, error="no_turn")

    seen = read(integration)

    assert clock.read_now() - seen.compared_at > timedelta(hours=59)
    assert (seen.not_compared, seen.error) == (3, "no_turn")


def test_what_a_night_did_not_reach_is_over_once_an_order_reaches_everything(
    integration,
):
    a_comparison(integration, hours=60, not_compared=3)
    a_comparison(integration, hours=1, kind=Comparison.Kind.ORDER)

    seen = read(integration)

    assert seen.not_compared == 0
    assert clock.read_now() - seen.compared_at > timedelta(hours=59)


def test_what_keeps_it_from_being_compared_is_said_as_on_the_page(integration):
    a_comparison(integration, hours=70, state=Comparison.State.FAILED, error="no_turn")
    a_comparison(integration, hours=60)
    assert read(integration).error == "", "a comparison came to its end since"
    AccountReading.objects.create(account=integration.account, last_error="no_answer")

    (finding,) = ComparisonMissing.find(facts_of(integration))

    assert finding.sentence == (
        "What CleverTap counts was not compared for 2 days. CleverTap did not answer in "
        "time."
    )


def test_the_first_nights_are_waited_for(integration):
    assert ComparisonMissing.is_there(facts_of(integration))

    integration.counts_since = clock.read_now() - 3 * DAY

    assert not ComparisonMissing.is_there(facts_of(integration))


def test_delays_are_those_of_new_names_that_were_watched(integration):
    for number in range(1, 12):
        a_sight(integration, f"Event {number}", minutes=number)
    a_sight(integration, "Old", minutes=50, is_new=False)
    a_sight(integration, "By night", minutes=50, asked_at=clock.read_now())
    a_sight(integration, "After a fix", minutes=50, cause="event_types_full")

    delays = read(integration).delays

    assert delays == Delays(11, 360.0, 660.0)


def facts_of(integration):
    with insight.read_in_snapshot():
        now = clock.read_now()
        (facts,) = read_facts([integration], now, read_app_ingest(now))
    return facts


def test_the_overview_says_what_clevertap_shows_and_what_not(admin, integration):
    a_comparison(integration, hours=1)
    a_sight(integration, "Referred App Install", minutes=3)
    a_sight(
        integration,
        "Referred Coupon Used",
        minutes=0,
        shown_at=None,
        cause="event_types_full",
        delivered=12,
    )

    hidden = {"shown_at": None, "counted": 0}
    a_sight(integration, "Referred Gift", minutes=0, **hidden)
    FirstSight.objects.filter(name="Referred Gift").update(
        first_at=clock.read_now() - 2 * MINUTE
    )

    page = text_of(admin.get("/admin/"))

    assert (
        "CleverTap does not show Referred Gift yet, 2 min after the first one. It is asked "
        "again until it does." in page
    )
    assert (
        "CleverTap shows Referred App Install since 3 min after the first one." in page
    )
    assert (
        "CleverTap accepted 12 Referred Coupon Used and shows none: the account "
        in page
    )
    assert [each.code for each in judge_facts(facts_of(integration))] == [
        "no_worker",
        "not_shown",
    ]
