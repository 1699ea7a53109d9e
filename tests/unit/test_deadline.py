"""The watchdog shuts sockets at their deadline, wherever somebody waits on them."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.client.deadline import Watchdog
from tests.harness.commands import ROOT
from tests.harness.process import PATIENCE_SECONDS
from tests.unit.clock import Clock

#: A deadline that passes while a test waits for it, and one that never does.
SOON, LATE = 0.1, 3600


@pytest.fixture
def dog():
    return Watchdog()


@pytest.fixture
def clock(dog, monkeypatch):
    """The clock that the dog goes by."""
    clock = Clock(dog)
    monkeypatch.setattr(deadline, "time", clock)
    return clock


@pytest.fixture
def pair():
    with contextlib.ExitStack() as sockets:
        pair = [sockets.enter_context(sock) for sock in socket.socketpair()]
        for sock in pair:
            sock.settimeout(PATIENCE_SECONDS)
        yield pair


def test_a_blocked_read_ends_at_the_deadline(dog, pair):
    began = time.monotonic()

    with dog.set_deadline(SOON) as limit:
        limit.watch(pair[0])
        assert pair[0].recv(1) == b""

    assert time.monotonic() - began >= SOON
    assert limit.expired
    assert not limit.aborted


def test_a_blocked_write_ends_at_the_deadline(dog, pair):
    with dog.set_deadline(SOON) as limit:
        limit.watch(pair[0])
        with pytest.raises(BrokenPipeError):
            pair[0].sendall(b"x" * 10_000_000)

    assert limit.expired


def test_what_ends_in_time_is_left_alone(dog, clock, pair):
    with dog.set_deadline(LATE) as limit:
        limit.watch(pair[0])
    clock.forward()
    pair[1].sendall(b"x")

    assert pair[0].recv(1) == b"x"
    assert not limit.expired


def test_the_earlier_deadline_ends_first_although_it_began_later(dog, pair):
    with dog.set_deadline(LATE) as late, dog.set_deadline(SOON) as early:
        early.watch(pair[0])
        assert pair[0].recv(1) == b""

        assert early.expired
        assert not late.expired


def test_several_sockets_of_one_deadline_are_all_shut(dog, pair):
    with dog.set_deadline(SOON) as limit:
        limit.watch(pair[0])
        limit.watch(pair[1])
        assert pair[0].recv(1) == b""
        assert pair[1].recv(1) == b""


def test_a_socket_that_is_watched_too_late_is_shut_at_once(dog, pair):
    with dog.set_deadline(0.01) as limit:
        limit.over.result(PATIENCE_SECONDS)
        limit.watch(pair[0])

        assert pair[0].recv(1) == b""


def test_it_does_not_shut_whoever_got_the_number_of_a_closed_descriptor(
    dog, clock, pair
):
    left, right = socket.socketpair()
    number = left.fileno()
    with dog.set_deadline(LATE) as limit, right:
        limit.watch(left)
        left.close()
        heir = socket.socket(fileno=os.dup2(pair[0].fileno(), number))
        clock.forward()
        assert limit.expired
    pair[1].sendall(b"x")

    with heir:
        assert heir.recv(1) == b"x"


def test_it_keeps_no_descriptor_after_the_end(dog):
    before = _lowest_free_descriptor()
    for _ in range(20):
        left, right = socket.socketpair()
        with left, right, dog.set_deadline(LATE) as limit:
            limit.watch(left)

    assert _lowest_free_descriptor() == before


def _lowest_free_descriptor():
    number = os.dup(2)
    os.close(number)
    return number


def test_over_completes_for_those_who_wait_on_no_socket(dog):
    with dog.set_deadline(SOON) as limit:
        limit.over.result(PATIENCE_SECONDS)

    assert limit.expired


def test_remaining_counts_down_to_zero(dog):
    with dog.set_deadline(LATE) as limit:
        assert LATE - PATIENCE_SECONDS < limit.remaining() <= LATE
        assert not limit.is_over
    with dog.set_deadline(0) as limit:
        assert limit.remaining() == 0
        assert limit.is_over


def test_a_deadline_far_away_is_no_problem(dog, pair):
    with dog.set_deadline(1e12), dog.set_deadline(SOON) as limit:
        limit.watch(pair[0])
        assert pair[0].recv(1) == b""


def test_abort_all_ends_what_is_open(dog, pair):
    with dog.set_deadline(LATE) as limit:
        limit.watch(pair[0])
        threading.Timer(SOON, dog.abort_all).start()
        assert pair[0].recv(1) == b""

        assert limit.aborted
        assert not limit.expired
        assert limit.is_over


def test_abort_all_ends_what_begins_afterwards_until_reset(dog):
    dog.abort_all()
    with dog.set_deadline(LATE) as during:
        assert during.aborted
    dog.reset()
    with dog.set_deadline(LATE) as after:
        assert not after.is_over


def test_an_aborted_deadline_does_not_expire_later(dog, clock):
    with dog.set_deadline(LATE) as limit:
        dog.abort_all()
        dog.reset()
        clock.forward()

    assert limit.aborted
    assert not limit.expired


def test_the_thread_starts_with_the_first_deadline_and_is_the_only_one(dog):
    def dogs():
        return [t for t in threading.enumerate() if t.name == "watchdog"]

    before = len(dogs())
    assert dog._thread is None
    for _ in range(5):
        with dog.set_deadline(LATE):
            pass

    assert len(dogs()) == before + 1
    assert dogs()[-1].daemon


def test_many_deadlines_from_many_threads_all_end(dog):
    ended = []

    def run():
        left, right = socket.socketpair()
        with left, right, dog.set_deadline(SOON) as limit:
            limit.watch(left)
            left.recv(1)
            ended.append(limit.expired)

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert ended == [True] * 20


def test_deadlines_that_ended_in_time_do_not_pile_up(dog):
    for _ in range(1000):
        with dog.set_deadline(LATE):
            pass

    assert len(dog._heap) <= 1


FORKS = f"""
import os, socket
from clevertap_sync.clevertap.client import deadline as watchdog
with watchdog.set_deadline({LATE}):
    child = os.fork()
    if child == 0:
        left, _right = socket.socketpair()
        left.settimeout({PATIENCE_SECONDS})
        with watchdog.set_deadline({SOON}) as limit:
            limit.watch(left)
            left.recv(1)
        os._exit(0 if limit.expired else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_it_works_in_a_child_after_a_fork():
    # Its own process: this one may have any threads and locks when it forks.
    done = subprocess.run(
        [sys.executable, "-c", FORKS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "0\n"
