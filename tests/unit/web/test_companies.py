"""Who is served with whom, and who waits for whom, at which moment."""

import pytest

from integration_project.web.companies import (
    PATIENCE,
    PATIENCE_SECONDS,
    STUCK_SECONDS,
    Companies,
)

APP = "app 1"
#: Whoever is served this long is waited for as long as anybody is.
LONG_SECONDS = PATIENCE_SECONDS / PATIENCE


class Clock:
    """A loop's clock, which a test puts forward."""

    def __init__(self):
        self.now = 100.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        self.timers.append(Timer(self.now + delay, callback, args))
        return self.timers[-1]

    def go_on(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer.at <= self.now]
        self.timers = [timer for timer in self.timers if timer.at > self.now]
        for timer in due:
            if not timer.is_cancelled:
                timer.callback(*timer.args)


class Timer:
    def __init__(self, at, callback, args):
        self.at, self.callback, self.args = at, callback, args
        self.is_cancelled = False

    def cancel(self):
        self.is_cancelled = True


class Bench:
    def __init__(self):
        self.clock = Clock()
        self.served = []
        self.companies = Companies(
            self.clock, lambda owner, members: self.served.append((owner, members))
        )

    def add(self, *members, owner=APP):
        for member in members:
            self.companies.add(owner, member)

    def finish(self, number, owner=APP, *, after=LONG_SECONDS):
        self.clock.go_on(after)
        self.companies.finish(owner, number)

    @property
    def groups(self):
        return ["".join(members) for _, members in self.served]


@pytest.fixture
def bench():
    return Bench()


def test_a_member_alone_never_waits(bench):
    for member in "abc":
        bench.add(member)
        bench.finish(1)

    assert bench.groups == ["a", "b", "c"]
    assert bench.clock.timers == []


def test_who_comes_meanwhile_goes_together_in_the_order_of_coming(bench):
    bench.add(*"abcd")
    assert bench.groups == ["a"]

    bench.clock.go_on(PATIENCE_SECONDS)
    bench.finish(1)
    bench.clock.go_on(PATIENCE_SECONDS)

    assert bench.groups == ["a", "bcd"]


def test_the_next_company_begins_as_soon_as_those_of_the_last_are_back(bench):
    bench.add(*"abc")
    bench.finish(1)
    assert bench.groups == ["a"]

    bench.add("d")

    assert bench.groups == ["a", "bcd"]


def test_nobody_waits_longer_than_a_moment_for_who_does_not_come(bench):
    bench.add(*"abc")
    bench.finish(1)
    bench.clock.go_on(PATIENCE_SECONDS)
    bench.finish(2)
    bench.add("d")
    assert bench.groups == ["a", "bc"]

    bench.clock.go_on(PATIENCE_SECONDS)

    assert bench.groups == ["a", "bc", "d"]


@pytest.mark.parametrize("seconds", [0.001, LONG_SECONDS / 2])
def test_the_next_company_waits_half_as_long_as_it_took_to_serve_the_last(
    bench, seconds
):
    bench.add(*"ab")
    bench.finish(1, after=seconds)

    bench.clock.go_on(0.49 * seconds)
    assert bench.groups == ["a"]
    bench.clock.go_on(0.02 * seconds)
    assert bench.groups == ["a", "b"]


def test_where_that_took_long_it_waits_no_longer_than_some_milliseconds(bench):
    bench.add(*"ab")
    bench.finish(1, after=10 * LONG_SECONDS)

    bench.clock.go_on(0.9 * PATIENCE_SECONDS)
    assert bench.groups == ["a"]
    bench.clock.go_on(0.2 * PATIENCE_SECONDS)
    assert bench.groups == ["a", "b"]


def test_who_comes_after_that_moment_is_served_at_once(bench):
    bench.add(*"abc")
    bench.finish(1)
    bench.clock.go_on(PATIENCE_SECONDS)
    bench.finish(2)
    bench.clock.go_on(PATIENCE_SECONDS)

    bench.add("d")

    assert bench.groups == ["a", "bc", "d"]


def test_owners_neither_share_nor_wait_for_one_another(bench):
    bench.add("a", owner="app 1")
    bench.add("b", "c", owner="app 2")

    assert bench.served == [("app 1", ["a"]), ("app 2", ["b"])]


def test_a_company_that_is_stuck_holds_nobody_for_ever(bench):
    bench.add(*"abc")

    bench.clock.go_on(STUCK_SECONDS)
    assert bench.groups == ["a", "bc"]
    bench.add("d")
    bench.clock.go_on(STUCK_SECONDS)

    assert bench.groups == ["a", "bc", "d"]
    for number in (2, 1, 1):
        bench.finish(number)
    bench.add("e")
    bench.clock.go_on(PATIENCE_SECONDS)
    assert bench.groups[3:] == ["e"]


def test_an_owner_who_is_gone_leaves_nothing_behind(bench):
    bench.add(*"abc")
    bench.finish(1)
    bench.clock.go_on(PATIENCE_SECONDS)
    bench.finish(2)

    bench.clock.go_on(PATIENCE_SECONDS)

    assert bench.companies._gatherings == {}
