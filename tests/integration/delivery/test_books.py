"""The books balance, and say so only then: each planted fault is found."""

from datetime import timedelta

import pytest

from clevertap_sync import insight
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import (
    DeadLetter,
    Integration,
    Replay,
    Upload,
    WaitingRecord,
)
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from tests.builders import a_sent_event, an_account, an_integration
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


def divide():
    """Let the second range be the only part of the first one, and cover a record more."""
    first, second = Upload.objects.order_by("first")[:2]
    Upload.objects.filter(pk=first.pk).update(state="split")
    Upload.objects.filter(pk=second.pk).update(parent=first, root=first, covers=1001)


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
        (
            lambda: Upload.objects.filter(first=1).update(records=None),
            "has None records",
        ),
        (lambda: Upload.objects.filter(first=1).update(state="split"), "has no parts"),
        (
            lambda: Upload.objects.filter(first=1).update(state="split", records=7),
            "has 7 records, its parts cover None",
        ),
        (divide, "has 1000 records, its parts cover 1001"),
        (divide, "covers 1001 records, but has 1000"),
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


def a_replay(integration):
    return Replay.objects.create(
        integration=integration, state="done", created_at=clock.read_now()
    )


def test_what_falls_out_of_a_replay_is_booked_apart(delivered):
    before = status_of(delivered)
    upload = an_upload(delivered, 7, replay=a_replay(delivered), dead=2)
    for side, state in (("user", "open"), ("referrer", "delivered")):
        now = clock.read_now()
        DeadLetter.objects.create(
            integration=delivered,
            upload=upload,
            position=7,
            side=side,
            state=state,
            reason="no_identity",
            created_at=now,
            changed_at=now,
        )

    status = status_of(delivered)

    assert status.imbalances == ()
    assert status.dead_letters == before.dead_letters | {"no_identity": 1}
    # Neither by the log nor revived from it.
    assert status.delivered == before.delivered


def test_of_many_uploads_with_a_fault_the_first_five_are_told(delivered):
    replay = a_replay(delivered)
    wrong = [an_upload(delivered, number, replay=replay) for number in range(1, 7)]

    assert status_of(delivered).imbalances == tuple(map(tell_wrong_sums, wrong[:5]))


def test_a_fault_in_the_books_of_one_is_none_of_its_neighbours(delivered):
    neighbour = an_integration(account=an_account(account_id="TWO-TWO-TWOZ"))
    wrong = an_upload(neighbour, 1)
    Integration.objects.filter(pk=neighbour.pk).update(cursor=1)
    log.append(neighbour.app, [a_sent_event()])
    Upload.objects.filter(integration=delivered, first=501).update(first=502)

    told = {each.app: each.imbalances for each in insight.read_statuses()}

    torn = Upload.objects.get(first=502)
    assert told == {
        neighbour.app.slug: (tell_wrong_sums(wrong),),
        delivered.app.slug: (
            f"Upload {torn.pk} begins at 502, but 500 came before it.",
        ),
    }


def an_upload(integration, position, **changes):
    """Write a settled upload of two records with no outcome."""
    now = clock.read_now()
    ends = {"first": position, "last": position, "state": "settled", "records": 2}
    dates = {"created_at": now, "settled_at": now, "due_at": now}
    return Upload.objects.create(
        integration=integration, settings={}, **ends, **dates, **changes
    )


def tell_wrong_sums(upload):
    return (
        f"Upload {upload.pk} has 2 records, of which 0 were delivered, 0 are dead letters "
        "and 0 wait."
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
