"""Who is who is learned by a thread of each worker, whoever wakes it."""

import sys
import threading

import pytest
from django.db import connection, transaction

from clevertap_sync import tasks
from clevertap_sync.delivery.people import match
from clevertap_sync.process import doorbell, people_wakeups, stopping
from clevertap_sync.tasks import deliver_task
from clevertap_sync.worker import people_thread
from clevertap_sync.worker.people_thread import PeopleThread
from clevertap_sync.worker.steps import SweepSteps
from referrals import people
from tests.builders import a_sent_event, an_app, an_integration
from tests.harness.process import wait_until
from tests.integration.people.waits import (
    EVE,
    a_link,
    a_waiting_letter,
    append,
    hash_of,
    learn_of_people,
    rows_of,
)
from tests.integration.threads import Worker

IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setitem(people_thread.SHORTEST_ROUND, connection.vendor, 0.0)
    monkeypatch.setattr(people_thread, "REST", 0.0)


@pytest.fixture
def rung():
    return []


@pytest.fixture
def thread(rung):
    """A worker's thread, which is not started; its connection is the test's."""
    return PeopleThread(SweepSteps(), rung.append)


@pytest.fixture
def _connection_stays(monkeypatch):
    """The test's transaction is that of its one connection."""
    monkeypatch.setattr(connection, "close", lambda: None)


def an_app_that_learns(**changes):
    app = an_app(**changes)
    learn_of_people(app, "branch_id")
    return app


def woken():
    return people_wakeups.wait_for_wakeups(0.0)


def someone_waits(app):
    """Let a record of the app wait, and its person become known; return the dead letter."""
    integration = an_integration(app)
    letter = a_waiting_letter(integration, 1, branch_id="A")
    append(app, a_link(branch_id="A", email=EVE))
    return letter


@pytest.mark.django_db
def test_the_sweep_wakes_for_each_app_that_learns():
    mine, other = an_app_that_learns(), an_app()
    an_integration(other)

    people_thread.wake_learners()

    assert woken() == {mine.pk}


@pytest.mark.django_db
def test_a_ring_wakes_for_the_apps_that_the_sweep_found():
    app, quiet = an_app_that_learns(), an_app()
    learning = an_integration(app, enabled=False)
    other = an_integration(quiet, enabled=False)
    people_thread.wake_learners()
    woken()

    deliver_task.run(other.pk)
    assert woken() == set()

    deliver_task.run(learning.pk)
    assert woken() == {app.pk}


@pytest.mark.django_db
def test_a_ring_to_learn_delivers_only_where_nobody_is_known_to_learn(monkeypatch):
    delivered = []
    monkeypatch.setattr(tasks, "deliver", lambda pk, **_: delivered.append(pk))
    app = an_app_that_learns()
    learning, other = an_integration(app), an_integration(an_app())
    people_thread.wake_learners()
    woken()

    for each in (learning, other):
        to_learn = {doorbell.ONLY_PEOPLE: "yes"}
        deliver_task.apply(args=(each.pk,), headers=to_learn).get()

    assert woken() == {app.pk}
    assert delivered == [other.pk]


@pytest.mark.django_db
def test_an_app_that_learns_of_nobody_costs_no_query(django_assert_num_queries):
    integration = an_integration(enabled=False)
    people_thread.wake_learners()

    with django_assert_num_queries(0):
        people_wakeups.wake_for_integration(integration.pk)

    assert woken() == set()


@pytest.mark.django_db
@pytest.mark.usefixtures("_connection_stays")
def test_it_takes_steps_until_nothing_is_left(thread, rung, monkeypatch):
    apps = [an_app_that_learns() for _ in range(2)]
    letters = [someone_waits(app) for app in apps]
    for app in apps:
        append(app, a_link(branch_id="A", email=EVE))
    monkeypatch.setattr(match, "FRESH_PER_STEP", 1)
    further = [
        a_waiting_letter(letter.integration, append(app, a_sent_event()), branch_id="A")
        for app, letter in zip(apps, letters, strict=True)
    ]

    thread.advance([app.pk for app in apps])

    for app, *mine in zip(apps, letters, further, strict=True):
        assert [rows_of(each)[0][1] for each in mine] == [
            hash_of(app, "email", EVE)
        ] * 2
    assert set(rung) == {letter.integration_id for letter in letters}


@pytest.mark.django_db
@pytest.mark.usefixtures("_connection_stays")
def test_an_app_whose_step_fails_holds_no_other_up(thread, rung, monkeypatch, caplog):
    broken, sound = an_app_that_learns(), an_app_that_learns()
    letter = someone_waits(sound)
    take = people.take_step

    def fail_for_one(app_id, **options):
        if app_id == broken.pk:
            raise KeyError(EVE)
        return take(app_id, **options)

    monkeypatch.setattr(people, "take_step", fail_for_one)

    thread.advance([broken.pk, sound.pk])

    assert rung == [letter.integration_id]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"learning who is who in app {broken.pk} " in caplog.text


@pytest.mark.django_db
@pytest.mark.usefixtures("_connection_stays")
def test_nothing_is_learned_once_the_worker_ends(thread, monkeypatch):
    app = an_app_that_learns()
    letter = someone_waits(app)
    monkeypatch.setattr(stopping, "is_stopping", lambda: True)

    thread.advance([app.pk])

    assert [row[2] for row in rows_of(letter)] == [True]


@pytest.fixture
def _turns_stay():
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_turns_stay")
def test_it_hears_a_wake_up_shortens_turns_and_ends_when_it_is_told(thread, rung):
    letter = someone_waits(an_app_that_learns())
    before = sys.getswitchinterval()
    thread.start()
    people_wakeups.wake_learner(letter.integration.app_id)

    wait_until(lambda: rung)

    assert rung == [letter.integration_id]
    assert sys.getswitchinterval() == people_thread.TURN_SECONDS < before
    thread.stop()
    wait_until(lambda: "people" not in {each.name for each in threading.enumerate()})


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not IS_POSTGRESQL, reason="SQLite lets one write at a time")
def test_a_worker_that_stands_still_in_a_step_holds_no_other_up(thread, rung):
    app = an_app_that_learns()
    thread.advance([app.pk])
    letter = someone_waits(app)
    is_in_step, may_go = threading.Event(), threading.Event()

    def stand_still():
        with transaction.atomic():
            assert people.take_step(app.pk) is not None
            is_in_step.set()
            may_go.wait()
            transaction.set_rollback(True)

    frozen = Worker(stand_still)
    is_in_step.wait()
    thread.advance([app.pk])
    assert (rung, [row[2] for row in rows_of(letter)]) == ([], [True])

    may_go.set()
    frozen.finish()
    thread.advance([app.pk])

    assert rung == [letter.integration_id]
