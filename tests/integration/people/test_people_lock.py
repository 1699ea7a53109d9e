"""Steps, erasures and orders at the same time: one at a time has an app's people."""

import threading

import pytest
from django.db import connection, transaction

from referrals import people
from referrals.models import KnownIdentity, PeopleProgress
from referrals.people import lately
from tests.integration.people.steps import (
    a_learning_app,
    catch_up,
    hash_of,
    identify,
    put,
    step,
    whom,
)
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    monkeypatch.setattr(lately, "_apps", {})


@pytest.fixture
def app():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    app = a_learning_app()
    put(app, [identify(anonymous_id="A", email="E")])
    return app


def take_step(app, found):
    with transaction.atomic():
        found.append(people.take_step(app.pk))


def test_while_a_step_stands_still_another_does_nothing_and_waits_for_nothing(app):
    found = []
    with transaction.atomic():
        assert people.take_step(app.pk).last == 1
        Worker(take_step, app, found).finish()

    assert found == [None]
    assert PeopleProgress.objects.get(app=app).cursor == 1
    assert whom(app, anonymous_id="A") == "E"


def test_two_first_steps_begin_once(app):
    found, both = [], threading.Barrier(2)

    def begin():
        both.wait()
        take_step(app, found)

    workers = [Worker(begin), Worker(begin)]
    for each in workers:
        each.finish()
    catch_up(app)

    assert PeopleProgress.objects.get(app=app).cursor == 1
    assert KnownIdentity.objects.filter(app=app).count() == 2


def test_an_erasure_waits_for_a_step_and_forgets_what_it_learned(app):
    step(app)
    put(app, [identify(anonymous_id="B", email="E")])

    def forget():
        with transaction.atomic():
            people.lock_progress(app.pk)
            people.forget_hashes(app.pk, [hash_of(app, email="E")])

    with transaction.atomic():
        people.take_step(app.pk)
        erasure = Worker(forget)
        erasure.wait_for_its_lock()
    erasure.finish()

    assert not KnownIdentity.objects.filter(app=app).exists()


def test_a_step_that_is_rolled_back_is_taken_again(app):
    with transaction.atomic():
        people.take_step(app.pk)
        transaction.set_rollback(True)
    assert not KnownIdentity.objects.exists()

    step(app)

    assert whom(app, anonymous_id="A") == "E"
