"""What a count says of records in doubt: something only where it can be nothing else."""

from datetime import date, timedelta

import pytest

from clevertap_sync.clevertap.causes.week import Delivered
from clevertap_sync.reconciliation.parked_verdict import (
    ComparedDay,
    is_clean,
    judge_day,
)

MONDAY = date(2026, 11, 23)


def a_day(delivered, counted, *, more=0, fewer=0, after=1):
    sums = Delivered(delivered, more, fewer)
    return ComparedDay(MONDAY + timedelta(days=after), sums, counted)


CLEAN = [a_day(1203, 1203), a_day(7, 7, after=2), a_day(0, None, after=3)]


@pytest.mark.parametrize(
    ("delivered", "counted", "is_there"),
    [
        # Three letters, each sent eight times; a fourth record was sent twice, and delivered.
        (Delivered(101, 25), 101, False),
        (Delivered(101, 25), 126, True),
        # Some of the requests stored something: which of them, nobody knows.
        (Delivered(101, 25), 104, None),
        (Delivered(101, 25), 125, None),
        (Delivered(101, 25), 127, None),
        (Delivered(101, 25), 100, None),
        # CleverTap refused one more record, and did not say which.
        (Delivered(101, 25, 1), 101, None),
        # The doubt is older than the counts.
        (Delivered(101, 2), 101, None),
        (Delivered(0, 24), 0, False),
    ],
)
def test_a_count_tells_at_either_end_alone(delivered, counted, is_there):
    assert judge_day(delivered, counted, letters=3, week=CLEAN) is is_there


@pytest.mark.parametrize(
    ("week", "clean"),
    [
        (CLEAN, True),
        ([], False),
        ([a_day(0, 0)], False),
        ([a_day(7, None)], False),
        ([*CLEAN, a_day(9, 8)], False),
        ([*CLEAN, a_day(9, 10)], False),
        # What is in doubt on another day proves nothing, and contradicts nothing.
        ([a_day(9, 10, more=1)], False),
        ([*CLEAN, a_day(9, 10, more=1)], True),
        ([*CLEAN, a_day(9, 11, more=1)], False),
        ([*CLEAN, a_day(9, 8, fewer=1)], True),
    ],
)
def test_a_week_is_clean_if_a_day_shows_it_and_none_contradicts(week, clean):
    assert is_clean(week) is clean
    if not clean:
        assert judge_day(Delivered(101, 24), 101, letters=3, week=week) is None


def test_round_numbers_alone_are_taken_for_rounded():
    delivered = Delivered(1000, 8)

    assert judge_day(delivered, 1000, letters=1, week=[a_day(250, 250)]) is None
    # A smaller number may be exact where a larger one is not.
    assert judge_day(delivered, 1000, letters=1, week=[a_day(7, 7)]) is None
    assert judge_day(delivered, 1000, letters=1, week=[a_day(1203, 1203)]) is False
    assert judge_day(delivered, 1008, letters=1, week=[a_day(250, 250)]) is True
