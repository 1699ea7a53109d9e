"""A glance before each sweep tells which steps may find something to do."""

import uuid
from datetime import timedelta

import pytest

from clevertap_sync.alerting import alert_round, watch
from clevertap_sync.clevertap.errors import UnreadablePasscodeError
from clevertap_sync.models import (
    Alert,
    Heartbeat,
    Incident,
    Integration,
    LastLook,
    Notice,
)
from clevertap_sync.process import clock
from clevertap_sync.worker.glance import Glance, take_glance
from referrals.models import App
from tests.builders import an_integration

pytestmark = pytest.mark.django_db

NOTHING = Glance(*[False] * len(Glance._fields))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def integration():
    return an_integration()


@pytest.fixture
def alert():
    """An alert that was looked at just now."""
    LastLook.objects.create(pk=1, looked_at=clock.read_now())
    return Alert.objects.create(name="Everything")


def hold_for_key(until):
    Integration.objects.update(
        hold_reason=UnreadablePasscodeError.code, held_until=clock.read_now() + until
    )


def test_nothing_is_to_do_where_nothing_waits(integration):
    assert take_glance() == NOTHING


def test_an_integration_that_is_held_for_want_of_a_key_is_looked_after(integration):
    hold_for_key(MINUTE)

    assert take_glance() == NOTHING._replace(has_unreadable_passcode=True)


@pytest.mark.parametrize("changes", [{"enabled": False}, {"hold_reason": "no_answer"}])
def test_no_key_is_tried_for_who_is_paused_or_held_for_another_reason(
    integration, changes
):
    hold_for_key(MINUTE)
    Integration.objects.update(**changes)

    assert take_glance() == NOTHING


def test_no_key_is_tried_once_the_hold_is_over(integration):
    hold_for_key(-MINUTE)

    assert take_glance() == NOTHING


@pytest.mark.parametrize(
    "changes", [{"loose_ids": ["branch_id"]}, {"remembers_referrers": True}]
)
def test_an_app_that_learns_is_looked_after(integration, changes):
    App.objects.update(**changes)

    assert take_glance() == NOTHING._replace(has_learning_app=True)


def test_an_integration_that_is_compared_is_looked_after_until_it_is_archived(
    integration,
):
    Integration.objects.update(reconciles=True)
    assert take_glance() == NOTHING._replace(has_reconciling_account=True)

    Integration.objects.update(enabled=False, archived_at=clock.read_now())
    assert take_glance() == NOTHING


ALERTS = NOTHING._replace(has_alerts=True)


def test_alerts_are_looked_after_once_it_is_time(integration):
    alert = Alert.objects.create(name="Everything")
    assert take_glance() == ALERTS

    alert_round.run_alert_round()
    assert take_glance() == NOTHING

    LastLook.objects.update(looked_at=clock.read_now() - watch.EVERY)
    assert take_glance() == ALERTS

    alert.delete()
    assert take_glance() == NOTHING


def test_an_incident_of_an_alert_that_was_switched_off_is_ended(alert):
    Alert.objects.update(enabled=False)
    LastLook.objects.all().delete()
    Incident.objects.create(
        alert=alert, rule="no_worker", subject="", started_at=clock.read_now()
    )

    assert take_glance() == ALERTS
    alert_round.run_alert_round()

    assert not Incident.objects.filter(ended_at=None).exists()
    assert take_glance() == NOTHING


def test_a_notice_is_sent_when_it_is_due(alert):
    now = clock.read_now()
    notice = Notice.objects.create(
        alert=alert,
        moment=Notice.Moment.TEST,
        key=uuid.uuid4(),
        content={},
        created_at=now,
        due_at=now,
    )
    mine = Notice.objects.filter(pk=notice.pk)
    assert take_glance() == ALERTS

    for waits in (
        {"due_at": now + MINUTE},
        {"due_at": now, "leased_until": now + MINUTE},
        {"leased_until": None, "state": Notice.State.SENT},
    ):
        mine.update(**waits)
        assert take_glance() == NOTHING, waits
    mine.update(state=Notice.State.PENDING, leased_until=now)
    assert take_glance() == ALERTS


def test_an_address_is_called_that_is_owed_a_call(alert):
    Alert.objects.update(heartbeat_owed=Heartbeat.WELL)

    assert take_glance() == ALERTS
