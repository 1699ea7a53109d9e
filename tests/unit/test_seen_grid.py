"""The grid of names and days: what each cell says, and which one is never green."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clevertap_sync.admin.reconciliation.repeat_query import write_query
from clevertap_sync.admin.reconciliation.seen_cells import build_row
from clevertap_sync.clevertap.causes import codes
from clevertap_sync.insight.seen_grid import DayState, GridBounds, build_grid, list_days
from clevertap_sync.insight.seen_numbers import SeenStatus, sum_up_day
from clevertap_sync.insight.seen_sights import describe_delays, measure_delays
from clevertap_sync.models import FirstSight, Statement
from tests import documented

MINUS = "\N{MINUS SIGN}"
TODAY = date(2026, 11, 23)
YESTERDAY = date(2026, 11, 22)
NIGHT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
LONG_AGO = datetime(2026, 10, 1, tzinfo=UTC)


def a_statement(days_ago=1, **changes):
    day = TODAY - timedelta(days=days_ago)
    name = {"name": "Referred App Install", "folded_name": "referredappinstall"}
    return Statement(day=day, **{**name, "delivered": 10, "counted": 10, **changes})


def a_cause(code, size):
    return {"code": code, "size": size, "sentence": "So it is."}


def grid_of(*statements, zone="UTC", since=LONG_AGO, at=NIGHT):
    bounds = GridBounds(ZoneInfo(zone), since, at)
    return build_grid(statements, list_days(TODAY), bounds)


def states_of(*statements, **bounds):
    (row,) = grid_of(*statements, **bounds)
    return [each.state for each in row.days]


def test_each_day_of_a_name_says_what_is_known_of_it():
    deleted, twice = a_cause("profiles_deleted", -2), a_cause("sent_twice", 1)
    (row,) = grid_of(
        a_statement(1),
        a_statement(2, counted=7, unexplained=-3),
        a_statement(3, counted=12, unexplained=2),
        a_statement(4, counted=None),
        a_statement(5, counted=11, maybe_more=2, causes=[twice]),
        a_statement(6, counted=8, causes=[deleted]),
    )

    cells = [
        (each.state, each.text, each.spoken, each.under)
        for each in build_row(row, frozenset()).cells
    ]

    fewer = "CleverTap counts 7 of 10 delivered: 3 fewer"
    more = "CleverTap counts 12 of 10 delivered: 2 more"
    gone = "CleverTap counts 8 of 10 delivered: 2 fewer"
    doubtful = "10 delivered, and 2 records of which nobody knows"
    assert cells == [
        ("pending", "…", "not compared yet", ""),
        ("equal", "10", "as delivered", ""),
        ("fewer", f"{MINUS}3", fewer, "of 10"),
        ("more", "+2", more, "of 10"),
        ("not_compared", "not compared", "", ""),
        ("in_doubt", "11", doubtful, "of 10"),
        ("expected", f"{MINUS}2", gone, "of 10"),
        ("nothing", "·", "nothing delivered", ""),
    ]


@pytest.mark.parametrize(
    ("causes", "unexplained", "state"),
    [
        ([a_cause("profiles_deleted", -3)], 0, DayState.EXPECTED),
        ([a_cause("profiles_deleted", -2)], -1, DayState.FEWER),
        ([a_cause("name_discarded", -3)], 0, DayState.FEWER),
        ([], -3, DayState.FEWER),
    ],
)
def test_a_difference_is_as_expected_only_where_all_of_it_is_explained_so(
    causes, unexplained, state
):
    short = a_statement(counted=7, causes=causes, unexplained=unexplained)

    assert states_of(short)[1] == state


def test_a_day_that_began_before_counting_did_is_not_counted():
    since = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)

    states = states_of(a_statement(), since=since)

    assert states == ["pending", "equal", "nothing", *["not_counted"] * 5]


@pytest.mark.parametrize(
    ("zone", "state"), [("UTC", "nothing"), ("America/New_York", "pending")]
)
def test_a_day_is_pending_until_a_comparison_began_after_its_end_in_the_zone(
    zone, state
):
    assert states_of(a_statement(2), zone=zone)[1] == state


def test_what_a_comparison_did_not_reach_yet_is_pending_and_then_not_compared():
    unasked = a_statement(counted=None)

    assert states_of(unasked, at=None)[1] == "pending"
    assert states_of(unasked)[1] == "not_compared"


def test_names_that_differ_come_first():
    other = {"name": "A", "folded_name": "a"}

    rows = grid_of(a_statement(**other), a_statement(counted=7))

    assert [row.name for row in rows] == ["Referred App Install", "A"]


def test_a_day_is_summed_up_over_the_names_that_were_compared():
    full = a_cause("event_types_full", -10)

    status = sum_up_day(
        [
            a_statement(),
            a_statement(counted=0, causes=[full]),
            a_statement(counted=15, unexplained=5),
            a_statement(counted=None),
        ]
    )

    assert status == SeenStatus(
        day=YESTERDAY,
        delivered=30,
        counted=25,
        difference=-5,
        causes={"event_types_full": -10, "unexplained": 5},
        different=2,
        not_compared=1,
    )


def test_nothing_compared_is_no_agreement():
    assert sum_up_day([]) == SeenStatus(day=None)


def test_causes_of_opposite_signs_do_not_hide_each_other():
    short, long = (
        a_statement(counted=7, unexplained=-3),
        a_statement(counted=13, unexplained=3),
    )

    status = sum_up_day([short, long])

    assert (status.difference, status.different) == (0, 2)


def a_sight(minutes, **changes):
    shown_at = NIGHT + timedelta(minutes=minutes)
    seen = {"is_new": True, "asked_at": shown_at, "shown_at": shown_at}
    return FirstSight(first_at=NIGHT, **{**seen, **changes})


def test_how_soon_new_events_show_is_told_as_it_was_watched():
    sights = [
        *(a_sight(minutes) for minutes in (20, 1, 3)),
        a_sight(1, is_new=False),
        a_sight(1, shown_at=None),
        a_sight(300, asked_at=None),
    ]

    assert describe_delays(measure_delays(sights)) == (
        "This account shows new events after 3 min (median). All of 3 new names showed "
        "within 20 min."
    )
    assert describe_delays(measure_delays([])) == ""


def test_the_query_by_hand_is_safe_in_a_shell_and_has_no_passcode():
    base_url = "https://in1.api.clevertap.com"

    line = write_query(base_url, "ABC-DEF-123Z", "$(free) `offer`", YESTERDAY)

    assert line.splitlines() == [
        "curl -sS https://in1.api.clevertap.com/1/counts/events.json \\",
        "  -H 'X-CleverTap-Account-Id: ABC-DEF-123Z' \\",
        "  -H 'X-CleverTap-Passcode: YOUR-PASSCODE' \\",
        "  -H 'Content-Type: application/json; charset=utf-8' \\",
        """  -d '{"event_name":"$(free) `offer`","from":20261122,"to":20261122}'""",
    ]


def test_every_cause_is_documented_in_the_order_in_which_it_is_taken_off():
    table = documented.page("seen-in-clevertap").partition("| Code |")[2]

    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

    assert told == list(codes.ORDER)
