"""What was learned ahead of a step's lock is written if it still holds, and else learned anew."""

from uuid import UUID

import pytest
from django.db import transaction

from referrals import people, suppression
from referrals.models import KnownIdentity, KnownPerson, PeopleProgress
from referrals.people import tables
from tests.integration.people.steps import (
    a_learning_app,
    hash_of,
    identify,
    put,
    step,
    teach,
    whom,
)
from tests.integration.statements import counted

pytestmark = pytest.mark.django_db

EVE, DAN = "eve@example.com", "dan@example.com"


@pytest.fixture
def app():
    app = a_learning_app()
    teach(app, identify(email=DAN, branch_id="D"))
    return app


def write(app, lesson, **changes):
    with transaction.atomic():
        return people.take_step(app.pk, lesson=lesson, **changes)


def read_log(statements):
    return [each for each in statements if "FROM referrals_referralevent" in each]


def test_a_lesson_writes_nothing_and_the_step_writes_it_without_a_look_at_the_log(app):
    put(app, [identify(email=EVE, branch_id="A"), identify(email=DAN, branch_id="B")])

    lesson = people.study_ahead(app.pk)
    before = (whom(app, branch_id="A"), PeopleProgress.objects.get().cursor)
    with counted() as statements:
        taken = write(app, lesson)

    assert before == (None, 1)
    assert (whom(app, branch_id="A"), whom(app, branch_id="B")) == (EVE, DAN)
    assert (taken.first, taken.last, taken.has_more) == (2, 3, False)
    assert read_log(statements) == []


def test_what_comes_after_a_lesson_is_left_to_the_next_step(app):
    put(app, [identify(email=EVE, branch_id="A")])
    lesson = people.study_ahead(app.pk)
    put(app, [identify(email=EVE, branch_id="B")])

    write(app, lesson)

    assert (whom(app, branch_id="A"), whom(app, branch_id="B")) == (EVE, None)
    step(app)
    assert whom(app, branch_id="B") == EVE


def erase_eve(app):
    """Suppress, as an erasure does before it changes the log."""
    suppression.suppress_hashes(app.pk, [hash_of(app, email=EVE)])


def mark_shared(app):
    people.mark_shared(app.pk, "branch_id", "A", by="somebody")


def learn_by_another_key(app):
    app.integrations.update(identity_provider="phone")
    app.loose_ids = ["anonymous_id"]
    app.save()


CHANGES = {
    "suppressed": erase_eve,
    "marked": mark_shared,
    "rules": learn_by_another_key,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_since_is_heeded(app, change):
    put(app, [identify(email=EVE, branch_id="A")])
    lesson = people.study_ahead(app.pk)
    change(app)

    write(app, lesson)

    assert whom(app, branch_id="A") in (None, "shared")
    eve = UUID(hash_of(app, email=EVE))
    owned = KnownIdentity.objects.filter(hash=eve, person__isnull=False)
    assert owned.exists() is (change is mark_shared)


def test_a_lesson_by_rules_that_held_for_a_moment_only_is_learned_anew(app):
    put(app, [identify(email=EVE, anonymous_id="A", branch_id="A")])
    change_loose_ids(app, "branch_id")
    lesson = people.study_ahead(app.pk)
    change_loose_ids(app, "anonymous_id", "branch_id")

    write(app, lesson)

    assert (whom(app, anonymous_id="A"), whom(app, branch_id="A")) == (EVE, EVE)


def change_loose_ids(app, *providers):
    app.loose_ids = list(providers)
    app.save()


def test_what_was_forgotten_since_is_not_written_back(app):
    put(app, [identify(email=DAN, branch_id="A")])
    lesson = people.study_ahead(app.pk)
    with transaction.atomic():
        people.forget_hashes(app.pk, [hash_of(app, email=DAN)])
        suppression.suppress_hashes(app.pk, [hash_of(app, email=DAN)])

    write(app, lesson)

    assert not KnownPerson.objects.exists()
    assert whom(app, branch_id="A") is None


def test_what_another_step_learned_meanwhile_is_not_learned_twice(app):
    put(app, [identify(email=EVE, branch_id="A")])
    lesson = people.study_ahead(app.pk)
    step(app)
    put(app, [identify(email=DAN, branch_id="A")])

    taken = write(app, lesson)

    assert (taken.first, taken.last) == (3, 3)
    assert whom(app, branch_id="A") == "shared"
    assert PeopleProgress.objects.get().shared == 1


def test_a_lesson_of_other_length_is_learned_anew(app):
    put(app, [identify(email=EVE, branch_id="A"), identify(email=EVE, branch_id="B")])

    taken = write(app, people.study_ahead(app.pk), limit=1)

    assert (taken.last, whom(app, branch_id="B")) == (2, None)


def test_while_people_are_forgotten_to_be_learned_anew_no_lesson_counts(app):
    put(app, [identify(email=EVE, branch_id="A")])
    lesson = people.study_ahead(app.pk)
    assert people.relearn(app.pk)

    assert people.study_ahead(app.pk) is None
    assert write(app, lesson).has_more

    assert whom(app, branch_id="A") is None


def test_an_event_that_cannot_be_learned_from_is_left_to_the_step(app, monkeypatch):
    put(app, [identify(email=EVE, branch_id="A")])

    def fail(*_):
        raise ValueError

    monkeypatch.setattr(tables, "read_marks", fail)

    assert people.study_ahead(app.pk) is None


def test_an_app_that_has_not_begun_or_does_not_learn_has_no_lesson(app):
    PeopleProgress.objects.all().delete()
    assert people.study_ahead(app.pk) is None

    app.loose_ids, app.remembers_referrers = [], False
    app.save()
    assert people.study_ahead(app.pk) is None
