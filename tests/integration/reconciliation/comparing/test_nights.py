"""Nights without a scheduler, and rounds: whose turn it is, and who keeps nobody waiting."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Comparison, Statement
from clevertap_sync.process import stopping
from clevertap_sync.reconciliation import (
    comparison as comparing,
    reconciliation_round,
)
from clevertap_sync.reconciliation.nightly import find_due_night, plan_due_nights
from clevertap_sync.reconciliation.orders import order_comparison
from clevertap_sync.reconciliation.reconciliation_round import (
    run_reconciliation_round,
)
from clevertap_sync.reconciliation.reconciling_account import (
    find_reconciling_accounts,
)
from clevertap_sync.reconciliation.statements import trim_statements
from tests.builders import an_app, an_integration
from tests.integration.reconciliation.comparing.conftest import (
    LONG_AGO,
    NAME,
    NOW,
    both,
    delivered,
    on,
)


@pytest.fixture(autouse=True)
def _the_clock_stands(now):
    """It is the 16th, at noon."""


def plan(now):
    plan_due_nights(find_reconciling_accounts(), now)


def nights():
    found = Comparison.objects.filter(kind=Comparison.Kind.NIGHTLY).order_by("pk")
    return [(each.night.day, each.state) for each in found]


def test_each_night_has_one_comparison_whoever_sweeps(integration):
    plan(NOW)
    plan(NOW)
    plan(NOW + timedelta(hours=11))

    assert nights() == [(16, "waiting")]


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "night"),
    [
        ("UTC", 2, 29, 15),
        ("UTC", 3, 15, 16),
        ("Asia/Kolkata", 20, 59, 15),
        ("Asia/Kolkata", 21, 45, 16),
    ],
)
def test_a_night_begins_by_the_accounts_clock(integration, zone, hour, minute, night):
    integration.time_zone = zone
    integration.save()
    day = 16 if hour < 12 else 15
    [found] = find_reconciling_accounts()

    instant = datetime(2026, 1, day, hour, minute, tzinfo=UTC)

    assert find_due_night(found, instant) == on(night)


def test_missed_nights_are_made_up_by_the_newest_one(sandbox, integration):
    plan(NOW)
    later = NOW + timedelta(days=3)
    plan(later)
    plan(later)

    assert nights() == [(16, "failed"), (19, "waiting")]
    assert Comparison.objects.get(night=on(16)).error == "next_night"


def test_without_a_day_to_compare_there_is_no_night(integration):
    integration.counts_since = NOW
    integration.save()

    plan(NOW)

    assert nights() == []


def test_a_round_compares_what_is_ordered_before_the_night(sandbox, integration, now):
    both(integration, 3, day=9)
    order_comparison(integration.account, "ann", NOW)

    run_reconciliation_round()
    assert nights() == [(16, "waiting")]
    assert Comparison.objects.get(kind="order").state == "done"

    run_reconciliation_round()
    now.passes(hours=1)
    run_reconciliation_round()
    assert nights() == [(16, "done")]
    assert [row.difference for row in Statement.objects.all()] == [0]


def test_a_stuck_account_keeps_no_other_from_its_turn(sandbox, integration):
    second = an_integration(
        an_app(), location=Location.US1, reconciles=True, counts_since=LONG_AGO
    )
    both(integration, 3, day=9)
    delivered(second, 4, day=9)
    sandbox.answer(503, only="reads", times=None, location=Location.EU1)

    run_reconciliation_round()

    states = dict(Comparison.objects.values_list("account__location", "state"))
    assert states == {Location.EU1: "running", Location.US1: "done"}


def test_a_time_zone_that_this_machine_lacks_is_utc_and_stops_nobody(
    sandbox, integration
):
    integration.time_zone = "Mars/Olympus_Mons"
    integration.save()
    both(integration, 3, day=9)

    run_reconciliation_round()

    assert Comparison.objects.get().state == "done"


def test_a_fault_of_ours_ends_one_comparison_and_no_other(
    sandbox, integration, monkeypatch, caplog
):
    second = an_integration(
        an_app(), location=Location.US1, reconciles=True, counts_since=LONG_AGO
    )
    delivered(second, 4, day=9)
    take_turn = comparing.take_turn

    def fail_once(comparison):
        if comparison.account == integration.account:
            raise KeyError(NAME)
        return take_turn(comparison)

    monkeypatch.setattr(reconciliation_round, "take_turn", fail_once)

    run_reconciliation_round()

    states = dict(Comparison.objects.values_list("account__location", "state"))
    assert states == {Location.EU1: "failed", Location.US1: "done"}
    assert "failed" in caplog.text


def test_a_process_that_is_to_end_begins_no_round(integration, monkeypatch):
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)

    run_reconciliation_round()

    assert nights() == []


def test_a_round_costs_one_query_where_nothing_is_compared(db):
    an_integration()

    with CaptureQueriesContext(connection) as queries:
        run_reconciliation_round()

    assert len(queries) == 1


def test_statements_of_days_that_are_past_are_removed(integration):
    for day in (on(1), on(15)):
        Statement.objects.create(
            account=integration.account, day=day, folded_name="x", name="X"
        )
    Comparison.objects.create(account=integration.account, created_at=LONG_AGO)

    assert trim_statements(NOW + timedelta(days=30)) == 2

    assert Statement.objects.get().day == on(15)
