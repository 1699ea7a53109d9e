"""What became of an event, per integration and side."""

import msgspec
import pytest

from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.insight.clevertap_destination import CleverTapDestination
from clevertap_sync.models import Upload
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from tests.builders import ANN, NOON_SECONDS, a_sent_event, an_event

pytestmark = pytest.mark.django_db


def became(integration, position):
    (logged,) = log.read_range(integration.app_id, position, position)
    explained = CleverTapDestination().explain(
        integration.app_id, position, logged.event
    )
    return [(side.side, side.status) for side in explained]


def test_an_event_waits_and_then_is_delivered(engine, integration, append):
    append(count=1)
    assert became(integration, 1) == [("referred", "pending"), ("generated", "pending")]

    deliver(integration.pk)

    assert became(integration, 1) == [
        ("referred", "delivered"),
        ("generated", "delivered"),
    ]


def test_each_side_has_its_own_verdict(engine, integration, append):
    engine.switch(poison=(Poison(identity="bob@", code=528),))
    append(count=1)

    deliver(integration.pk)

    assert became(integration, 1) == [
        ("referred", "delivered"),
        ("generated", "dead_letter"),
    ]


def test_the_part_of_a_bisected_upload_is_found(engine, integration, append, finish):
    engine.switch(poison=(Poison(identity="poison@"),))
    append(a_sent_event(id="p", user={"identities": {"email": "poison@x.example"}}))
    log.append(integration.app, [a_sent_event() for _ in range(5)])

    finish()

    assert became(integration, 1) == [
        ("referred", "dead_letter"),
        ("generated", "delivered"),
    ]
    assert became(integration, 4) == [
        ("referred", "delivered"),
        ("generated", "delivered"),
    ]


def test_a_record_that_a_replay_delivered_names_the_replay_s_upload_and_time(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=1)
    deliver(integration.pk)
    engine.behave()
    replay.replay_letters(integration)

    finish()

    first, second = Upload.objects.order_by("pk")
    (logged,) = log.read_range(integration.app_id, 1, 1)
    explained = CleverTapDestination().explain(integration.app_id, 1, logged.event)
    assert [(side.upload, side.delivered_at) for side in explained] == [
        (second.pk, second.settled_at),
        (first.pk, first.settled_at),
    ]


def test_what_was_skipped_and_what_is_kept_back_is_said(engine, integration, append):
    integration.enabled = False
    integration.save()
    append(count=1)
    lifecycle.enable_integration(integration, start="now")
    integration.not_sent = ["app_install:generated"]
    integration.save()
    log.append(integration.app, [a_sent_event()])

    deliver(integration.pk)

    assert became(integration, 1) == [("referred", "skipped"), ("generated", "skipped")]
    assert became(integration, 2) == [
        ("referred", "delivered"),
        ("generated", "not_sent"),
    ]


def test_what_is_kept_back_of_a_bisected_upload_is_said(
    engine, integration, append, finish
):
    integration.not_sent = ["app_install:generated"]
    integration.save()
    engine.switch(poison=(Poison(identity="poison@"),))
    append(a_sent_event(id="p", user={"identities": {"email": "poison@x.example"}}))
    log.append(integration.app, [a_sent_event() for _ in range(5)])

    finish()

    assert became(integration, 1) == [
        ("referred", "dead_letter"),
        ("generated", "not_sent"),
    ]
    assert became(integration, 4) == [
        ("referred", "delivered"),
        ("generated", "not_sent"),
    ]


def test_a_preview_shows_the_exact_record_or_why_there_is_none(engine, integration):
    event = an_event(referrer=None, via="smart_link", channel=None, content=None)

    ((record,),) = CleverTapDestination().preview(integration.app_id, [event])

    assert msgspec.to_builtins(record) == {
        "integration": "default",
        "side": "referred",
        "status": "record",
        "record": {
            "identity": ANN,
            "ts": NOON_SECONDS,
            "type": "event",
            "evtName": "Referred App Install",
            "evtData": {"Status": "valid"},
        },
    }
