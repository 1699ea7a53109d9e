"""Retention removes what is past its days, and nothing that is still needed."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from clevertap_sync.delivery import hold, lifecycle, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import folding, retention
from clevertap_sync.models import Attempt, DeadLetter, Replay, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from clevertap_sync.worker import background_jobs
from clevertap_sync.worker.background_jobs import BackgroundJobs
from referrals import failpoints, log
from referrals.failpoints import FailpointError
from referrals.models import Sighting
from tests.builders import a_sent_event, an_integration
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.background import AtOnce
from tests.integration.delivery.conftest import age, age_events, positions, status_of

pytestmark = pytest.mark.django_db


def test_old_events_go_with_their_uploads_and_the_books_still_balance(
    engine, integration, append, finish
):
    engine.switch(
        poison=(Poison(identity="poison@"), Poison(identity="bob@", code=528, times=1))
    )
    append(a_sent_event(id="p", user={"identities": {"email": "poison@x.example"}}))
    append(count=4)
    finish()
    log.append(integration.app, [a_sent_event() for _ in range(3)])
    before = finish()
    age(5)

    assert retention.carry_out_retention() == 5

    after = status_of(integration)
    assert positions() == [6, 7, 8]
    assert (after.delivered, after.balanced) == (before.delivered, True)
    assert after.dead_letters == {}
    assert set(Attempt.objects.values_list("upload__first", flat=True)) == {6, None}
    assert integration.tail == 5


def test_a_call_without_time_removes_a_chunk_and_says_that_more_may_be_left(
    engine, integration, append, finish, monkeypatch
):
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 1)
    append(count=1)
    finish()
    for _ in range(4):
        log.append(integration.app, [a_sent_event()])
        finish()
    age(4)

    assert retention.use_up_retention(seconds=0)
    assert positions() == [2, 3, 4, 5]
    assert retention.use_up_retention(seconds=0)
    assert positions() == [3, 4, 5]
    assert not retention.use_up_retention(seconds=PATIENCE_SECONDS)
    assert positions() == [5]


def test_a_worker_goes_on_after_a_rest_where_the_time_was_used_up(
    engine, integration, append, finish, monkeypatch
):
    rests = []

    class Timer:
        def __init__(self, seconds, function):
            rests.append((seconds, function))

        def start(self):
            pass

    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 1)
    monkeypatch.setitem(retention.use_up_retention.__kwdefaults__, "seconds", 0)
    append(count=1)
    finish()
    for _ in range(3):
        log.append(integration.app, [a_sent_event()])
        finish()
    age(3)

    BackgroundJobs(AtOnce()).start_upkeep()
    assert (positions(), len(rests)) == ([2, 3, 4], 1)
    seconds, go_on = rests.pop()
    go_on()
    assert (positions(), len(rests)) == ([3, 4], 1)
    monkeypatch.setitem(
        retention.use_up_retention.__kwdefaults__, "seconds", PATIENCE_SECONDS
    )
    rests.pop()[1]()
    assert (positions(), rests) == ([4], [])
    assert seconds == background_jobs.RETENTION_REST_SECONDS


def test_nothing_goes_that_an_integration_has_not_delivered(
    engine, integration, append
):
    append(count=3)
    claim_next(integration.pk)
    log.append(integration.app, [a_sent_event()])
    age(4)

    assert retention.carry_out_retention() == 0
    assert positions() == [1, 2, 3, 4]


def test_a_paused_integration_keeps_what_it_still_has_to_deliver(
    engine, integration, append
):
    append(count=2)
    deliver(integration.pk)
    lifecycle.pause_integration(integration)
    log.append(integration.app, [a_sent_event() for _ in range(3)])
    age(5)

    retention.carry_out_retention()

    assert positions() == [3, 4, 5]
    lifecycle.enable_integration(integration, start="resume")
    deliver(integration.pk)
    assert (status_of(integration).delivered, status_of(integration).balanced) == (
        10,
        True,
    )


def test_an_integration_paused_before_its_first_event_keeps_what_waits(
    engine, integration, append
):
    lifecycle.pause_integration(integration)
    append(count=3)
    age(2)

    assert retention.carry_out_retention() == 0

    lifecycle.enable_integration(integration, start="resume")
    deliver(integration.pk)
    assert status_of(integration).delivered == 6


def test_an_integration_that_was_never_enabled_keeps_nothing(db):
    integration = an_integration(enabled=False)
    log.append(integration.app, [a_sent_event() for _ in range(3)])
    age(2)

    assert retention.carry_out_retention() == 2
    assert positions() == [3]


def test_the_newest_event_stays_so_that_numbers_go_on(
    engine, integration, append, finish
):
    append(count=3)
    finish()
    age(3)

    retention.carry_out_retention()
    log.append(integration.app, [a_sent_event(id="next")])

    assert positions() == [3, 4]
    assert finish().balanced


def test_replayed_letters_go_with_their_upload(engine, integration, append, finish):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=2)
    deliver(integration.pk)
    engine.behave()
    replay.replay_letters(integration)
    finish()
    log.append(integration.app, [a_sent_event()])
    before = finish()
    age(2)

    retention.carry_out_retention()
    retention.carry_out_retention()

    after = status_of(integration)
    assert (after.delivered, after.balanced) == (before.delivered, True)
    assert not DeadLetter.objects.exists()
    assert Upload.objects.count() == 1


def test_an_upload_goes_whole_and_its_events_and_dead_letters_with_it(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=4)
    finish()
    log.append(integration.app, [a_sent_event()])
    finish()
    age(2)

    assert retention.carry_out_retention() == 0
    assert positions() == [1, 2, 3, 4, 5]
    assert DeadLetter.objects.count() == 5

    age(4)

    assert retention.carry_out_retention() == 4
    assert list(DeadLetter.objects.values_list("position", flat=True)) == [5]
    assert status_of(integration).balanced


def test_what_was_skipped_does_not_keep_old_events(engine, integration, append):
    integration.enabled = False
    integration.save()
    append(count=4)
    lifecycle.enable_integration(integration, start="now")
    age(2)

    assert retention.carry_out_retention() == 2
    assert positions() == [3, 4]
    assert status_of(integration).balanced


def test_a_dead_letter_of_a_recent_replay_goes_with_its_old_event(
    engine, integration, append, finish
):
    append(count=2)
    finish()
    log.append(integration.app, [a_sent_event()])
    finish()
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    replay.replay_range(integration, first=1, last=2)
    finish()
    assert DeadLetter.objects.count() == 2
    age_events(2)

    assert retention.carry_out_retention() == 2

    assert not DeadLetter.objects.exists()
    assert Upload.objects.filter(replay__isnull=False).count() == 1
    assert status_of(integration).balanced


def test_uploads_go_in_small_chunks_each_committed_by_itself(
    engine, integration, append, finish, monkeypatch
):
    monkeypatch.setattr(folding, "UPLOADS_PER_CHUNK", 1)
    for n in range(3):
        append(a_sent_event(id=f"e{n}"))
        finish()
    append(a_sent_event(id="newest"))
    finish()
    age(3)
    failpoints.arm_failpoints(failpoints.parse_failpoints(["retention.folded=raise@2"]))

    with pytest.raises(FailpointError):
        retention.carry_out_retention()

    assert list(Upload.objects.order_by("first").values_list("first", flat=True)) == [
        *(2, 3, 4)
    ]
    assert (status_of(integration).balanced, integration.tail) == (True, 1)
    assert positions() == [2, 3, 4]
    assert retention.carry_out_retention() == 2
    assert status_of(integration).balanced


def test_dry_runs_go_with_their_days(engine, integration):
    hold.hold_delivery(
        integration, reason="no_answer", delay=0, probe=True, now=clock.read_now()
    )
    deliver(integration.pk)
    hold.hold_delivery(
        integration, reason="no_answer", delay=0, probe=True, now=clock.read_now()
    )
    deliver(integration.pk)
    old, recent = Attempt.objects.order_by("pk")
    past = clock.read_now() - timedelta(days=91)
    Attempt.objects.filter(pk=old.pk).update(began_at=past)

    retention.carry_out_retention()

    assert list(Attempt.objects.all()) == [recent]


def test_old_replays_and_old_sightings_go_in_as_many_steps_as_it_takes(
    engine, integration, append, finish, monkeypatch
):
    monkeypatch.setattr(log, "remove_sightings", partial(log.remove_sightings, limit=1))
    append(
        *(
            a_sent_event(user={"identities": {}, "ip": f"203.0.113.{n}"})
            for n in range(1, 5)
        )
    )
    finish()
    running = replay.replay_letters(integration)
    over = replay.replay_letters(integration)
    past = clock.read_now() - timedelta(days=91)
    Replay.objects.update(created_at=past)
    Replay.objects.filter(pk=over.pk).update(state="done")
    Sighting.objects.update(seen_at=past)

    retention.carry_out_retention()

    assert not Sighting.objects.exists()
    assert list(Replay.objects.all()) == [running]


def test_a_replay_past_its_days_goes_although_no_event_is(
    engine, integration, append, finish
):
    append(count=1)
    finish()
    long_ago = clock.read_now() - timedelta(days=91)
    Upload.objects.create(
        integration=integration,
        replay=Replay.objects.create(
            integration=integration, state="done", created_at=long_ago
        ),
        state="settled",
        first=1,
        last=1,
        records=0,
        settings={},
        created_at=long_ago,
        settled_at=long_ago,
        due_at=long_ago,
    )

    assert retention.carry_out_retention() == 0

    assert (Upload.objects.count(), Replay.objects.count()) == (1, 0)
    assert positions() == [1]


def test_uploads_that_were_left_over_go_although_no_event_is_past_its_days(
    engine, integration, append
):
    for _ in range(3):
        append(a_sent_event())
        deliver(integration.pk)
    log.trim_log(integration.app_id, 3)

    assert retention.carry_out_retention() == 0

    assert list(Upload.objects.values_list("first", flat=True)) == [3]
    assert status_of(integration).balanced
