"""`manage.py reconcile`: compares now, prints what differs, and says what keeps it from it."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import AccountReading, Comparison
from clevertap_sync.process import stopping
from tests.builders import an_integration
from tests.integration.reconciliation.comparing.conftest import (
    LONG_AGO,
    NAME,
    NOW,
    both,
    delivered,
    stored,
)


@pytest.fixture(autouse=True)
def _the_clock_stands(now):
    """The days that are compared are the 9th to the 15th."""


def run(integration, *options):
    output, told = StringIO(), StringIO()
    call_command(
        "reconcile", integration.app.slug, *options, stdout=output, stderr=told
    )
    return output.getvalue(), told.getvalue()


def test_json_has_each_name_and_day_with_its_numbers(sandbox, integration):
    both(integration, 3, day=9)
    delivered(integration, 5, day=12)
    stored(integration, 3, day=12)

    output, told = run(integration, "--json")

    equal, short = json.loads(output)
    assert equal == {
        "integration": "default",
        "name": NAME,
        "day": "2026-01-09",
        "delivered": 3,
        "counted": 3,
        "difference": 0,
        "cause": None,
        "sentence": "CleverTap counts as many as were delivered.",
    }
    assert (short["day"], short["counted"], short["difference"]) == (
        "2026-01-12",
        3,
        -2,
    )
    assert short["cause"] is None
    assert short["sentence"] == (
        "CleverTap counts 2 records fewer than were delivered. Nothing explains 2 records "
        "fewer. Look at the Error Stream in CleverTap, and ask once more: POST "
        '/1/counts/events.json {"event_name":"Referred App Install","from":20260112,'
        '"to":20260112}'
    )
    assert told == ""


def test_people_read_how_much_was_compared_and_what_differs(sandbox, integration):
    both(integration, 3, day=9)
    delivered(integration, 5, day=12)
    stored(integration, 3, day=12)

    output, _ = run(integration)

    lines = output.splitlines()
    slug = integration.app.slug
    assert lines[0] == (
        f"{slug} / default: 2 names and days compared, 1 differ, 0 not compared"
    )
    assert lines[1] == f"  2026-01-12  {NAME}: 5 delivered, 3 counted"
    assert len(lines) == 3


def test_no_name_turns_the_text_around(sandbox, integration):
    delivered(integration, 5, day=12, name="Sale \N{RIGHT-TO-LEFT OVERRIDE}eno")

    output, _ = run(integration)

    assert output.count("Sale \N{REPLACEMENT CHARACTER}eno") == 2
    assert output.replace("\n", "").isprintable()


def test_what_the_budget_does_not_reach_is_told_and_exits_with_2(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    monkeypatch.setattr("clevertap_sync.reconciliation.comparison.MOST_REQUESTS", 1)
    output = StringIO()

    with pytest.raises(SystemExit) as exit_:
        call_command("reconcile", integration.app.slug, "--json", stdout=output)

    assert exit_.value.code == 2
    [row] = json.loads(output.getvalue())
    assert (row["counted"], row["difference"], row["cause"]) == (None, None, None)
    assert row["sentence"].startswith("Not compared")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"reconciles": False},
            "Switch it on with `manage.py provision APP --reconcile`",
        ),
        ({"counts_since": NOW}, "nothing to compare yet"),
    ],
    ids=["off", "new"],
)
def test_what_cannot_be_compared_is_said(sandbox, integration, changes, words):
    for name, value in changes.items():
        setattr(integration, name, value)
    integration.save()

    with pytest.raises(CommandError, match=words):
        run(integration)


def test_a_name_that_is_no_integration_is_refused(integration):
    with pytest.raises(CommandError, match="no such integration"):
        run(integration, "--integration", "other")


def test_a_passcode_that_may_not_read_is_said(sandbox, integration):
    both(integration, 3, day=9)
    sandbox.answer(403, only="reads", times=None)

    with pytest.raises(CommandError, match="lets this passcode upload, and not read"):
        run(integration)


def test_one_account_that_fails_hides_no_other(sandbox, integration):
    both(integration, 3, day=9)
    second = an_integration(
        integration.app,
        name="second",
        location=Location.US1,
        reconciles=True,
        counts_since=LONG_AGO,
    )
    delivered(second, 4, day=9)
    sandbox.answer(403, only="reads", times=None, location=Location.US1)
    output, told = StringIO(), StringIO()

    with pytest.raises(SystemExit) as exit_:
        call_command(
            *("reconcile", integration.app.slug, "--json"), stdout=output, stderr=told
        )

    assert exit_.value.code == 2
    [row] = json.loads(output.getvalue())
    assert (row["integration"], row["counted"]) == ("default", 3)
    assert f"{second.account.account_id}: CleverTap lets this" in told.getvalue()


def test_an_interrupt_leaves_the_account_to_others(sandbox, integration, monkeypatch):
    both(integration, 3, day=9)
    sandbox.switch(partial_above=2)

    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(stopping, "wait_for_stop", interrupt)

    with pytest.raises(CommandError, match="A worker goes on with it"):
        run(integration)

    assert AccountReading.objects.get().leased_until is None


def test_clevertap_that_is_away_is_said_at_once(settings, now, integration):
    delivered(integration, 3, day=9)
    settings.CLEVERTAP_BASE_URL = "http://127.0.0.1:9"

    with pytest.raises(CommandError, match="could not be reached") as refused:
        run(integration)

    assert "A worker goes on with it by itself." in str(refused.value)
    assert Comparison.objects.get().state == Comparison.State.RUNNING


def test_while_another_process_reads_it_waits_and_says_so(
    sandbox, integration, monkeypatch
):
    both(integration, 3, day=9)
    AccountReading.objects.create(
        account=integration.account, leased_until=NOW + timedelta(minutes=1)
    )
    waits = []

    def let_go(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            AccountReading.objects.update(leased_until=None)
        return False

    monkeypatch.setattr(stopping, "wait_for_stop", let_go)

    _, told = run(integration)

    assert told == (
        "Another process asks CleverTap about this account now. Waiting for it.\n"
    )
    assert len(waits) == 3
