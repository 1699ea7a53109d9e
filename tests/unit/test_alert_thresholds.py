"""Which findings lead to a message, and which field of an alert decides about them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.admin.utils import flatten_fieldsets

from clevertap_sync.admin.alerts.alert_admin import AlertAdmin
from clevertap_sync.admin.alerts.alert_form import THRESHOLD_FIELDS
from clevertap_sync.alerting import thresholds
from clevertap_sync.alerting.alert_rules import LIMITS
from clevertap_sync.alerting.subjects import KINDS_BY_CODE
from clevertap_sync.alerting.thresholds import is_wanted, list_thresholds
from clevertap_sync.insight.facts import Facts, NewestOutcomes, Waiting
from clevertap_sync.insight.findings import KINDS, Finding, Severity
from clevertap_sync.insight.findings.finding import Link
from clevertap_sync.insight.findings.installation import (
    KINDS as INSTALLATION_KINDS,
    AlertFailing,
)
from clevertap_sync.insight.findings.installation_finding import FailingAlert
from clevertap_sync.insight.seen_facts import SeenFacts, ShortDay
from clevertap_sync.models import Alert, Integration
from tests.builders import NOON

#: What is as people wish it, or is told by another finding: it goes on no alert.
INFORMATION = {
    "paused",
    "not_enabled",
    "old_dead_letters",
    "settings_changed",
    "source_unused",
    "comparison_partial",
}
ALL_KINDS = (*KINDS, *INSTALLATION_KINDS)
#: Bad enough for whatever asks for a number.
FACTS = Facts(
    now=NOON,
    integration=Integration(
        hold_reason="server_error", held_since=NOON - timedelta(days=9)
    ),
    waiting=Waiting(events=1, since=NOON - timedelta(days=9)),
    newest_outcomes=NewestOutcomes(records=9, dead=9),
    seen=SeenFacts(short=(ShortDay("Referred App Install", NOON.date(), 9, 9, 9),)),
)
SWITCHES = {
    **dict.fromkeys(("held_minutes", "lag_minutes", "dead_percent")),
    **dict.fromkeys(("passcode_days", "refused_percent", "quiet_hours")),
    **dict.fromkeys(("pause_hours", "stale_percent", "fewer_percent")),
    **dict.fromkeys(("new_names", "worker_gone"), False),
    **dict.fromkeys(("failing_alerts", "failing_sources"), False),
    **dict.fromkeys(("other_errors", "other_warnings"), False),
}


class RefusedAtDoor(Finding):
    code = "refused_at_door"
    severity = Severity.ERROR
    is_at_door = True


class Quiet(Finding):
    code = "quiet"
    severity = Severity.WARNING


class ErrorOfTomorrow(Finding):
    code = "error_of_tomorrow"
    severity = Severity.ERROR


def a_finding(kind, **changes):
    """Return a finding of the kind, as bad as can be."""
    extra = {}
    if kind is AlertFailing:
        extra["alert"] = FailingAlert(1, "A", None, 1, "why", NOON)
    numbers = {"count": 9, "seconds": 9e9, "percent": 100.0, **changes}
    return kind(
        sentence="It is bad.",
        remedy="",
        link=Link("Overview", "index"),
        **numbers,
        **extra,
    )


def an_alert_of(**switches):
    """Return an alert that asks for what is named, and for nothing else."""
    return Alert(**{**SWITCHES, **switches})


def test_every_field_that_decides_is_one_of_the_alert_and_is_in_the_table_once():
    rows = (*thresholds.THRESHOLDS, thresholds.OTHER_ERRORS, thresholds.OTHER_WARNINGS)

    assert [each.column for each in rows] == list(SWITCHES)
    columns = {each.name for each in Alert._meta.get_fields()}
    assert set(SWITCHES) <= columns, "Give models/alerts.py the column, and migrate."


@pytest.mark.parametrize("column", THRESHOLD_FIELDS)
def test_a_field_that_decides_has_bounds_in_the_form_if_it_is_a_number(column):
    is_number = SWITCHES[column] is None

    assert (column in LIMITS) is is_number, (
        f"Say in LIMITS of alert_rules.py how small and how large {column} may be."
    )


def test_a_field_that_decides_is_on_the_page():
    shown = flatten_fieldsets(AlertAdmin.fieldsets)

    assert [name for name in THRESHOLD_FIELDS if name not in shown] == [], (
        "Show the field among AlertAdmin.fieldsets."
    )


def test_no_code_is_in_the_table_that_no_finding_has():
    named = {code for each in thresholds.THRESHOLDS for code in each.codes}

    # Whoever counts what apps send finds out that one went quiet.
    assert named - {"quiet"} <= set(KINDS_BY_CODE)


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.code)
def test_each_kind_leads_to_an_alert_by_a_field_of_its_own(kind):
    deciding = list_thresholds(kind)
    finding = a_finding(kind)

    assert bool(deciding) == (kind.code not in INFORMATION), (
        f"{kind.code} is for information, so no alert tells it: if that is meant, add it to "
        "INFORMATION here; if not, name it in THRESHOLDS of alerting/thresholds.py."
    )
    for each in deciding:
        value = True if SWITCHES[each.column] is False else 9
        assert is_wanted(an_alert_of(**{each.column: value}), finding, FACTS)
    assert not is_wanted(an_alert_of(), finding, FACTS)


def test_what_comes_to_be_an_error_tomorrow_is_told_by_default():
    assert is_wanted(Alert(), a_finding(ErrorOfTomorrow), FACTS)
    assert not is_wanted(Alert(other_errors=False), a_finding(ErrorOfTomorrow), FACTS)


@pytest.mark.parametrize(
    "code",
    [
        *("calls_unverified", "source_silent", "source_unreadable"),
        *("calls_lost", "calls_spooled", "all_ignored"),
    ],
)
def test_a_source_that_is_not_well_is_told_by_default(code):
    assert is_wanted(Alert(), a_finding(KINDS_BY_CODE[code]), FACTS)


def test_a_field_that_is_empty_is_not_made_up_for_by_every_other_error():
    alert = an_alert_of(other_errors=True, other_warnings=True)

    told = [kind for kind in ALL_KINDS if is_wanted(alert, a_finding(kind), FACTS)]

    assert {each.column for kind in told for each in list_thresholds(kind)} == {
        "other_errors",
        "other_warnings",
    }


@pytest.mark.parametrize(
    ("kind", "column", "value", "measured", "is_told"),
    [
        (RefusedAtDoor, "refused_percent", 20, {"percent": 20.0}, True),
        (RefusedAtDoor, "refused_percent", 20, {"percent": 19.9}, False),
        (KINDS_BY_CODE["no_worker"], "worker_gone", True, {"seconds": 120.0}, True),
        (KINDS_BY_CODE["no_worker"], "worker_gone", True, {"seconds": 119.0}, False),
        (KINDS_BY_CODE["no_worker"], "worker_gone", True, {"seconds": None}, True),
        (Quiet, "quiet_hours", 24, {"seconds": 86_400.0}, True),
        (Quiet, "quiet_hours", 24, {"seconds": 86_399.0}, False),
        (KINDS_BY_CODE["pause_forgotten"], "pause_hours", 1, {"seconds": 3600.0}, True),
        (
            KINDS_BY_CODE["pause_forgotten"],
            "pause_hours",
            1,
            {"seconds": 3599.0},
            False,
        ),
        (KINDS_BY_CODE["stale_events"], "stale_percent", 50, {"percent": 50.0}, True),
        (KINDS_BY_CODE["stale_events"], "stale_percent", 50, {"count": 4}, False),
        (KINDS_BY_CODE["passcode_expires"], "passcode_days", 3, {"count": 3}, True),
        (KINDS_BY_CODE["passcode_expires"], "passcode_days", 3, {"count": 4}, False),
        (KINDS_BY_CODE["passcode_expired"], "passcode_days", 3, {"count": None}, True),
        (KINDS_BY_CODE["key_expires"], "passcode_days", 3, {"count": 3}, True),
        (KINDS_BY_CODE["key_expires"], "passcode_days", 3, {"count": 4}, False),
    ],
)
def test_a_number_is_reached_or_not(kind, column, value, measured, is_told):
    alert = an_alert_of(**{column: value})

    assert is_wanted(alert, a_finding(kind, **measured), FACTS) is is_told


@pytest.mark.parametrize(
    ("nights", "percent", "cause", "is_told"),
    [
        (2, 10, "name_discarded", True),
        (1, 10, "name_discarded", False),
        (2, 11, "name_discarded", False),
        (2, 10, "property_type", False),
        (2, None, "name_discarded", False),
    ],
)
def test_that_clevertap_counts_fewer_is_told_at_the_second_night(
    nights, percent, cause, is_told
):
    day = ShortDay("Referred App Install", NOON.date(), 10, 1, nights, "name_discarded")
    facts = replace(FACTS, seen=SeenFacts(short=(day,)))
    finding = a_finding(KINDS_BY_CODE["counts_fewer"], detail=cause)

    assert is_wanted(an_alert_of(fewer_percent=percent), finding, facts) is is_told
