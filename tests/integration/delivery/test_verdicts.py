"""What CleverTap answers becomes a verdict for each record."""

import time

import pytest
from django.db import OperationalError, connection, transaction

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.replay import replay_letters
from clevertap_sync.models import Attempt, DeadLetter, Replay, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Fault, Poison
from tests.builders import ANN, BOB, NOON_SECONDS, a_sent_event
from tests.integration.delivery.conftest import status_of
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db


def letters():
    return list(
        DeadLetter.objects.values_list("position", "side", "reason").order_by(
            "position"
        )
    )


def test_an_event_becomes_its_two_records(engine, integration, append):
    append(a_sent_event(id="one"))

    deliver(integration.pk)

    properties = {"Channel": "whatsapp", "Content": "spring", "Status": "valid"}
    assert engine.records() == [
        {
            "identity": identity,
            "ts": NOON_SECONDS,
            "type": "event",
            "evtName": name,
            "evtData": properties,
        }
        for identity, name in [
            (ANN, "Referred App Install"),
            (BOB, "Generated App Install"),
        ]
    ]
    status = status_of(integration)
    assert (status.delivered, status.backlog, status.in_flight) == (2, 0, 0)
    assert status.balanced


def test_a_refused_record_is_a_dead_letter_and_its_neighbours_are_delivered(
    engine, integration, append
):
    engine.switch(poison=(Poison(identity="bad@", code=528),))
    append(
        a_sent_event(id="good"),
        a_sent_event(id="bad", user={"identities": {"email": "bad@example.com"}}),
    )

    deliver(integration.pk)

    assert letters() == [(2, "referred", "clevertap_528")]
    assert len(engine.records()) == 3
    status = status_of(integration)
    assert (status.delivered, status.dead_letters) == (3, {"clevertap_528": 1})
    assert status.balanced


def test_a_side_that_cannot_be_mapped_is_a_dead_letter_with_its_reason(
    engine, integration, append
):
    append(a_sent_event(id="one", referrer={"identities": {"custom_id": "7"}}))

    deliver(integration.pk)

    assert letters() == [(1, "generated", "no_identity")]
    assert [record["evtName"] for record in engine.records()] == [
        "Referred App Install"
    ]
    assert status_of(integration).balanced


def test_an_upload_of_which_nothing_can_be_sent_makes_no_request(
    engine, integration, append
):
    append(
        a_sent_event(
            id="one",
            user={"identities": {"custom_id": "6"}},
            referrer={"identities": {"custom_id": "7"}},
        )
    )

    deliver(integration.pk)

    assert engine.requests() == []
    assert len(letters()) == 2
    assert status_of(integration).balanced


def test_only_the_record_with_the_retryable_code_is_sent_again(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity=BOB, code=555, times=2),))
    append(a_sent_event(id="one"))

    status = finish()

    names = [record["evtName"] for record in engine.records()]
    assert names == ["Referred App Install", "Generated App Install"]
    assert [request.records for request in engine.requests()] == [2, 1, 1]
    assert (status.delivered, status.dead_letters) == (2, {})
    assert status.balanced


def test_a_refusal_of_no_known_record_points_at_its_upload(engine, integration, append):
    engine.switch(
        faults=(Fault(tamper=("without_numbers", "without_records")),),
        poison=(Poison(identity=BOB, code=513),),
    )
    append(a_sent_event(id="one"))

    deliver(integration.pk)

    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.position, letter.upload) == (
        "unidentified",
        None,
        Upload.objects.get(),
    )
    status = status_of(integration)
    assert (status.delivered, status.dead_letters) == (1, {"unidentified": 1})
    assert status.balanced


def test_an_upload_of_which_nothing_can_be_sent_is_no_request(
    engine, integration, append
):
    nobody = {"identities": {"custom_id": "7"}}
    append(a_sent_event(user=nobody, referrer=nobody))

    assert deliver(integration.pk) == 0

    assert letters() == [
        (1, "referred", "no_identity"),
        (1, "generated", "no_identity"),
    ]
    assert engine.requests() == []


def test_an_answer_whose_counts_do_not_add_up_marks_the_upload(
    engine, integration, append
):
    engine.switch(faults=(Fault(tamper=("wrong_count",)),))
    append(a_sent_event(id="one"))

    deliver(integration.pk)

    upload = Upload.objects.get()
    assert (upload.miscounted, upload.delivered) == (True, 2)
    assert len(engine.requests()) == 1


def test_counts_that_do_not_add_up_mark_the_part_that_was_answered(
    engine, integration, append, finish
):
    engine.switch(
        faults=(Fault(tamper=("wrong_count",)),),
        poison=(Poison(identity=BOB, code=555, times=1),),
    )
    append(a_sent_event(id="one"))

    finish()

    parts = Upload.objects.filter(state="settled").order_by("pk")
    assert [(part.miscounted, part.delivered) for part in parts] == [
        (True, 1),
        (False, 1),
    ]


def test_each_request_is_an_attempt_that_was_begun_and_ended(
    engine, integration, append
):
    append(count=3)
    started = time.monotonic()

    deliver(integration.pk)

    took = time.monotonic() - started
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status, attempt.records) == ("ok", 200, 6)
    assert 0 <= attempt.duration_ms <= round(took * 1000)
    assert (attempt.accepted, attempt.refused, attempt.dry_run) == (6, 0, False)
    assert attempt.ended_at >= attempt.began_at


@pytest.mark.django_db(transaction=True)
def test_a_dead_letter_that_a_replay_writes_at_the_same_moment_is_one(
    engine, integration, append
):
    engine.switch(poison=(Poison(identity=ANN, code=528),))
    append(count=1)
    order = Replay.objects.create(
        integration=integration, state=Replay.State.DONE, created_at=clock.read_now()
    )
    other = Upload.objects.create(
        integration=integration,
        replay=order,
        state=Upload.State.SETTLED,
        **dict.fromkeys(("first", "last", "records", "dead"), 1),
        **dict.fromkeys(("created_at", "due_at", "settled_at"), clock.read_now()),
        settings={},
    )

    with transaction.atomic():
        DeadLetter.objects.create(
            integration=integration,
            upload=other,
            position=1,
            side="referred",
            reason="clevertap_528",
            created_at=clock.read_now(),
            changed_at=clock.read_now(),
        )
        delivering = Worker(deliver, integration.pk)
        delivering.wait_for_its_lock()
    delivering.finish()

    letter = DeadLetter.objects.get()
    assert (letter.upload.replay, letter.failures) == (None, 2)
    assert len(engine.requests()) == 1
    assert status_of(integration).balanced


@pytest.mark.django_db(transaction=True)
def test_a_replay_that_settles_has_its_letters_delivered_or_settles_again(
    engine, integration, append, monkeypatch
):
    engine.switch(poison=(Poison(identity=ANN, code=528),))
    append(count=1)
    deliver(integration.pk)
    engine.behave()
    replay_letters(integration)
    monkeypatch.setattr("clevertap_sync.delivery.deliver.RETRY_SECONDS", 0.0)
    broken = []

    def break_off_once(execute, sql, params, many, context):
        if "state = 'delivered'" in sql and not broken:
            broken.append(sql)
            raise OperationalError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(break_off_once):
        deliver(integration.pk)

    assert len(broken) == 1
    assert DeadLetter.objects.get().state == DeadLetter.State.DELIVERED
    assert len(engine.requests()) == 2
    assert status_of(integration).balanced
