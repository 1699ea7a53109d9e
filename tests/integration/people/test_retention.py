"""Retention waits for those who learn, and forgets who is seen no more."""

from datetime import timedelta

import pytest

from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.delivery.upkeep.retention import carry_out_retention
from clevertap_sync.process import clock
from referrals import log
from referrals.models import KnownIdentity, KnownPerson, ReferralEvent
from tests.builders import an_app
from tests.integration.people.waits import EVE, a_link, append, learn_of_people

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(settings):
    settings.RETENTION_DAYS = settings.PEOPLE_DAYS = 90
    app = an_app()
    learn_of_people(app, "branch_id")
    return app


def let_days_pass(days):
    past = clock.read_now() - timedelta(days=days)
    ReferralEvent.objects.update(received_at=past)
    KnownIdentity.objects.update(seen_at=past)
    KnownPerson.objects.update(seen_at=past)


def positions(app):
    events = ReferralEvent.objects.filter(app=app).order_by("position")
    return list(events.values_list("position", flat=True))


def test_what_was_not_learned_yet_stays_in_the_log(app):
    append(app, a_link(branch_id="A", email=EVE))
    advance_people(app.pk)
    append(app, *(a_link(branch_id=f"A{n}", email=EVE) for n in range(3)))
    let_days_pass(91)

    carry_out_retention()
    assert positions(app) == [2, 3, 4]

    advance_people(app.pk)
    carry_out_retention()
    assert positions(app) == [log.read_head(app.pk)] == [4]


def test_an_app_that_learns_of_nobody_any_more_keeps_nothing_back(app):
    append(app, a_link(branch_id="A", email=EVE))
    advance_people(app.pk)
    append(app, *(a_link(branch_id=f"A{n}", email=EVE) for n in range(3)))
    let_days_pass(91)
    learn_of_people(app)

    carry_out_retention()

    assert positions(app) == [4]


@pytest.mark.parametrize(("days", "left"), [(89, 2), (91, 0)])
def test_who_was_not_seen_for_so_long_is_known_no_more(app, days, left):
    append(app, a_link(branch_id="A", email=EVE))
    advance_people(app.pk)
    let_days_pass(days)

    carry_out_retention()

    assert KnownIdentity.objects.count() == left
    assert KnownPerson.objects.count() == left / 2
