"""An engine whose pauses end when a test says so, and a CleverTap to deliver to."""

from datetime import timedelta

import pytest
from django.db.models import F

from clevertap_sync import insight
from clevertap_sync.delivery import map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.failure import settle_failure
from clevertap_sync.delivery.send import RequestOutcome, begin_attempt
from clevertap_sync.delivery.work import Claim
from clevertap_sync.models import Integration, Upload
from clevertap_sync.process import clock
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import a_sent_event, an_integration

#: More than any history of these tests takes.
MOST_DELIVERIES = 2_000


@pytest.fixture
def engine(settings, sandbox):
    """The engine with holds that `end_pauses` alone ends, and the sandbox behind it.

    A hold that time ends would end within one call of `deliver` on a slow machine.
    """
    settings.FIRST_HOLD_SECONDS = settings.LONGEST_HOLD_SECONDS = 1_000_000
    return sandbox


@pytest.fixture
def integration(db):
    """An enabled integration of a new app with the sandbox's European account."""
    return an_integration()


@pytest.fixture
def append(integration):
    """Append events to the integration's app: a number of them, or given ones."""

    def append(*events, count=0):
        made = [a_sent_event(id=f"e{n}") for n in range(1, count + 1)]
        return log.append(integration.app, [*events, *made])

    return append


@pytest.fixture
def finish(integration):
    """Deliver through holds until nothing is left to do; fail if that never comes."""

    def delivered():
        end_pauses(integration)
        deliver(integration.pk)
        return not is_left(integration)

    def finish():
        repeat_until(delivered)
        status = status_of(integration)
        assert (status.backlog, status.in_flight, status.queued) == (0, 0, 0)
        return status

    return finish


def repeat_until(is_done):
    """Call `is_done` until it is true: what waits, waits for this and for no time."""
    for _ in range(MOST_DELIVERIES):
        if is_done():
            return
    pytest.fail(f"Not done after {MOST_DELIVERIES} deliveries.")


def end_pauses(integration):
    """Let the time pass for which a hold, or a retry, waits. A person's hold stays."""
    now = clock.read_now()
    mine = Integration.objects.filter(pk=integration.pk, held_until__gt=now)
    mine.update(held_until=now)
    waiting = Upload.objects.open().filter(integration=integration, due_at__gt=now)
    waiting.update(due_at=now)


def is_left(integration):
    """Whether records wait for a verdict, or events to be handed out."""
    integration.refresh_from_db()
    head = log.read_head(integration.app_id)
    mine = Upload.objects.open().filter(integration=integration)
    return head > integration.cursor or mine.exists()


def status_of(integration):
    """Return the integration's status as it is now."""
    integration.refresh_from_db()
    with insight.read_in_snapshot():
        return insight.read_status(integration)


def begun(integration, claim=None):
    """Claim the next upload and begin its attempt, as a worker that is about to POST."""
    claim = claim or claim_next(integration.pk)
    assert isinstance(claim, Claim)
    mapped = map_upload.map_upload(claim)
    return claim, mapped, begin_attempt(claim, mapped)


def fails(attempt, error):
    """Let an attempt that was begun end in `error`."""
    claim, mapped, sending = attempt
    return settle_failure(
        claim, mapped, sending, RequestOutcome(None, error, 0.1), error
    )


def positions():
    """Return the positions of all events, in order."""
    found = ReferralEvent.objects.order_by("position")
    return list(found.values_list("position", flat=True))


def age(last, days=91):
    """Make everything up to a position as old as if it had been received then."""
    age_events(last, days)
    past = clock.read_now() - timedelta(days=days)
    Upload.objects.filter(last__lte=last).update(settled_at=past)


def age_events(last, days=91):
    """Do so with the events, and leave their uploads as they are."""
    events = ReferralEvent.objects.filter(position__lte=last)
    events.update(received_at=F("received_at") - timedelta(days=days))
