"""The threads of a web process, by who does what."""

import queue
import threading
from functools import partial

from integration_project.web.threads import Threads
from tests.harness.process import PATIENCE_SECONDS

IDLE = "_idle"


class Work:
    """Work that tells who does it, and lasts until it is let go."""

    def __init__(self, done_by):
        self.done_by = done_by
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.goes_on.wait(PATIENCE_SECONDS)
        self.done_by.put(threading.current_thread().name)


def wait_until_idle(threads, number):
    """Return once so many threads are idle: a thread is so a moment after its work."""
    woken = threading.Event()
    for _ in range(round(PATIENCE_SECONDS * 1_000)):
        if len(getattr(threads, IDLE)) == number:
            return
        woken.wait(0.001)
    raise AssertionError


def test_the_thread_that_was_busy_last_works_next():
    threads, done_by = Threads(3, "test"), queue.SimpleQueue()
    works = [Work(done_by) for _ in range(3)]
    for work in works:
        threads.give(work)
        assert work.begun.wait(PATIENCE_SECONDS)
    names = []
    for number, work in enumerate(works, start=1):
        work.goes_on.set()
        names.append(done_by.get(timeout=PATIENCE_SECONDS))
        wait_until_idle(threads, number)
    assert len(set(names)) == 3

    for _ in range(3):
        work = Work(done_by)
        work.goes_on.set()
        threads.give(work)
        assert done_by.get(timeout=PATIENCE_SECONDS) == names[-1]
        wait_until_idle(threads, 3)


def test_work_that_finds_no_thread_is_done_in_its_order():
    threads, done = Threads(1, "test"), queue.SimpleQueue()
    first = Work(done)
    threads.give(first)
    for number in range(3):
        threads.give(partial(done.put, number))
    first.goes_on.set()

    assert [done.get(timeout=PATIENCE_SECONDS) for _ in range(4)][1:] == [0, 1, 2]


def test_work_that_fails_costs_no_thread(caplog):
    threads, done = Threads(1, "test"), queue.SimpleQueue()

    def fail():
        raise ValueError

    threads.give(fail)
    threads.give(partial(done.put, "done"))

    assert done.get(timeout=PATIENCE_SECONDS) == "done"
    assert caplog.messages == ["A request ended in an error of the server"]
