"""Reading the log: by position, by key, by time."""

from datetime import timedelta

import pytest

from referrals import log
from referrals.models import ReferralEvent
from tests.builders import NOON, a_sent_event, an_app

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    """An app with ten events, a minute apart, the first at noon; beside a busier one."""
    log.append(an_app(), [a_sent_event() for _ in range(20)])
    app = an_app()
    log.append(app, [a_sent_event(id=f"k{n}") for n in range(1, 11)])
    for row in ReferralEvent.objects.filter(app=app):
        received_at = NOON + timedelta(minutes=row.position - 1)
        ReferralEvent.objects.filter(pk=row.pk).update(received_at=received_at)
    return app


def at(events):
    return [event.position for event in events]


def test_the_head_of_an_empty_log_is_0():
    assert log.read_head(an_app().pk) == 0


def test_a_range_is_read_ascending_with_both_ends(app):
    events = log.read_range(app.pk, 3, 6)

    assert at(events) == [3, 4, 5, 6]
    assert [e.event.id for e in events] == ["k3", "k4", "k5", "k6"]
    assert events[0].received_at == NOON + timedelta(minutes=2)


@pytest.mark.parametrize(("first", "last"), [(0, 99), (-5, 10), (1, 10)])
def test_a_range_beyond_the_ends_is_cut(app, first, last):
    assert at(log.read_range(app.pk, first, last)) == list(range(1, 11))


def test_an_empty_range_is_empty(app):
    assert log.read_range(app.pk, 5, 4) == []
    assert log.read_range(app.pk, 11, 20) == []


def test_positions_are_read_ascending_and_once(app):
    events = log.read_positions(app.pk, [7, 3, 99, 3, 0])

    assert at(events) == [3, 7]
    assert events == [*log.read_range(app.pk, 3, 3), *log.read_range(app.pk, 7, 7)]


def test_no_positions_cost_no_query(app, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert log.read_positions(app.pk, []) == []


def test_many_positions_cost_one_query(app, django_assert_num_queries):
    with django_assert_num_queries(1):
        log.read_positions(app.pk, range(1, 2000))


def test_an_event_is_found_by_its_key_in_its_app_only(app):
    assert log.find_event(app.pk, "k4") == log.read_range(app.pk, 4, 4)[0]
    assert log.find_event(app.pk, "k99") is None
    assert log.find_event(an_app().pk, "k4") is None
    assert log.find_event(app.pk, "k\0") is None


@pytest.mark.parametrize(
    ("minutes", "position"),
    [(-60, 0), (0, 0), (0.5, 1), (1, 1), (8.5, 9), (9, 9), (9.5, 10), (600, 10)],
)
def test_the_last_position_before_an_instant_is_found(app, minutes, position):
    assert log.find_position(app.pk, NOON + timedelta(minutes=minutes)) == position


def test_of_events_received_together_none_is_before_the_instant(app):
    ReferralEvent.objects.filter(app=app, position__range=(3, 8)).update(
        received_at=NOON + timedelta(minutes=2)
    )

    assert log.find_position(app.pk, NOON + timedelta(minutes=2)) == 2
    assert log.find_position(app.pk, NOON + timedelta(minutes=3)) == 8


def test_an_empty_log_has_no_position_before_anything():
    assert log.find_position(an_app().pk, NOON) == 0


def test_what_retention_removed_was_received_before(app):
    log.trim_log(app.pk, 6)

    assert log.find_position(app.pk, NOON) == 5
    assert log.find_position(app.pk, NOON + timedelta(minutes=6)) == 6


def test_the_search_costs_a_row_per_halving(app, django_assert_max_num_queries):
    with django_assert_max_num_queries(5):
        log.find_position(app.pk, NOON + timedelta(minutes=5))


def test_times_of_receipt_are_read_of_several_logs_at_once():
    shop, market = an_app("shop"), an_app("market")
    for app in (shop, market):
        log.append(app, [a_sent_event() for _ in range(2)])

    found = log.read_received_at([(shop.pk, 2), (market.pk, 1), (market.pk, 3)])

    rows = ReferralEvent.objects.values_list("app", "position", "received_at")
    stored = {(app_id, position): at for app_id, position, at in rows}
    assert found == {at: stored[at] for at in [(shop.pk, 2), (market.pk, 1)]}
    assert log.read_received_at([]) == {}
