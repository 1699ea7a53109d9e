"""Retention and people: what was not learned from stays, and who is not seen goes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clevertap_sync.delivery.upkeep.retention import carry_out_retention
from clevertap_sync.models import Integration
from referrals import log
from referrals.models import App, KnownIdentity, KnownPerson, ReferralEvent
from referrals.people import lately
from tests.integration.people.steps import (
    a_learning_app,
    catch_up,
    identify,
    put,
    whom,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    monkeypatch.setattr(lately, "_apps", {})


@pytest.fixture
def app(settings):
    settings.RETENTION_DAYS, settings.PEOPLE_DAYS = 90, 60
    app = a_learning_app()
    # It never delivered, so that no integration holds the log back.
    Integration.objects.filter(app=app).update(first_enabled_at=None)
    return app


def grow_old(app, days):
    at = timezone.now() - timedelta(days=days)
    ReferralEvent.objects.filter(app=app).update(received_at=at)


def kept(app):
    return [each.position for each in log.read_range(app.pk, 1, 99)]


def test_what_nobody_has_learned_from_yet_stays_past_its_days(app):
    put(app, [identify(anonymous_id=f"A{n}", email=f"E{n}") for n in range(3)])
    catch_up(app)
    put(app, [identify(anonymous_id="B", email="F")] * 2)
    grow_old(app, 91)

    carry_out_retention()
    assert kept(app) == [4, 5]

    catch_up(app)
    carry_out_retention()

    assert kept(app) == [5]
    assert whom(app, anonymous_id="A1") == "E1"


def test_an_app_that_learns_nothing_holds_nothing_back(app):
    put(app, [identify(anonymous_id="A", email="E")])
    catch_up(app)
    put(app, [identify(anonymous_id="A", email="E")] * 2)
    App.objects.filter(pk=app.pk).update(loose_ids=[], remembers_referrers=False)
    grow_old(app, 91)

    carry_out_retention()

    assert kept(app) == [3]
    assert not KnownIdentity.objects.exists()


@pytest.mark.parametrize(("days", "people"), [(59, 1), (61, 0)])
def test_who_was_not_seen_for_their_days_is_forgotten(app, days, people):
    put(app, [identify(anonymous_id="A", email="E")])
    grow_old(app, days)
    catch_up(app)

    carry_out_retention()

    assert KnownPerson.objects.filter(app=app).count() == people
    assert KnownIdentity.objects.filter(app=app).count() == 2 * people
