"""Tallies: sums of settled uploads that no page has to make, right to the last record."""

from datetime import timedelta

import pytest
from django.db.models import F

from clevertap_sync.delivery import replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import retention, tallies
from clevertap_sync.insight import books, pace
from clevertap_sync.models import Tally, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from referrals.models import ReferralEvent
from tests.builders import a_sent_event
from tests.integration.delivery.conftest import age_events, begun, status_of

pytestmark = pytest.mark.django_db

NOBODY = {"identities": {"custom_id": "7"}}


def add_up():
    tallies.add_up_tallies(worthwhile=1)


def sums():
    """Return what all tallies come to."""
    rows = Tally.objects.values_list("delivered", "dead", "replayed")
    return tuple(map(sum, zip(*rows, strict=True)))


def test_what_settled_is_counted_once_however_often_it_is_added_up(
    engine, integration, append
):
    append(a_sent_event(user=NOBODY), count=3)
    deliver(integration.pk)
    before = status_of(integration)

    add_up()
    add_up()

    after = status_of(integration)
    assert sums() == (7, 1, 0)
    assert (after.delivered, after.dead_letters) == (7, {"no_identity": 1})
    assert (after.delivered, after.balanced) == (before.delivered, True)
    assert integration.tallied_to == Upload.objects.get().pk


def test_nothing_behind_an_open_upload_is_tallied_before_it_settles(
    engine, integration, append
):
    append(count=1)
    first = claim_next(integration.pk)
    append(*(a_sent_event() for _ in range(500)))
    deliver(integration.pk)

    add_up()

    assert not Tally.objects.exists()
    assert status_of(integration).delivered == 1_000
    begun(integration, first)
    Upload.objects.filter(pk=first.upload.pk).update(
        state=Upload.State.SETTLED, records=2, delivered=2, settled_at=clock.read_now()
    )
    add_up()
    assert sums() == (1_002, 0, 0)
    assert status_of(integration).balanced


def test_parts_and_replays_are_tallied_apart(engine, integration, append, finish):
    engine.switch(poison=(Poison(identity="poison@"),))
    append(a_sent_event(user={"identities": {"email": "poison@x.example"}}), count=3)
    finish()
    engine.behave()
    replay.replay_letters(integration)
    finish()

    add_up()

    after = status_of(integration)
    assert sums() == (7, 1, 1)
    assert (after.delivered, after.dead_letters, after.balanced) == (8, {}, True)


def test_few_uploads_are_left_to_whoever_asks(engine, integration, append):
    append(count=1)
    deliver(integration.pk)

    tallies.add_up_tallies()

    assert not Tally.objects.exists()
    assert status_of(integration).delivered == 2


def test_more_than_one_steps_worth_is_tallied_too(
    engine, integration, append, monkeypatch
):
    monkeypatch.setattr(tallies, "UPLOADS_PER_STEP", 2)
    for _ in range(5):
        append(a_sent_event())
        deliver(integration.pk)

    add_up()

    assert sums() == (10, 0, 0)
    assert status_of(integration).balanced


def test_retention_takes_back_what_it_keeps_as_totals(engine, integration, append):
    append(count=2)
    deliver(integration.pk)
    append(a_sent_event())
    deliver(integration.pk)
    age_events(2)
    add_up()

    assert retention.carry_out_retention() == 2

    after = status_of(integration)
    assert sums() == (2, 0, 0)
    assert (after.delivered, integration.removed_delivered) == (6, 4)
    assert after.balanced


def test_an_hour_of_which_nothing_is_left_has_no_tally(engine, integration, append):
    append(count=2)
    deliver(integration.pk)
    past = timedelta(days=91)
    Upload.objects.update(settled_at=F("settled_at") - past)
    ReferralEvent.objects.update(received_at=F("received_at") - past)
    append(a_sent_event())
    deliver(integration.pk)
    add_up()
    assert Tally.objects.count() == 2

    assert retention.carry_out_retention() == 2

    left = Tally.objects.values_list("delivered", "dead", "replayed")
    assert list(left) == [(2, 0, 0)]
    assert status_of(integration).balanced


def test_a_tally_that_is_wrong_is_found_by_the_books(engine, integration, append):
    append(count=2)
    deliver(integration.pk)
    add_up()
    Tally.objects.update(delivered=5)

    after = status_of(integration)

    assert not after.balanced
    assert after.imbalances == ("Uploads delivered 4 records, their tallies say 5.",)


def test_hours_show_what_is_tallied_and_what_is_not(engine, integration, append):
    append(a_sent_event(user=NOBODY), count=2)
    deliver(integration.pk)
    now = clock.read_now()
    Upload.objects.update(settled_at=now - timedelta(hours=3))
    add_up()
    append(a_sent_event())
    deliver(integration.pk)
    Upload.objects.filter(first=4).update(settled_at=now)
    integration.refresh_from_db()

    hours = pace.read_hours(integration, now)

    assert len(hours) == 24
    assert (hours[-1].delivered, hours[-1].dead) == (2, 0)
    assert (hours[-4].delivered, hours[-4].dead) == (5, 1)
    assert sum(hour.delivered + hour.dead for hour in hours) == 8
    assert hours[-1].began_at == now.replace(minute=0, second=0, microsecond=0)


def test_the_usual_wait_is_what_95_of_100_records_stayed_within(
    engine, integration, append
):
    now = clock.read_now()
    for seconds in range(1, 21):
        log.append(integration.app, [a_sent_event()])
        deliver(integration.pk)
        ReferralEvent.objects.filter(position=seconds).update(
            received_at=now - timedelta(seconds=seconds)
        )
    Upload.objects.update(settled_at=now)

    assert pace.measure_usual_wait(integration, now) == pytest.approx(19)
    Upload.objects.update(settled_at=now - timedelta(days=2))
    assert pace.measure_usual_wait(integration, now) is None


def test_a_glance_at_the_books_finds_what_is_wrong_with_the_newest(
    engine, integration, append
):
    for _ in range(3):
        append(a_sent_event())
        deliver(integration.pk)
    integration.refresh_from_db()
    assert books.find_recent_imbalances([integration], [3]) == [[]]
    torn = Upload.objects.get(first=3)
    torn.first = torn.last = 4
    torn.delivered = 1
    torn.save()

    assert books.find_recent_imbalances([integration], [3]) == [
        [
            f"Upload {torn.pk} begins at 4, but 2 came before it.",
            "Uploads reach to 4, the cursor to 3.",
            (
                f"Upload {torn.pk} has 2 records, of which 1 were delivered, 0 are dead "
                "letters and 0 wait."
            ),
        ]
    ]
