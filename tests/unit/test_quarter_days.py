"""Quarter-hours are summed up to days of any zone, short and long ones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS, Delivered
from clevertap_sync.insight.delivered_counts import (
    find_day,
    find_quarters,
    sum_by_day,
)

ONE = Delivered(1, 0, 0)


@pytest.mark.parametrize(
    ("zone", "day", "quarters"),
    [
        ("UTC", date(2026, 11, 23), 96),
        ("Asia/Kolkata", date(2026, 11, 23), 96),
        ("Asia/Kathmandu", date(2026, 11, 23), 96),
        ("Europe/Berlin", date(2026, 3, 29), 92),
        ("Europe/Berlin", date(2026, 10, 25), 100),
        # Its clock is put by half an hour only.
        ("Australia/Lord_Howe", date(2026, 10, 4), 94),
    ],
)
def test_a_day_has_its_own_quarter_hours_and_no_others(zone, day, quarters):
    first, last = find_quarters(day, day, ZoneInfo(zone))

    around = dict.fromkeys(range(first - 1, last + 2), ONE)
    summed = sum_by_day(around, ZoneInfo(zone))

    assert last - first + 1 == quarters
    assert summed == {
        day - timedelta(days=1): ONE,
        day: Delivered(quarters, 0, 0),
        day + timedelta(days=1): ONE,
    }


def test_several_days_are_the_quarter_hours_from_first_to_last():
    zone = ZoneInfo("Asia/Kolkata")

    first, last = find_quarters(date(2026, 11, 1), date(2026, 11, 7), zone)

    begins = datetime(2026, 10, 31, 18, 30, tzinfo=UTC).timestamp()
    assert (first, last - first + 1) == (begins // QUARTER_SECONDS, 7 * 96)
    assert find_day(first - 1, zone) == date(2026, 10, 31)
    assert find_day(last, zone) == date(2026, 11, 7)


def test_each_number_is_summed_by_itself():
    zone = ZoneInfo("UTC")

    found = sum_by_day({0: Delivered(1, 2, 3), 95: Delivered(10, 20, 30)}, zone)

    assert found == {date(1970, 1, 1): Delivered(11, 22, 33)}
