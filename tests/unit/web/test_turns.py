"""Who gets the next thread, without threads."""

import pytest
from hypothesis import given, settings, strategies as st

from integration_project.web import request_limits
from integration_project.web.turns import OverShareError, Turn, Turns


class Room:
    """`Turns`, with what is served by name."""

    def __init__(self, threads=8, share=50):
        self.turns = Turns(threads=threads, share=share)
        self.running = {}

    def add(self, owner, name="", *, key="k", weight=0, size=1, is_limited=True):
        turn = Turn(owner, key, size, weight, is_limited, work=name or owner)
        self.turns.add(turn)
        return turn

    def serve(self):
        """Let everybody begin who may. Return their names."""
        begun = []
        while (turn := self.turns.take()) is not None:
            self.running[turn.work] = turn
            begun.append(turn.work)
        return begun

    def finish(self, name):
        self.turns.finish(self.running.pop(name))


def filled(room, owner, number, **how):
    for n in range(number):
        room.add(owner, f"{owner}{n}", **how)
    return room.serve()


def test_an_app_alone_has_every_thread_but_one():
    room = Room(threads=4)

    assert filled(room, "a", 6) == ["a0", "a1", "a2"]
    assert room.add("b").has_begun is False
    assert room.serve() == ["b"]


def test_one_thread_is_anybodys():
    room = Room(threads=1)

    assert filled(room, "a", 2) == ["a0"]
    room.finish("a0")
    assert room.serve() == ["a1"]


def test_while_another_waits_an_app_has_its_share():
    room = Room(threads=4, share=50)
    filled(room, "a", 9)
    for n in range(9):
        room.add("b", f"b{n}")

    # Of a, three are served, which is more than its share: what is free is b's.
    assert room.serve() == ["b0"]
    room.finish("a0")
    assert room.serve() == ["b1"]
    # From then on each has two.
    for name, following in (("a1", "a3"), ("b0", "b2"), ("a2", "a4"), ("b1", "b3")):
        room.finish(name)
        assert room.serve() == [following]


def test_apps_take_turns_and_so_do_the_keys_of_each():
    room = Room(threads=1)
    for name in ("a1", "a2", "a3"):
        room.add("a", name, key="x")
    room.add("a", "a4", key="y")
    room.add("b", "b1")

    order = []
    while begun := room.serve():
        order += begun
        room.finish(begun[0])

    assert order == ["a1", "b1", "a4", "a2", "a3"]


def test_heavy_requests_have_two_places_and_light_ones_pass():
    room = Room()
    assert filled(room, "a", 3, weight=1) == ["a0", "a1"]

    room.add("b", "heavy", weight=1)
    room.add("c", "light")
    assert room.serve() == ["light"]
    room.finish("a0")
    assert room.serve() == ["heavy"]


def test_the_heaviest_is_alone_and_waits_for_that_and_not_for_ever():
    room = Room()
    filled(room, "a", 1, weight=1)
    room.add("b", "b", weight=2)
    room.add("a", "later", weight=1)

    # There is a place for the one that came later, and b would never have both.
    assert room.serve() == []
    room.finish("a0")
    assert room.serve() == ["b"]
    room.finish("b")
    assert room.serve() == ["later"]


def test_an_app_whose_threads_are_taken_keeps_no_heavy_request_of_another_waiting():
    room = Room(threads=2, share=50)
    filled(room, "a", 1)
    room.add("a", "heavy of a", weight=1)
    room.add("b", "heavy of b", weight=1)

    assert room.serve() == ["heavy of b"]


def test_over_its_share_an_app_is_refused_only_while_another_waits():
    # Of 16 places it has 8.
    room = Room(threads=2, share=50)
    filled(room, "a", 30)
    room.add("b", "b0")
    room.add("b", "b1")
    assert room.serve() == ["b0"]

    with pytest.raises(OverShareError):
        room.add("a")
    room.add("pages", "page")
    room.add("a", is_limited=False)


def test_who_is_refused_has_left_nothing_behind():
    room = Room(threads=2, share=50)
    filled(room, "a", 8)
    filled(room, "b", 2)
    with pytest.raises(OverShareError):
        room.add("a")

    for _ in range(9):
        room.finish(next(iter(room.running)))
        room.serve()

    assert len(room.running) == 1
    assert room.turns.take() is None


def test_who_leaves_is_not_served():
    room = Room(threads=1)
    filled(room, "a", 1)
    gone = room.add("a", "gone")
    room.add("a", "next")

    room.turns.leave(gone)
    room.finish("a0")

    assert room.serve() == ["next"]


def test_the_app_whose_bodies_take_most_is_found_and_its_newest_goes():
    room = Room(threads=1)
    filled(room, "a", 1)
    room.add("a", "many", size=5)
    room.add("a", "newest", size=5, weight=1)
    room.add("b", "one", size=9)

    assert room.turns.find_largest_of_others("b").work == "newest"
    assert room.turns.find_largest_of_others("a") is None


@settings(max_examples=30)
@given(
    threads=st.integers(1, 4),
    share=st.sampled_from([1, 50, 100]),
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 2)),
            st.tuples(st.sampled_from(["finish", "leave"]), st.integers(0, 99)),
        ),
        max_size=60,
    ),
)
def test_whatever_comes_and_goes_each_is_served_once_and_nothing_is_left(
    threads, share, steps
):
    room, waiting, served = Room(threads, share), {}, []

    def serve():
        for name in room.serve():
            served.append(name)
            del waiting[name]
        running = list(room.running.values())
        owners = [turn.owner for turn in running]
        assert len(running) <= threads
        assert all(owners.count(each) <= max(1, threads - 1) for each in owners)
        assert sum(turn.weight for turn in running) <= request_limits.HEAVY_PLACES

    for n, (what, *how) in enumerate(steps):
        if what == "finish" and room.running:
            room.finish(list(room.running)[how[0] % len(room.running)])
        elif what == "leave" and waiting:
            name = list(waiting)[how[0] % len(waiting)]
            room.turns.leave(waiting.pop(name))
        elif len(how) > 1:
            key, weight = how
            turn = room.add(what, n, key=key, weight=weight, is_limited=False)
            waiting[turn.work] = turn
        serve()
    while room.running:
        room.finish(next(iter(room.running)))
        serve()

    assert waiting == {}
    assert len(served) == len(set(served))
    # As in a room in which nothing has been yet.
    assert len(filled(room, "new", 9, weight=0)) == max(1, threads - 1)
