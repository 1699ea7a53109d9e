"""Upkeep works in short pieces, and rests in between."""

import time

import pytest

from clevertap_sync.delivery.upkeep.pace import LEAST_REST_SECONDS, Pace, find_rest
from clevertap_sync.process import stopping


@pytest.fixture
def now(monkeypatch):
    """The seconds that have passed; a wait lets them pass."""
    passed = [0.0]

    def wait(seconds):
        passed[0] += seconds
        return False

    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    monkeypatch.setattr(stopping, "wait_for_stop", wait)
    return passed


def test_a_rest_is_four_times_as_long_as_the_piece_before_it():
    assert find_rest(0.010, 0.0) == 0.040
    assert find_rest(1.0, 0.0) == 4.0


def test_after_the_shortest_piece_there_is_a_rest_too():
    assert find_rest(0.0, 0.0) == LEAST_REST_SECONDS


def test_a_piece_may_ask_for_a_longer_rest(now):
    spread = Pace(10.0)

    assert spread.rest(at_least=3.0)
    assert now[0] == 3.0


def test_a_piece_is_measured_from_the_end_of_the_rest_before_it(now):
    spread = Pace(10.0)

    now[0] += 0.1
    assert spread.rest()
    assert now[0] == pytest.approx(0.5)
    now[0] += 0.2
    assert spread.rest()
    assert now[0] == pytest.approx(1.5)


def test_there_is_no_time_for_another_piece_once_it_is_over(now):
    spread = Pace(1.0)

    now[0] += 0.3
    assert not spread.rest()
    assert spread.is_over()


def test_nobody_rests_when_the_time_is_over(now):
    spread = Pace(0.0)

    assert not spread.rest()
    assert now[0] == 0.0


def test_a_process_that_is_about_to_end_has_no_time_left(now, monkeypatch):
    spread = Pace(10.0)
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)

    assert spread.is_over()
    assert not spread.rest()
    assert now[0] == 0.0
