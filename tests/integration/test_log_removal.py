"""Retention and erasure: what goes, and what has to stay."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from referrals import log
from referrals.log import Status
from referrals.models import ReferralEvent, Sighting
from referrals.schema import Person
from tests.builders import ANN, BOB, a_sent_custom_event, a_sent_event, an_app
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    app = an_app()
    log.append(app, [a_sent_event(id=f"k{n}") for n in range(1, 6)])
    return app


def kept(app):
    return [event.position for event in log.read_range(app.pk, 0, 99)]


def test_trimming_moves_the_tail_and_nothing_else(app):
    other = an_app()
    log.append(other, [a_sent_event(), a_sent_event()])

    assert log.trim_log(app.pk, 3) == 2

    assert kept(app) == [3, 4, 5]
    assert kept(other) == [1, 2]
    assert log.trim_log(app.pk, 3) == 0


@pytest.mark.parametrize("before", [5, 6, 1000])
def test_the_newest_event_stays_so_that_no_position_is_given_twice(app, before):
    assert log.trim_log(app.pk, before) == 4

    assert kept(app) == [5]
    assert log.append(app, [a_sent_event()])[0].position == 6


def test_a_limit_bounds_each_step(app):
    assert log.trim_log(app.pk, 4, limit=2) == 2
    assert log.trim_log(app.pk, 4, limit=2) == 1
    assert log.trim_log(app.pk, 4, limit=2) == 0


def test_an_empty_log_has_nothing_to_trim():
    assert log.trim_log(an_app().pk, 99) == 0


def test_an_event_that_was_trimmed_is_accepted_anew(app):
    sent = a_sent_event(id="k1")
    log.trim_log(app.pk, 3)

    assert log.append(app, [sent])[0].position == 6


def test_erasing_removes_whom_the_event_is_about():
    app = an_app()
    sent = a_sent_custom_event(
        id="k",
        user={"identities": {"email": ANN}, "ip": "203.0.113.7"},
        content="for Ann",
        metadata={"who": "Ann"},
    )
    log.append(app, [sent, a_sent_event()])
    untouched = log.read_range(app.pk, 2, 2)

    assert log.erase_people(app.pk, [1, 99]) == 1

    event = log.find_event(app.pk, "k").event
    assert event.user == event.referrer == Person(erased=True)
    assert (event.content, event.event_data, event.metadata) == (None, {}, {})
    assert (event.id, event.name, event.name_number) == ("k", "Subscription Started", 1)
    body = ReferralEvent.objects.get(app=app, key="k").body
    assert "example.com" not in body
    assert "Ann" not in body
    assert log.read_range(app.pk, 2, 2) == untouched


def test_an_erased_event_stays_erased_when_it_is_sent_again():
    app = an_app()
    sent = a_sent_event(id="k")
    log.append(app, [sent])
    log.erase_people(app.pk, [1])
    log.erase_people(app.pk, [1])

    assert log.append(app, [sent])[0].status is Status.DUPLICATE
    assert log.find_event(app.pk, "k").event.user == Person(erased=True)


@pytest.mark.django_db(transaction=True)
def test_two_erasures_of_one_event_do_not_undo_each_other():
    app = an_app()
    log.append(app, [a_sent_event(id="k")])

    def erase(email):
        log.erase_people(app.pk, [1], is_meant=lambda p: email in p.identities.values())

    with transaction.atomic():
        erase(ANN)
        other = Worker(erase, BOB)
        other.wait_for_its_lock()
    other.finish()

    event = log.find_event(app.pk, "k").event
    assert event.user == event.referrer == Person(erased=True)


def test_of_an_event_only_those_who_are_meant_are_erased_and_it_is_counted_once():
    app = an_app()
    log.append(app, [a_sent_event(id="k")])

    def erase(email):
        return log.erase_people(
            app.pk, [1], is_meant=lambda person: email in person.identities.values()
        )

    assert (erase("nobody"), erase(ANN), erase(ANN)) == (0, 1, 0)
    event = log.find_event(app.pk, "k").event
    assert (event.user, event.referrer.identities) == (
        Person(erased=True),
        {"email": BOB},
    )


def test_old_sightings_are_forgotten():
    app = an_app()
    log.append(
        app,
        [
            a_sent_event(user={"identities": {}, "ip": f"203.0.113.{n}"})
            for n in range(1, 4)
        ],
    )
    now = timezone.now()
    oldest, newer, newest = Sighting.objects.all()
    for days, each in ((92, oldest), (91, newer), (89, newest)):
        seen_at = now - timedelta(days=days)
        Sighting.objects.filter(pk=each.pk).update(seen_at=seen_at)
    cutoff = now - timedelta(days=90)

    assert log.remove_sightings(cutoff, limit=1) == 1
    assert set(Sighting.objects.all()) == {newer, newest}
    assert log.remove_sightings(cutoff, limit=1) == 1
    assert log.remove_sightings(cutoff, limit=1) == 0
    assert list(Sighting.objects.all()) == [newest]


def test_sightings_of_one_instant_go_together(app):
    now = timezone.now()
    Sighting.objects.bulk_create(
        Sighting(app=app, mark=uuid4(), value=uuid4(), seen_at=now) for _ in range(3)
    )

    assert log.remove_sightings(now + timedelta(days=1), limit=1) == 3
