"""When a source is not well, and when it only looks so."""

from dataclasses import replace
from datetime import timedelta

import pytest

from clevertap_sync.insight.facts import AppIngest, Facts, SourceFacts
from clevertap_sync.insight.findings import judge_facts, judge_ingest
from clevertap_sync.insight.findings.sources import ALL_IGNORED, find_longest_pause
from clevertap_sync.models import Integration
from referrals.models import App
from tests.builders import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WELL = SourceFacts(
    pk=5,
    name="Branch",
    created_at=NOON - 40 * DAY,
    first_call_at=NOON - 40 * DAY,
    called_at=NOON - HOUR,
    calls_lately=40,
    has_taken=True,
)


def codes(*sources):
    return [each.code for each in found(*sources)]


def found(*sources):
    integration = Integration(app=App(pk=3, slug="shop", name="Shop"))
    ingest = AppIngest(sources=sources)
    return judge_ingest(Facts(NOON, integration, is_lonely=True, ingest=ingest))


def called(*, every, until, lasted=14 * DAY, at=lambda _: True):
    """Return a source that was called so often for so long, until so long ago."""
    last = NOON - until
    number = lasted // every + 1
    times = [last - every * place for place in reversed(range(number))]
    hours = [each for each in times if at(each)]
    return replace(WELL, called_at=hours[-1], call_hours=hours)


def is_weekday(time):
    return time.weekday() < 5


def test_where_all_is_well_nothing_is_found():
    assert codes(WELL) == codes() == []


def test_each_source_has_findings_of_its_own():
    others = [
        replace(WELL, pk=pk, name=name, lost_lately=1)
        for pk, name in ((7, "Adjust"), (8, "Dub"))
    ]

    assert [(each.code, each.detail) for each in found(WELL, *others)] == [
        ("calls_lost", "7"),
        ("calls_lost", "8"),
    ]


def test_an_integration_shows_them_as_an_app_without_one_does():
    integration = Integration(app=App(pk=3, slug="shop", name="Shop"))
    ingest = AppIngest(sources=(replace(WELL, lost_lately=1),))

    assert "calls_lost" in {
        each.code for each in judge_facts(Facts(NOON, integration, ingest=ingest))
    }


@pytest.mark.parametrize(
    ("unverified", "called_at", "is_found"),
    [
        (1, None, True),
        # Removed with their hours.
        (0, None, False),
        # Anybody can make one or two.
        (2, NOON - HOUR, False),
        (3, NOON - HOUR, True),
    ],
)
def test_calls_that_are_not_verified_since_a_good_one(unverified, called_at, is_found):
    source = replace(
        WELL, called_at=called_at, unverified=unverified, unverified_at=NOON
    )

    assert codes(source) == (["calls_unverified"] if is_found else [])


@pytest.mark.parametrize(
    ("bad", "good", "is_found"),
    [(10, 40, True), (9, 1, False), (10, 41, False), (100, 400, True)],
)
def test_calls_that_are_not_verified_beside_good_ones(bad, good, is_found):
    source = replace(
        WELL,
        unverified_at=NOON - 2 * HOUR,
        unverified_lately=bad,
        calls_lately=good,
    )

    assert codes(source) == (["calls_unverified"] if is_found else [])


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        # Called every hour: missed after a day, no sooner.
        (called(every=HOUR, until=23 * HOUR), False),
        (called(every=HOUR, until=24 * HOUR), True),
        # Called once a day: missed after a day and a half.
        (called(every=24 * HOUR, until=35 * HOUR), False),
        (called(every=24 * HOUR, until=36 * HOUR), True),
        # Not for so long that anybody knows its weekends.
        (called(every=HOUR, until=48 * HOUR, lasted=6 * DAY), False),
        # An import of some calls, and one a week later.
        (called(every=7 * DAY, until=48 * HOUR), False),
        (replace(WELL, called_at=NOON - 3 * DAY), False),
    ],
)
def test_a_source_is_missed_once_its_habit_is_broken(source, is_found):
    assert codes(source) == (["source_silent"] if is_found else [])


def test_a_source_is_not_missed_on_a_weekend_nor_on_the_morning_after_it():
    # NOON is a Monday.
    source = called(every=HOUR, until=DAY, at=is_weekday)

    assert NOON - source.called_at == 61 * HOUR
    assert find_longest_pause(source.call_hours) == 49 * HOUR
    assert codes(source) == []


def test_a_source_for_tests_is_not_missed():
    source = called(every=HOUR, until=30 * HOUR)

    assert codes(source) == ["source_silent"]
    assert codes(replace(source, is_test=True)) == []


def test_what_was_longer_ago_than_two_weeks_is_no_habit():
    source = called(every=HOUR, until=24 * HOUR)
    once = source.call_hours[0] - 10 * DAY

    assert codes(replace(source, call_hours=[once, *source.call_hours])) == [
        "source_silent"
    ]


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({"ignored": {"no_referrer": ALL_IGNORED}}, True),
        ({"ignored": {"no_referrer": ALL_IGNORED - 1}}, False),
        ({"ignored": {"no_referrer": ALL_IGNORED - 1, "not_chosen": 1}}, True),
        # Nobody led there, or the platform is not done: that is usual.
        ({"ignored": {"organic": 9_000, "pending": 9_000}}, False),
        ({"ignored": {"no_referrer": 9_000}, "has_taken": True}, False),
        ({"ignored": {"no_referrer": 9_000}, "first_call_at": NOON - HOUR}, False),
    ],
)
def test_that_all_is_ignored(changes, is_found):
    source = replace(WELL, **{"has_taken": False, **changes})

    assert codes(source) == (["all_ignored"] if is_found else [])


@pytest.mark.parametrize("reason", ["no_referrer", "not_chosen", "condition"])
def test_the_remedy_is_that_of_the_reason(reason):
    (finding,) = found(replace(WELL, has_taken=False, ignored={reason: 50}))

    assert finding.count == 50
    assert finding.remedy.endswith(".")


@pytest.mark.parametrize(
    ("spooled", "drained", "is_found"),
    [
        (4 * HOUR, None, True),
        (4 * HOUR, 5 * HOUR, True),
        (4 * HOUR, 3 * HOUR, False),
        (timedelta(minutes=4), None, False),
    ],
)
def test_events_that_stay_in_the_spool(spooled, drained, is_found):
    source = replace(
        WELL, spooled_at=NOON - spooled, drained_at=drained and NOON - drained
    )

    assert codes(source) == (["calls_spooled"] if is_found else [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["source_unused"]),
        ({"created_at": NOON - 6 * DAY}, []),
        ({"first_call_at": NOON - DAY}, []),
        ({"unverified_at": NOON - DAY, "unverified": 1}, ["calls_unverified"]),
    ],
)
def test_a_source_that_was_never_called(changes, expected):
    never = replace(WELL, first_call_at=None, called_at=None)

    assert codes(replace(never, **changes)) == expected
