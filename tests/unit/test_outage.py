"""What a process remembers of a database that is away, and work within a deadline."""

import threading

import pytest

from referrals.hooks import deadline, outage
from referrals.hooks.deadline import NotDoneError
from referrals.hooks.outage import AWAY_SECONDS, OutageMemory
from referrals.hooks.spool_losses import LossWatch, SourceKey
from tests.harness import commands
from tests.harness.process import PATIENCE_SECONDS
from tests.unit import warm

SOURCE = SourceKey(1, "source:7")


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed: they stand still."""
    seconds = [1_000.0]
    monkeypatch.setattr(outage, "monotonic", lambda: seconds[0])
    return seconds


def test_a_database_that_answers_is_asked_by_everybody(clock):
    memory = OutageMemory()

    assert [memory.begin_try(), memory.begin_try(), memory.is_away()] == [
        True,
        True,
        False,
    ]


def test_after_a_failure_nobody_asks_for_a_while_and_then_one(clock):
    memory = OutageMemory()
    memory.note_failure()

    asked = []
    for _ in range(5):
        asked += [(memory.begin_try(), memory.begin_try())]
        clock[0] += AWAY_SECONDS / 2

    # Who asks and never says how it went is followed by the next one.
    assert asked == [
        (False, False),
        (False, False),
        (True, False),
        (False, False),
        (True, False),
    ]


def test_after_a_success_everybody_asks_again(clock):
    memory = OutageMemory()
    memory.note_failure()
    assert memory.is_away()

    memory.note_success()

    assert [memory.begin_try(), memory.begin_try()] == [True, True]


def test_work_that_is_late_is_given_up_and_its_end_still_heard():
    goes_on, heard, done = threading.Event(), [], threading.Event()

    with pytest.raises(NotDoneError) as late:
        deadline.push_within(lambda: goes_on.wait(PATIENCE_SECONDS), seconds=0.01)
    late.value.call_unless_done(lambda: heard.append("never done"))
    late.value.future.add_done_callback(lambda _: done.set())
    goes_on.set()

    assert done.wait(PATIENCE_SECONDS)
    assert heard == []


def test_work_that_was_late_and_failed_then_was_never_done():
    goes_on, heard = threading.Event(), threading.Event()

    def fail():
        goes_on.wait(PATIENCE_SECONDS)
        raise KeyError

    with pytest.raises(NotDoneError) as late:
        deadline.push_within(fail, seconds=0.01)
    late.value.call_unless_done(heard.set)
    goes_on.set()

    assert heard.wait(PATIENCE_SECONDS)


def test_work_that_nobody_began_was_never_done():
    goes_on, heard = threading.Event(), []
    with pytest.raises(NotDoneError):
        deadline.push_within(lambda: goes_on.wait(PATIENCE_SECONDS), seconds=0.01)

    with pytest.raises(NotDoneError) as waiting:
        deadline.push_within(lambda: heard.append("done"), seconds=0.01)
    waiting.value.call_unless_done(lambda: heard.append("never done"))
    goes_on.set()

    assert heard == ["never done"]


def test_what_waits_for_a_thread_is_bounded(monkeypatch):
    monkeypatch.setattr(deadline, "MOST_WAITING", 0)
    threads, goes_on = deadline._TimedThreads(1, "test"), threading.Event()
    with pytest.raises(NotDoneError):
        threads.run(lambda: goes_on.wait(PATIENCE_SECONDS), 0.01)

    with pytest.raises(NotDoneError) as full:
        threads.run(lambda: None, PATIENCE_SECONDS)

    assert full.value.future is None
    goes_on.set()


class TestLossWatch:
    def test_a_difference_counts_once_it_has_stood_for_a_minute(self):
        watch = LossWatch()

        found = [
            watch.find_standing({SOURCE: 3}, now, 60) for now in (0.0, 30.0, 59.0, 60.0)
        ]

        assert found == [{}, {}, {}, {SOURCE: 3}]

    def test_one_that_changes_begins_anew(self):
        watch = LossWatch()

        found = [
            watch.find_standing(each, now, 60)
            for now, each in (
                (0.0, {SOURCE: 3}),
                (59.0, {SOURCE: 2}),
                (61.0, {SOURCE: 2}),
            )
        ]

        assert found == [{}, {}, {}]

    def test_one_that_went_away_begins_anew(self):
        watch = LossWatch()

        found = [
            watch.find_standing(each, now, 60)
            for now, each in ((0.0, {SOURCE: 3}), (30.0, {}), (61.0, {SOURCE: 3}))
        ]

        assert found == [{}, {}, {}]

    def test_what_waits_meanwhile_lets_it_begin_anew(self):
        watch = LossWatch()
        watch.find_standing({SOURCE: 3}, 0.0, 60)

        watch.forget()

        assert watch.find_standing({SOURCE: 3}, 61.0, 60) == {}


def test_a_process_that_ends_waits_for_no_work_that_is_stuck(tmp_path):
    program = """
import threading
import django
django.setup()
from referrals.hooks import deadline
try:
    deadline.push_within(threading.Event().wait, seconds=0.01)
except deadline.NotDoneError:
    print("late")
"""

    variables = commands.production(
        DJANGO_SETTINGS_MODULE="integration_project.settings",
        DATABASE_URL="sqlite:///unused.db",
    )

    done = warm.run_program(tmp_path, program, [], variables)

    assert (done.stdout, done.returncode) == ("late\n", 0)
