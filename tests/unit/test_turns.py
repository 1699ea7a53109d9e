"""Turns at a page that costs much."""

import threading

from integration_project.turns import Turns


def test_who_finds_no_place_is_told_at_once():
    turns = Turns(1)

    with turns.take() as first, turns.take() as second:
        assert (first, second) == (True, False)
    with turns.take() as third:
        assert third


def test_who_has_a_place_waits_for_the_turn():
    turns, passed = Turns(2), []

    def wait_and_pass():
        with turns.take() as is_mine:
            passed.append(("waiting", is_mine))

    waiting = threading.Thread(target=wait_and_pass)
    with turns.take() as is_mine:
        waiting.start()
        passed.append(("first", is_mine))
    waiting.join()

    assert passed == [("first", True), ("waiting", True)]
