"""Counting events: by what, with how much doubt, over time, and by whom."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from referrals import referral_statistics
from referrals.log import LoggedEvent
from referrals.schema import Person
from referrals.vocabulary import EventType, FraudStatus, Via
from tests.builders import NOON, a_custom_event, a_link_click, a_person, an_event


def logged(*events, at=NOON, apart=timedelta()):
    return [LoggedEvent(n + 1, at + n * apart, event) for n, event in enumerate(events)]


def test_events_are_counted_by_type_channel_and_status():
    found = referral_statistics.count_referral_events(
        logged(
            an_event(),
            an_event(status=FraudStatus.SUSPICIOUS, channel="WhatsApp"),
            an_event(status=FraudStatus.REJECTED, channel=None),
            a_custom_event("Gift Sent", via=Via.SMART_LINK, channel="Poster"),
        )
    )

    assert (found.events, found.tests, found.doubtful) == (4, 0, 50)
    assert referral_statistics.list_statistics_lines(found.types, found.events) == [
        referral_statistics.StatisticsLine("App Install", 3, 75, 67),
        referral_statistics.StatisticsLine("Gift Sent", 1, 25, 0),
    ]
    assert referral_statistics.list_statistics_lines(found.channels, found.events) == [
        referral_statistics.StatisticsLine("whatsapp", 2, 50, 50),
        referral_statistics.StatisticsLine("No channel", 1, 25, 100),
        referral_statistics.StatisticsLine("Poster", 1, 25, 0),
    ]


def test_test_events_are_left_out_and_said_to_be():
    found = referral_statistics.count_referral_events(
        logged(an_event(test=True), an_event())
    )

    assert (found.events, found.tests) == (1, 1)
    assert len(found.referrers()) == 1
    assert found.referrers()[0].events == 1


def test_referrers_are_ranked_by_the_people_whom_they_brought():
    carla = Person({"custom_id": "carla"})
    found = referral_statistics.count_referral_events(
        logged(
            a_link_click(referrer=a_person("clicks@example.com")),
            a_link_click(referrer=a_person("clicks@example.com")),
            an_event(referrer=a_person("one@example.com", custom_id="1")),
            an_event(type=EventType.WEB_SIGN_UP, referrer=carla),
            an_event(referrer=carla, status=FraudStatus.SUSPICIOUS),
            an_event(referrer=None),
            an_event(referrer=Person(erased=True)),
        )
    )

    assert found.referrers() == [
        referral_statistics.Referrer("carla", brought=2, events=2, doubtful=50),
        referral_statistics.Referrer(
            "one@example.com", brought=1, events=1, doubtful=0
        ),
        referral_statistics.Referrer(
            "clicks@example.com", brought=0, events=2, doubtful=0
        ),
    ]


def test_a_short_time_is_shown_by_hour_without_gaps():
    found = referral_statistics.count_referral_events(
        logged(an_event(), an_event(), apart=timedelta(hours=2))
    )

    assert referral_statistics.list_periods(found.hours) == [
        ("23 Nov, 12:00", {"valid": 1}),
        ("23 Nov, 13:00", {}),
        ("23 Nov, 14:00", {"valid": 1}),
    ]


def test_a_longer_time_is_shown_by_day_and_a_long_one_by_month():
    days = referral_statistics.count_referral_events(
        logged(an_event(), an_event(), apart=timedelta(days=3))
    )
    months = referral_statistics.count_referral_events(
        logged(an_event(), an_event(), apart=timedelta(days=70))
    )

    assert [label for label, _ in referral_statistics.list_periods(days.hours)] == [
        *("23 Nov", "24 Nov", "25 Nov", "26 Nov"),
    ]
    assert referral_statistics.list_periods(months.hours) == [
        ("Nov 2026", {"valid": 1}),
        ("Dec 2026", {}),
        ("Jan 2027", {}),
        ("Feb 2027", {"valid": 1}),
    ]


def test_nothing_is_nothing():
    found = referral_statistics.count_referral_events([])

    assert (found.events, found.doubtful, found.referrers()) == (0, 0, [])
    assert referral_statistics.list_periods(found.hours) == []
    assert referral_statistics.list_periods(
        {datetime(2026, 1, 1, 5, tzinfo=UTC): Counter()}
    ) == [("1 Jan, 05:00", {})]
