"""What was learned lately is not looked up again, until it may have become untrue."""

import sys
from datetime import timedelta

import pytest

from referrals.log import LoggedPerson
from referrals.models import KnownIdentity, KnownPerson, PeopleProgress, ReferralEvent
from referrals.people import lately
from tests.builders import ANN, NOON
from tests.integration.people.steps import (
    a_learning_app,
    identify,
    put,
    step,
    whom,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    monkeypatch.setattr(lately, "_apps", {})


@pytest.fixture
def learn(django_capture_on_commit_callbacks):
    """Return a function that takes a step, commits it, and counts its statements."""

    def learn(app, *sent):
        put(app, sent)
        with django_capture_on_commit_callbacks(execute=True):
            return step(app)

    return learn


def test_a_side_that_was_met_before_costs_no_look_up(learn, django_assert_num_queries):
    app = a_learning_app(remembers_referrers=False)
    learn(app, identify(custom_id="u1", email="E"))
    put(app, [identify(custom_id="u1", email="E")] * 50)

    # Savepoints, lock, rules, log, and the cursor.
    with django_assert_num_queries(10):
        assert step(app).last == 51


def test_an_address_may_change_and_change_back(learn):
    app = a_learning_app(remembers_referrers=False)
    old, new = (
        identify(custom_id="u1", email="E1"),
        identify(custom_id="u1", email="E2"),
    )

    for sent in (old, new, old, new):
        learn(app, sent)

    assert whom(app, custom_id="u1") == "E2"


def test_an_address_may_change_and_change_back_within_a_step(learn):
    app = a_learning_app(remembers_referrers=False)
    old, new = (
        identify(custom_id="u1", email="E1"),
        identify(custom_id="u1", email="E2"),
    )
    learn(app, old)

    learn(app, new, old)

    assert whom(app, custom_id="u1") == "E1"


def test_what_a_step_met_before_it_became_untrue_is_not_remembered(learn):
    app = a_learning_app(remembers_referrers=False)
    old, new = (
        identify(custom_id="u1", email="E1"),
        identify(custom_id="u1", email="E2"),
    )

    learn(app, old, new)
    learn(app, old)

    assert whom(app, custom_id="u1") == "E1"


def test_last_seen_is_written_each_week_all_the_same(learn):
    app = a_learning_app(remembers_referrers=False)
    learn(app, identify(custom_id="u1", email="E"))
    first = KnownPerson.objects.get(app=app).seen_at
    for day in (6, 8):
        put(app, [identify(custom_id="u1", email="E")])
        last = ReferralEvent.objects.filter(app=app).order_by("-position")[:1]
        ReferralEvent.objects.filter(app=app, position=last[0].position).update(
            received_at=first + timedelta(days=day)
        )
        learn(app)
        expected = first + timedelta(days=8 if day == 8 else 0)
        assert KnownPerson.objects.get(app=app).seen_at == expected
        rows = KnownIdentity.objects.filter(app=app).values_list("seen_at", flat=True)
        assert set(rows) == {expected}


def test_nothing_is_remembered_of_a_step_that_was_rolled_back(learn):
    app = a_learning_app(remembers_referrers=False)
    put(app, [identify(custom_id="u1", email="E")])
    step(app)
    KnownPerson.objects.filter(app=app).delete()
    KnownIdentity.objects.filter(app=app).delete()
    PeopleProgress.objects.filter(app=app).update(cursor=0)

    learn(app)

    assert whom(app, custom_id="u1") == "E"


def test_only_so_much_is_remembered(monkeypatch):
    monkeypatch.setattr(lately, "MOST", 2)
    remembered = lately.recall(1, 0)
    sides = [
        lately.make_side(LoggedPerson({"email": each}), test=False) for each in "abc"
    ]

    remembered.add((side, NOON) for side in sides)

    known = [remembered.is_known(side, NOON) for side in sides]
    assert known == [False, True, True]
    assert lately.recall(1, 0) is remembered
    assert lately.recall(1, 1) is not remembered


def test_nobody_s_identities_are_kept_in_memory_however_long_they_are():
    person = LoggedPerson({"email": ANN, "browser": "x" * 30_000})

    side = lately.make_side(person, test=True)

    assert side == lately.make_side(person, test=True)
    assert side != lately.make_side(person, test=False)
    assert side != lately.make_side(LoggedPerson({"email": ANN}), test=True)
    assert ANN not in repr(side)
    assert sum(map(sys.getsizeof, side)) < 100
