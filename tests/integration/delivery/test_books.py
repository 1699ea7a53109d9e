"""The books balance, and say so only then: each planted fault is found."""

from datetime import timedelta

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Integration, Upload, WaitingRecord
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from tests.integration.delivery.conftest import status_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivered(engine, integration, append, finish):
    """1,200 events, delivered but for two dead letters, one upload in parts."""
    engine.switch(
        poison=(Poison(event_name="Generated", code=513, times=1),),
    )
    append(count=1200)
    finish()
    return integration


def test_after_a_delivery_the_books_balance(delivered):
    status = status_of(delivered)

    assert status.imbalances == ()
    assert status.delivered + sum(status.dead_letters.values()) == 2400


def wait_idly():
    """Let a dead letter that is open have somebody whom it waits for."""
    letter = DeadLetter.objects.first()
    WaitingRecord.objects.create(
        app=letter.integration.app,
        integration=letter.integration,
        letter=letter,
        pick=2,
        since=clock.read_now(),
    )


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (lambda: Integration.objects.update(cursor=1201), "beyond the head"),
        (lambda: Integration.objects.update(cursor=1199), "the cursor to 1199"),
        (lambda: Upload.objects.filter(first=501).update(first=502), "begins at 502"),
        (lambda: Upload.objects.filter(first=501).update(last=1001), "begins at 1001"),
        (
            lambda: Upload.objects.filter(first=1).update(delivered=1),
            "1 were delivered",
        ),
        (lambda: Upload.objects.filter(first=1).update(state="split"), "has no parts"),
        (lambda: DeadLetter.objects.first().delete(), "dead letters"),
        (lambda: DeadLetter.objects.update(state="replaying"), "has ended"),
        (lambda: Upload.objects.filter(first=1).update(waiting=1), "1 wait"),
        (lambda: DeadLetter.objects.update(state="waiting"), "but for nobody"),
        (wait_idly, "that do not wait"),
        (lambda: Upload.objects.update(identities={}), "still says under whom"),
        (
            lambda: Upload.objects.filter(first=1).update(
                state="open", picks=[2, 3], identities={"2": "00"}
            ),
            "does not say under whom",
        ),
    ],
)
def test_a_fault_in_the_books_is_found(delivered, plant, sentence):
    plant()

    status = status_of(delivered)

    assert status.balanced is False
    assert any(sentence in imbalance for imbalance in status.imbalances), (
        status.imbalances
    )


def test_an_open_upload_does_not_unbalance_and_is_in_flight_while_an_answer_may_come(
    engine, integration, append
):
    append(count=1)
    deliver(integration.pk)
    Upload.objects.update(state="open", settled_at=None)

    def numbers():
        status = status_of(integration)
        return status.in_flight, status.queued

    assert numbers() == (0, 2)
    Upload.objects.update(leased_until=clock.read_now() + timedelta(minutes=1))
    assert numbers() == (2, 0)
    Upload.objects.update(leased_until=None, unknown_outcomes=1)
    assert numbers() == (2, 0)
