"""How long the database lasts: an estimate that says what it rests on, and where it ends."""

from datetime import timedelta

import pytest

from clevertap_sync.insight.growth import Retention, SizeSeen, estimate_growth
from tests.builders import NOON

GIGABYTE = 1_000_000_000
DAY = timedelta(days=1)
KEPT = timedelta(days=90)


def looks(*gigabytes, every=DAY):
    """Return looks of which the last is at noon, in order of time."""
    first = NOON - every * (len(gigabytes) - 1)
    return [
        SizeSeen(first + every * place, int(size * GIGABYTE))
        for place, size in enumerate(gigabytes)
    ]


def estimate(seen, *, room=None, age=10 * DAY):
    return estimate_growth(
        seen,
        capacity_bytes=room and int(room * GIGABYTE),
        oldest_event_at=age and NOON - age,
        keep_for=KEPT,
    )


@pytest.mark.parametrize(
    "seen", [[], looks(1), looks(1, 2, 3, every=timedelta(hours=11, minutes=59))]
)
def test_on_the_first_day_growth_is_unknown(seen):
    assert estimate(seen, room=10) is None


def test_growth_is_measured_over_the_newest_week():
    growth = estimate(looks(0.1, 0.2, 5, 6, 7, 8, 9, 10, 11, 12))

    assert growth.per_day == GIGABYTE
    assert growth.basis == 7 * DAY


def test_with_less_than_a_week_it_rests_on_what_there_is():
    growth = estimate(looks(1, 1.5, 2, every=timedelta(hours=18)))

    assert growth.per_day == pytest.approx(GIGABYTE / 1.5)
    assert growth.basis == timedelta(hours=36)


def test_room_lasts_until_it_is_used_up():
    assert estimate(looks(1, 2), room=12).lasts == 10 * DAY


def test_growth_ends_when_retention_begins_to_give_back():
    # In 80 days what came first is removed: by then there are 82 GB.
    enough, short = (estimate(looks(1, 2), room=room) for room in (82.1, 81.9))

    assert enough.retention is Retention.AHEAD
    assert enough.goes_on_for == 80 * DAY
    assert enough.lasts is None
    assert short.lasts == pytest.approx(79.9 * DAY, abs=timedelta(seconds=1))


def test_what_retention_gives_back_is_not_drawn_on_for_ever():
    growing = estimate(looks(50, 51), room=142, age=91 * DAY)

    assert growing.retention is Retention.AT_WORK
    assert growing.goes_on_for == KEPT
    assert growing.lasts is None


def test_growth_that_retention_cannot_give_back_has_no_end():
    growing = estimate(looks(50, 51), room=1051, age=93 * DAY)

    assert growing.retention is Retention.BEHIND
    assert growing.goes_on_for is None
    assert growing.lasts == 1000 * DAY


@pytest.mark.parametrize("sizes", [(5, 5), (6, 5)])
def test_what_does_not_grow_lasts(sizes):
    growth = estimate(looks(*sizes), room=6, age=None)

    assert growth.per_day <= 0
    assert growth.lasts is None


def test_without_a_known_room_only_the_growth_is_told():
    growth = estimate(looks(1, 2))

    assert (growth.per_day, growth.lasts) == (GIGABYTE, None)


def test_a_full_room_lasts_no_time():
    assert estimate(looks(6, 6), room=6).lasts == timedelta()


def test_a_growth_next_to_nothing_lasts_longer_than_any_calendar():
    seen = [SizeSeen(NOON - 7 * DAY, 10), SizeSeen(NOON, 11)]

    growth = estimate_growth(
        seen, capacity_bytes=10**15, oldest_event_at=NOON - 100 * DAY, keep_for=KEPT
    )

    assert growth.lasts == timedelta(days=36_500)
