"""Uploads that hold somebody who is to be forgotten settle first, or give way to parts."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F

from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.models import DeadLetter, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Fault, Poison
from referrals import failpoints, log
from referrals.failpoints import FailpointError
from referrals.identity import Identity
from referrals.models import ErasureRequest
from referrals.schema import Person
from tests.builders import (
    BOB,
    a_sent_event,
)
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.delivery.conftest import status_of
from tests.integration.delivery.erasing import (
    CANARY,
    WHOM,
    by_canary,
    erase,
    event_at,
    of_canary,
    rows_with,
    sent,
)
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db


def test_what_waits_in_the_log_goes_out_without_the_person(
    engine, integration, append, finish
):
    append(by_canary(id="1"), of_canary(id="2"))
    order = erase(integration)

    status = finish()

    assert order.state == "done"
    assert CANARY not in dict(sent(engine))
    assert status.dead_letters == {"erased": 2}
    assert (status.delivered, status.balanced) == (2, True)


def test_an_upload_that_clevertap_surely_did_not_store_goes_again_without_the_person(
    engine, integration, append, finish
):
    engine.switch(faults=(Fault(status=503),))
    append(by_canary(id="1"))
    deliver(integration.pk)
    assert Upload.objects.open().get().unknown_outcomes == 0

    order = erase(integration)
    status = finish()

    assert order.state == "done"
    assert sent(engine) == [(BOB, "Generated App Install")]
    assert status.dead_letters == {"erased": 1}
    assert status.balanced


def test_an_upload_of_unknown_outcome_goes_again_as_it_was_and_is_waited_for(
    engine, integration, append, finish
):
    erase(integration, [Identity("email", "somebody-else@example.com")])
    engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
    append(by_canary(id="1"), a_sent_event(id="2"))
    deliver(integration.pk)

    order = erase(integration)

    assert (order.state, order.uploads_waiting) == ("waiting", 1)
    assert event_at(integration, 1).user == Person({"email": CANARY})

    finish()
    order = erasure_orders.advance_erasure(order)

    first, _, again = engine.requests()
    assert first.sha256 == again.sha256
    assert (order.state, order.uploads_waiting) == ("done", 0)
    assert Upload.objects.get().body_changed is False
    assert rows_with(CANARY) == []
    assert status_of(integration).balanced


def test_meanwhile_new_events_of_the_person_are_suppressed(
    engine, integration, append, finish
):
    engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
    append(by_canary(id="1"))
    deliver(integration.pk)
    erase(integration)
    append(by_canary(id="2"))

    status = finish()

    assert engine.counts()[CANARY, "Referred App Install"] == 2
    assert status.dead_letters == {"suppressed": 1}


def test_after_a_day_parts_without_the_person_take_the_uploads_place(
    engine, integration, append, finish
):
    engine.switch(faults=(Fault(ending="reset_before_storing", times=None),))
    append(by_canary(id="1"), a_sent_event(id="2"), of_canary(id="3"))
    deliver(integration.pk)
    order = erase(integration)
    assert order.state == "waiting"
    before = erasure_orders.find_latest_completion(order) - clock.read_now()
    assert timedelta(hours=23) < before <= timedelta(days=1)

    ErasureRequest.objects.update(requested_at=F("requested_at") - timedelta(days=1))
    erasure_orders.advance_all_erasures()

    order.refresh_from_db()
    assert (order.state, order.uploads_replaced) == ("done", 1)
    assert rows_with(CANARY) == []
    gone, rest = Upload.objects.exclude(parent=None).order_by("pk")
    assert (gone.state, gone.records, gone.dead) == ("settled", 2, 2)
    assert (rest.state, rest.covers, rest.unknown_outcomes) == ("open", 4, 1)
    status = status_of(integration)
    assert status.dead_letters == {"erased": 2}
    assert status.balanced

    engine.behave()
    status = finish()

    assert CANARY not in dict(sent(engine))
    assert (status.delivered, status.dead_letters) == (4, {"erased": 2})
    assert status.balanced


def test_after_a_day_the_upload_of_a_dead_worker_of_a_paused_integration_is_replaced(
    engine, integration, append, settings
):
    settings.ERASURE_WAIT_SECONDS = 0
    append(by_canary(id="1"))
    failpoints.arm_failpoints(failpoints.parse_failpoints(["request.answered=raise"]))
    with pytest.raises(FailpointError):
        deliver(integration.pk)
    lifecycle.pause_integration(integration)
    assert erase(integration).state == "waiting"  # its lease is alive
    Upload.objects.update(leased_until=clock.read_now() - timedelta(seconds=1))

    erasure_orders.advance_all_erasures()

    order = ErasureRequest.objects.get()
    assert (order.state, order.uploads_replaced) == ("done", 1)
    status = status_of(integration)
    assert (status.unknown_outcomes, status.dead_letters) == (1, {"erased": 1})
    assert status.balanced


def test_a_replays_upload_is_replaced_and_its_letters_say_so(
    engine, integration, append, settings
):
    settings.ERASURE_WAIT_SECONDS = 0
    engine.switch(poison=(Poison(event_name="App Install", code=528),))
    append(by_canary(id="1"), a_sent_event(id="2"))
    deliver(integration.pk)
    engine.switch(
        reset=True, faults=(Fault(ending="reset_before_storing", times=None),)
    )
    replay.replay_letters(integration)
    deliver(integration.pk)

    order = erase(integration)

    assert (order.state, order.uploads_replaced) == ("done", 1)
    letters = DeadLetter.objects.order_by("position", "-side").values_list(
        "position", "side", "state", "reason"
    )
    assert list(letters) == [
        (1, "referred", "open", "erased"),
        (1, "generated", "replaying", "clevertap_528"),
        (2, "referred", "replaying", "clevertap_528"),
        (2, "generated", "replaying", "clevertap_528"),
    ]
    assert status_of(integration).balanced


def test_a_crash_while_an_upload_is_replaced_changes_nothing(
    engine, integration, append, settings
):
    settings.ERASURE_WAIT_SECONDS = 0
    engine.switch(faults=(Fault(ending="reset_before_storing", times=None),))
    append(by_canary(id="1"))
    deliver(integration.pk)
    failpoints.arm_failpoints(failpoints.parse_failpoints(["erasure.replaced=raise"]))
    with pytest.raises(FailpointError):
        erase(integration)
    assert Upload.objects.get().state == "open"
    assert not DeadLetter.objects.exists()

    erasure_orders.advance_all_erasures()

    assert ErasureRequest.objects.get().uploads_replaced == 1
    assert status_of(integration).balanced


@pytest.mark.django_db(transaction=True)
def test_a_request_under_way_finishes_with_the_person_and_is_waited_for(
    engine, integration, append
):
    engine.switch(faults=(Fault(hold="before_storing"),))
    append(by_canary(id="1"))
    worker = Worker(deliver, integration.pk)
    engine.wait_for_requests(1, PATIENCE_SECONDS)

    order = erase(integration)
    assert (order.state, order.uploads_waiting) == ("waiting", 1)
    assert erasure_orders.is_under_way(order)
    engine.release()
    worker.finish()

    assert not erasure_orders.is_under_way(order)
    assert erasure_orders.advance_erasure(order).state == "done"
    assert (CANARY, "Referred App Install") in sent(engine)
    assert rows_with(CANARY) == []
    assert status_of(integration).balanced


@pytest.mark.django_db(transaction=True)
def test_a_request_waits_for_a_claim_that_does_not_know_of_it(
    engine, integration, append
):
    append(by_canary())
    orders = []

    with transaction.atomic():
        assert claim_next(integration.pk) is not None
        eraser = Worker(lambda: orders.append(erase(integration)))
        eraser.wait_for_its_lock()
        assert orders == []
    eraser.finish()

    assert (orders[0].state, orders[0].uploads_waiting) == ("waiting", 1)


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_was_claimed_first_is_never_missed(engine, integration, append):
    """The worker has mapped the event, and stands still just before the request."""
    engine.switch(faults=(Fault(hold="before_storing", times=None),))
    for n in range(5):
        append(by_canary(id=f"r{n}"))
        worker = Worker(deliver, integration.pk)
        engine.wait_for_requests(n + 1, PATIENCE_SECONDS)
        order = erase(integration)
        assert order.state == "waiting"
        engine.release()
        worker.finish()
        erasure_orders.advance_erasure(order)
        erasure_orders.lift_suppressions(integration.app, WHOM)

    assert rows_with(CANARY) == []
    assert engine.counts()[CANARY, "Referred App Install"] == 5


@pytest.mark.django_db(transaction=True)
def test_workers_that_go_on_at_once_share_the_work(
    engine, integration, append, monkeypatch
):
    monkeypatch.setattr(erasure_orders, "EVENTS_PER_STEP", 5)
    append(*(by_canary() for _ in range(60)))
    erasure_orders.order_erasure(integration.app, WHOM)

    workers = [Worker(erasure_orders.advance_all_erasures) for _ in range(3)]
    for worker in workers:
        worker.finish()
    erasure_orders.advance_all_erasures()

    order = ErasureRequest.objects.get()
    assert (order.state, order.events, order.erased_to) == ("done", 60, 60)


@pytest.mark.django_db(transaction=True)
def test_appending_goes_on_while_a_long_log_is_gone_through(
    engine, integration, append, monkeypatch
):
    monkeypatch.setattr(erasure_orders, "EVENTS_PER_STEP", 10)
    append(*(by_canary() for _ in range(300)))
    order = erasure_orders.order_erasure(integration.app, WHOM)
    eraser = Worker(erasure_orders.advance_erasure, order)

    for n in range(50):
        append(a_sent_event(id=f"late-{n}"))
    eraser.finish()

    order = erasure_orders.advance_erasure(order)
    assert (order.state, order.events) == ("done", 300)
    assert log.read_head(integration.app_id) == 350
