"""Bodies on their way in, from a script in place of a socket."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings, strategies as st

from integration_project.web import request_limits
from integration_project.web.bodies import Bodies, NoRoomError

MEBIBYTE = 1024 * 1024


class Caller:
    """Sends what the test says, when it says so."""

    def __init__(self):
        self.messages = asyncio.Queue()

    def send(self, data, *, more=True):
        self.messages.put_nowait(
            {"type": "http.request", "body": data, "more_body": more}
        )

    def leave(self):
        self.messages.put_nowait({"type": "http.disconnect"})

    async def receive(self):
        return await self.messages.get()


def collecting(bodies, caller, *, stated=None, most=MEBIBYTE, owner="a"):
    return asyncio.ensure_future(
        bodies.collect(caller.receive, stated=stated, most=most, owner=owner)
    )


async def settled():
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def no_room(_owner):
    return False


def test_a_body_comes_in_pieces_and_is_held_until_it_is_released():
    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        caller.send(b"one ")
        caller.send(b"body", more=False)
        body = await collecting(bodies, caller)
        held = bodies.held_bytes
        bodies.release_body(body)
        bodies.release_body(body)
        return body, held, bodies.held_bytes

    body, held, after = asyncio.run(scenario())

    assert (body.data, body.length, body.is_whole) == (b"one body", 8, True)
    assert body.stream().read() == b"one body"
    assert (held, after) == (8, 0)


def test_a_caller_who_leaves_has_not_sent_a_whole_body():
    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        caller.send(b"half")
        caller.leave()
        return await collecting(bodies, caller, stated=8)

    body = asyncio.run(scenario())

    assert (body.length, body.is_whole) == (8, False)
    stream = body.stream()
    assert stream.read(100) == b"half"
    with pytest.raises(ConnectionResetError):
        stream.read(100)


def test_a_chunked_body_that_was_cut_off_is_longer_than_what_came():
    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        caller.send(b"half")
        caller.leave()
        return await collecting(bodies, caller)

    body = asyncio.run(scenario())

    assert (body.data, body.length, body.is_whole) == (b"half", 5, False)


def test_a_slow_body_ends_at_its_deadline_whatever_still_comes(monkeypatch):
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.05)

    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        task = collecting(bodies, caller, stated=100)
        while not task.done():
            caller.send(b" ")
            await asyncio.sleep(0.005)
        return task.result(), bodies.held_bytes

    body, held = asyncio.run(scenario())

    assert body.is_whole is False
    assert body.length == 100
    assert held == len(body.data) < 100


@pytest.mark.parametrize("stated", [None, 21, 10**18])
def test_what_is_too_long_is_thrown_away_until_it_ends(stated):
    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        held = []
        task = collecting(bodies, caller, stated=stated, most=20)
        for n in range(3):
            caller.send(b"x" * 7, more=n < 2)
            await settled()
            held.append(bodies.held_bytes)
        return await task, held[-1]

    body, held = asyncio.run(scenario())

    assert (body.data, body.is_whole, held) == (b"", False, 0)
    assert body.length == max(stated or 0, 21)


def test_what_is_too_long_is_not_read_without_end():
    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        part, sent = b"x" * MEBIBYTE, 0
        task = collecting(bodies, caller)
        while not task.done():
            caller.send(part)
            sent += 1
            await settled()
        return sent

    assert asyncio.run(scenario()) == 65


def test_a_silent_sender_of_too_much_gets_the_answer_soon(monkeypatch):
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 3600)
    monkeypatch.setattr(request_limits, "DISCARD_SILENCE_SECONDS", 0.01)

    async def scenario():
        bodies, caller = Bodies(no_room), Caller()
        caller.send(b"x" * 21)
        return await collecting(bodies, caller, most=20)

    assert asyncio.run(scenario()).is_whole is False


def test_where_there_is_no_room_the_oldest_that_is_on_its_way_goes(monkeypatch):
    monkeypatch.setattr(request_limits, "MAX_HELD_BYTES", 100)

    async def scenario():
        bodies = Bodies(no_room)
        callers = [Caller() for _ in range(3)]
        tasks = [collecting(bodies, caller) for caller in callers]
        for caller in callers[:2]:
            caller.send(b"x" * 50)
            await settled()
        callers[2].send(b"x" * 10, more=False)
        body = await tasks[2]
        with pytest.raises(NoRoomError):
            await tasks[0]
        callers[1].send(b"", more=False)
        return body.is_whole, (await tasks[1]).is_whole, bodies.held_bytes

    assert asyncio.run(scenario()) == (True, True, 60)


def test_a_body_for_which_nobody_goes_is_refused(monkeypatch):
    monkeypatch.setattr(request_limits, "MAX_HELD_BYTES", 100)
    asked = []

    async def scenario():
        bodies, caller = Bodies(asked.append), Caller()
        caller.send(b"x" * 101, more=False)
        with pytest.raises(NoRoomError):
            await collecting(bodies, caller, owner="app 7")
        return bodies.held_bytes

    assert asyncio.run(scenario()) == 0
    assert asked == ["app 7"]


def test_another_that_waits_makes_room(monkeypatch):
    monkeypatch.setattr(request_limits, "MAX_HELD_BYTES", 100)

    async def scenario():
        waiting = []

        def make_room(_owner):
            bodies.release_body(waiting.pop())
            return True

        bodies = Bodies(make_room)
        for _ in range(2):
            caller = Caller()
            caller.send(b"x" * 60, more=False)
            waiting.append(await collecting(bodies, caller))
        return len(waiting), bodies.held_bytes

    assert asyncio.run(scenario()) == (1, 60)


def test_at_the_end_what_is_on_its_way_has_a_moment_and_then_goes(monkeypatch):
    monkeypatch.setattr(request_limits, "LAST_BODY_SECONDS", 0.05)

    async def scenario():
        bodies, slow, late, quick = Bodies(no_room), Caller(), Caller(), Caller()
        tasks = [collecting(bodies, caller) for caller in (slow, quick)]
        for caller in (slow, quick):
            caller.send(b"half")
        await settled()
        bodies.end_soon()
        quick.send(b" and half", more=False)
        body = await tasks[1]
        late.send(b"half")
        for task in (tasks[0], collecting(bodies, late)):
            with pytest.raises(NoRoomError):
                await task
        return body.data, body.is_whole, bodies.held_bytes

    assert asyncio.run(scenario()) == (b"half and half", True, 13)


class Crowd:
    """Callers of whom each may do anything at any time."""

    def __init__(self):
        self.whole = []
        self.bodies = Bodies(lambda _owner: self.release())
        self.callers, self.tasks = {}, {}

    def release(self):
        if self.whole:
            self.bodies.release_body(self.whole.pop(0))
            return True
        return False

    async def keep(self, caller):
        with contextlib.suppress(NoRoomError):
            self.whole.append(await collecting(self.bodies, caller, most=80))

    def let(self, what, n, size):
        if n not in self.tasks or self.tasks[n].done():
            self.callers[n] = Caller()
            self.tasks[n] = asyncio.ensure_future(self.keep(self.callers[n]))
        {
            "send": lambda: self.callers[n].send(b"x" * size),
            "end": lambda: self.callers[n].send(b"x" * size, more=False),
            "leave": self.callers[n].leave,
            "cancel": self.tasks[n].cancel,
            "evict": self.bodies.evict_oldest,
            "release": self.release,
        }[what]()

    async def end(self):
        for caller in self.callers.values():
            caller.leave()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        while self.release():
            pass


WHAT = st.sampled_from(["send", "end", "leave", "cancel", "evict", "release"])


@settings(max_examples=30)
@given(st.lists(st.tuples(WHAT, st.integers(0, 5), st.integers(0, 60)), max_size=60))
def test_whatever_comes_and_goes_nothing_stays_held(steps):
    async def scenario():
        crowd = Crowd()
        for step in steps:
            crowd.let(*step)
            await settled()
            assert 0 <= crowd.bodies.held_bytes <= 100
        await crowd.end()
        return crowd.bodies.held_bytes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_limits, "MAX_HELD_BYTES", 100)
        assert asyncio.run(scenario()) == 0
