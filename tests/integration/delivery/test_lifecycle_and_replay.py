"""What a person decides: where to begin, when to pause, what to send again."""

import pytest

from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Integration, Replay, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from referrals.models import CustomName
from tests.builders import NOON_TEXT, a_sent_custom_event, a_sent_event
from tests.integration.delivery.conftest import status_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def disabled(integration):
    integration.enabled = False
    integration.save()
    return integration


def test_enabled_from_now_the_past_is_one_skipped_upload(engine, disabled, append):
    append(count=3)
    lifecycle.enable_integration(disabled, start="now")
    log.append(disabled.app, [a_sent_event()])

    deliver(disabled.pk)

    ranges = list(
        Upload.objects.values_list("first", "last", "state").order_by("first")
    )
    assert ranges == [(1, 3, "skipped"), (4, 4, "settled")]
    status = status_of(disabled)
    assert (status.delivered, status.backlog, status.balanced) == (2, 0, True)


def test_enabled_from_an_instant_delivery_begins_with_what_was_received_then(
    engine, disabled, append
):
    append(count=2)
    instant = clock.read_now()
    log.append(
        disabled.app, [a_sent_event(occurred_at=None), a_sent_event(occurred_at=None)]
    )

    lifecycle.enable_integration(disabled, start=instant)
    deliver(disabled.pk)

    assert status_of(disabled).delivered == 4
    assert Upload.objects.get(state="skipped").last == 2


def test_what_occurred_before_the_instant_is_kept_back(engine, disabled):
    instant = clock.read_now()
    lifecycle.enable_integration(disabled, start=instant)
    late, fresh = a_sent_event(occurred_at=NOON_TEXT), a_sent_event(occurred_at=None)
    log.append(disabled.app, [late, fresh])

    deliver(disabled.pk)

    upload = Upload.objects.get(state="settled")
    assert (upload.records, upload.unsent) == (2, 2)
    assert status_of(disabled).balanced


def test_a_custom_name_beyond_the_limit_waits_for_approval(
    engine, integration, settings
):
    """Invariant 8, as far as CleverTap sees it; the log fixes the numbers."""
    settings.CUSTOM_NAMES_LIMIT = 1
    names = ["Trial Started", "Plan Changed"]
    log.append(integration.app, [a_sent_custom_event(name) for name in names])
    deliver(integration.pk)
    assert status_of(integration).dead_letters == {"new_event_name": 2}

    CustomName.objects.filter(name="Plan Changed").update(approved_at=clock.read_now())
    replay.replay_letters(integration, reasons=["new_event_name"])
    deliver(integration.pk)

    assert (status_of(integration).delivered, status_of(integration).dead_letters) == (
        4,
        {},
    )


def test_a_paused_integration_goes_on_where_it_stopped(engine, integration, append):
    append(count=1)
    deliver(integration.pk)
    lifecycle.pause_integration(integration)
    log.append(integration.app, [a_sent_event()])
    deliver(integration.pk)
    assert status_of(integration).backlog == 1

    lifecycle.enable_integration(integration, start="resume")
    deliver(integration.pk)

    assert (status_of(integration).delivered, status_of(integration).backlog) == (4, 0)


def test_the_cursor_never_moves_back(engine, integration, append):
    append(count=2)
    long_ago = clock.read_now().replace(year=2020)
    deliver(integration.pk)

    lifecycle.enable_integration(integration, start=long_ago)
    deliver(integration.pk)

    assert integration.cursor == 2
    assert len(engine.records()) == 4


def test_replayed_dead_letters_are_delivered_once(engine, integration, append, finish):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=3)
    deliver(integration.pk)
    assert status_of(integration).dead_letters == {"clevertap_528": 3}

    engine.behave()
    order = replay.replay_letters(integration, reasons=["clevertap_528"])
    status = finish()

    assert order.planned == 3
    assert (status.delivered, status.dead_letters) == (6, {})
    assert len(engine.records()) == 6
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"delivered"}
    assert status.balanced


def test_a_replayed_record_that_fails_again_is_the_same_dead_letter_with_its_history(
    engine, integration, append
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=1)
    deliver(integration.pk)

    for _ in range(2):
        replay.replay_letters(integration)
        deliver(integration.pk)

    letter = DeadLetter.objects.get()
    assert (letter.state, letter.failures, letter.reason) == (
        "open",
        3,
        "clevertap_528",
    )
    assert set(Replay.objects.values_list("state", flat=True)) == {"done"}
    assert status_of(integration).balanced


def test_a_range_replay_leaves_the_cursor_and_the_books_alone(
    engine, integration, append, finish
):
    append(count=1200)
    finish()

    replay.replay_range(integration, first=101, last=700)
    status = finish()

    assert (status.cursor, status.delivered, status.balanced) == (1200, 2400, True)
    assert len(engine.records()) == 2400 + 1200


def test_a_replay_does_not_go_beyond_the_cursor(engine, integration, append):
    append(count=2)

    order = replay.replay_range(integration, first=1, last=10)

    assert (order.state, order.planned) == ("done", 0)


def test_a_replay_and_live_events_take_turns(engine, integration, append, finish):
    append(count=1500)
    finish()
    order = replay.replay_range(integration, first=1, last=1500)
    log.append(integration.app, [a_sent_event() for _ in range(1000)])

    claims = [claim_next(integration.pk) for _ in range(4)]

    served = [(claim.upload.replay_id, claim.upload.first) for claim in claims]
    assert served == [(order.pk, 1), (None, 1501), (order.pk, 501), (None, 2001)]


def test_a_replay_goes_on_while_live_events_wait_for_company(
    engine, integration, append, finish
):
    append(count=1500)
    finish()
    replay.replay_range(integration, first=1, last=1500)
    claim_next(integration.pk)
    log.append(integration.app, [a_sent_event()])

    claims = [claim_next(integration.pk) for _ in range(3)]

    assert [claim.upload.first for claim in claims] == [1501, 501, 1001]


@pytest.mark.parametrize("sent", [0, 2])
def test_a_replayed_dead_letter_that_the_settings_keep_back_is_open_again(
    engine, integration, append, finish, sent
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    bob = {"identities": {"email": "bob@example.com"}}
    append(*(a_sent_event(type="web_open", user=bob) for _ in range(sent)))
    append(*(a_sent_event() for _ in range(2)))
    engine.switch(poison=(Poison(identity="@", code=528),))
    deliver(integration.pk)
    engine.behave()

    integration.refresh_from_db()
    integration.not_sent = ["app_install:referred", "app_install:generated"]
    integration.save()
    replay.replay_letters(integration)
    status = finish()

    states = DeadLetter.objects.order_by("position").values_list("state", flat=True)
    assert list(states) == ["delivered"] * 2 * sent + ["open"] * 4
    assert (status.dead_letters, status.imbalances) == ({"clevertap_528": 4}, ())


def test_a_replay_of_more_letters_than_a_request_holds_takes_each_once(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity="@", code=528),))
    append(a_sent_event(referrer=None, via="smart_link"))
    append(count=750)
    finish()
    engine.behave()

    replay.replay_letters(integration)
    status = finish()

    parts = Upload.objects.filter(replay__isnull=False).order_by("pk")
    assert [(part.first, part.last, part.covers) for part in parts] == [
        (1, 501, 1000),
        (501, 751, 501),
    ]
    assert (status.delivered, status.dead_letters) == (1501, {})
    assert len(engine.records()) == 1501


def test_replays_hand_out_little_while_the_integration_fails(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity="@", code=528),))
    append(count=51)
    finish()
    Integration.objects.filter(pk=integration.pk).update(failures=1)

    replay.replay_letters(integration)
    letters = claim_next(integration.pk)
    Upload.objects.filter(pk=letters.upload.pk).update(state="settled")
    Replay.objects.update(state="done")
    replay.replay_range(integration, first=1, last=51)
    positions = claim_next(integration.pk)

    assert (letters.upload.covers, letters.ring_others) == (100, False)
    assert (positions.upload.first, positions.upload.last) == (1, 50)
