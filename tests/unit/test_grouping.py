"""Callers in line: who does whose work, and what everybody hears of it."""

import threading
from functools import partial

import pytest

from referrals.log.grouping import WaitedTooLongError, WaitingLine
from tests.harness.process import PATIENCE_SECONDS as SECONDS, wait_until


class Bench:
    """Doubles numbers; a group's work can be held up, and fails as it is told to."""

    def __init__(
        self, *, most=100, seconds=SECONDS, patience=0.0, shared=None, before_wait=None
    ):
        self.groups = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.is_held = False
        self.poison = None
        self.raises = ValueError("poison")
        self.line = WaitingLine(
            self.work,
            error_for_others=shared or (lambda _: None),
            before_wait=before_wait or (lambda: None),
            size=lambda item: item,
            most=most,
            seconds=seconds,
            patience=patience,
        )

    def work(self, items, answer):
        self.groups.append(list(items))
        self.begun.release()
        if self.is_held:
            assert self.go.acquire(timeout=SECONDS)
        if self.poison in items:
            raise self.raises
        answer([2 * item for item in items])

    def in_line(self, *items):
        """Hold the first turn up, and let `items` stand in line behind it."""
        self.is_held = True
        callers = [Caller(self.line, 1)]
        assert self.begun.acquire(timeout=SECONDS)
        for count, item in enumerate(items, start=1):
            callers.append(Caller(self.line, item))
            wait_until(partial(self.waits_for, count))
        return callers

    def waits_for(self, count):
        return len(self.line._waiting) == count

    def release(self, turns=100):
        self.is_held = False
        self.go.release(turns)


class Caller(threading.Thread):
    def __init__(self, line, item):
        super().__init__(daemon=True)
        self.line, self.item = line, item
        self.result = None
        self.start()

    def run(self):
        try:
            self.result = self.line.ask(self.item)
        except BaseException as error:
            self.result = error

    def outcome(self):
        self.join(SECONDS)
        assert not self.is_alive()
        return self.result


class Come(threading.Event):
    """In place of what a turn waits on for company: counts, and nobody comes."""

    def __init__(self):
        super().__init__()
        self.waits = 0

    def wait(self, timeout=None):
        self.waits += 1
        return super().wait(0 if timeout else None)


def outcomes(callers):
    return [caller.outcome() for caller in callers]


def test_a_caller_alone_is_served_at_once():
    bench = Bench(patience=SECONDS)
    bench.line._all_arrived = come = Come()

    assert [bench.line.ask(item) for item in (1, 2, 3)] == [2, 4, 6]
    assert bench.groups == [[1], [2], [3]]
    assert come.waits == 0


def test_those_who_come_during_a_turn_share_the_next_in_the_order_they_came():
    bench = Bench()
    callers = bench.in_line(5, 3, 4)

    bench.release()

    assert outcomes(callers) == [2, 10, 6, 8]
    assert bench.groups == [[1], [5, 3, 4]]


def test_who_waits_gives_back_what_the_turn_may_need_and_who_has_the_turn_keeps_it():
    gave_back = []
    bench = Bench(before_wait=lambda: gave_back.append(threading.current_thread()))
    callers = bench.in_line(5, 3)
    # Each is in line before it gives back.
    wait_until(lambda: len(gave_back) == 2)

    bench.release()

    assert outcomes(callers) == [2, 10, 6]
    assert gave_back == callers[1:]


def test_a_group_is_no_larger_than_allowed_and_nobody_is_passed_over():
    bench = Bench(most=10)
    callers = bench.in_line(6, 5, 1, 200)

    bench.release()

    assert outcomes(callers) == [2, 12, 10, 2, 400]
    assert bench.groups == [[1], [6], [5, 1], [200]]


def test_the_next_turn_begins_when_the_answers_hold_not_when_all_is_done():
    turn, answered = threading.Event(), threading.Event()

    def work(items, answer):
        answer(items)
        answered.set()
        if items == [1]:
            assert turn.wait(SECONDS)  # rings for somebody, say

    line = WaitingLine(
        work,
        error_for_others=lambda _: None,
        before_wait=lambda: None,
        size=int,
        most=9,
        seconds=SECONDS,
        patience=0.0,
    )
    first = Caller(line, 1)
    assert answered.wait(SECONDS)

    assert line.ask(2) == 2
    turn.set()
    assert first.outcome() == 1


def test_one_members_failure_is_its_own():
    bench = Bench()
    bench.poison = 3
    callers = bench.in_line(5, 3, 4)

    bench.release()

    first, five, three, four = outcomes(callers)
    assert (first, five, four) == (2, 10, 8)
    assert three is bench.raises
    assert bench.groups[:2] == [[1], [5, 3, 4]]
    assert sorted(bench.groups[2:]) == [[3], [4], [5]]


def test_a_leader_whose_item_is_at_fault_hears_of_it_alone():
    bench = Bench()
    bench.poison = 5
    callers = bench.in_line(5, 3)

    bench.release()

    first, five, three = outcomes(callers)
    assert (first, three) == (2, 6)
    assert five is bench.raises


def test_what_would_fail_for_each_is_told_to_all_and_not_tried_again():
    bench = Bench(shared=lambda error: LookupError(str(error)))
    bench.poison = 3
    callers = bench.in_line(5, 3, 4)

    bench.release()

    first, *others = outcomes(callers)
    assert first == 2
    assert others[0] is bench.raises
    assert [repr(other) for other in others[1:]] == ["LookupError('poison')"] * 2
    assert others[1] is not others[2]
    assert bench.groups == [[1], [5, 3, 4]]


@pytest.mark.parametrize("death", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_nobody_is_left_waiting_when_a_leader_dies(death):
    bench = Bench()
    bench.poison = 5
    bench.raises = death()
    callers = bench.in_line(5, 3, 4)

    bench.release()

    first, five, *others = outcomes(callers)
    assert (first, others) == (2, [6, 8])
    assert isinstance(five, death)
    assert bench.line.ask(7) == 14


def test_a_lone_callers_failure_is_raised_and_ends_its_turn():
    bench = Bench()
    bench.poison = 3

    with pytest.raises(ValueError, match="poison"):
        bench.line.ask(3)

    assert bench.line.ask(4) == 8
    assert bench.groups == [[3], [4]]


def test_a_turn_that_is_stuck_is_taken_over():
    bench = Bench(seconds=0.1)
    [stuck] = bench.in_line()
    bench.is_held = False

    assert bench.line.ask(5) == 10
    assert bench.line.ask(6) == 12
    bench.release()
    assert stuck.outcome() == 2
    assert bench.line.ask(7) == 14


def test_who_is_in_a_turn_that_is_stuck_is_told_so():
    bench = Bench()
    first, leader, member = bench.in_line(5, 3)
    in_line = bench.line._waiting[1]
    bench.go.release()  # the first turn only
    assert bench.begun.acquire(timeout=SECONDS)
    in_line.woken.set()

    assert isinstance(member.outcome(), WaitedTooLongError)
    bench.release()
    assert outcomes([first, leader]) == [2, 10]


def test_a_turn_gives_the_company_of_the_last_a_moment_to_come_again():
    bench = Bench(patience=SECONDS)
    outcomes_of_first = bench.in_line(5)
    bench.release()
    assert outcomes_of_first[0].outcome() == 2

    # The one in line waits for the one who was answered: two were there.
    again = Caller(bench.line, 3)

    assert outcomes([*outcomes_of_first, again]) == [2, 10, 6]
    assert bench.groups == [[1], [5, 3]]


def test_company_that_does_not_come_again_is_not_waited_for_twice():
    bench = Bench(patience=SECONDS)
    bench.line._all_arrived = come = Come()
    callers = bench.in_line(5)
    bench.release()
    assert outcomes(callers) == [2, 10]
    assert come.waits == 1

    assert bench.line.ask(3) == 6

    assert come.waits == 1


def test_many_threads_get_each_its_own_answer():
    bench = Bench(most=50, patience=0.001)
    failures = []

    def ask_often(first):
        items = range(first, 4_000, 16)
        failures.extend(n for n in items if bench.line.ask(n) != 2 * n)

    threads = [threading.Thread(target=ask_often, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sorted(item for group in bench.groups for item in group) == list(
        range(4_000)
    )
