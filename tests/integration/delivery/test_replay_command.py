"""`manage.py replay`: the plan first, then the order, by reason, by letter or by range."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Replay
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Poison
from referrals.models import ReferralEvent
from tests.integration.delivery.conftest import status_of

FRESH = (
    "arrived in the last two hours: live campaigns may fire, so real people may get "
    "messages."
)
OLD = "1 is older: it counts in CleverTap, and no live campaign fires."

pytestmark = pytest.mark.django_db


@pytest.fixture
def replay(integration):
    def replay(*arguments):
        output = io.StringIO()
        call_command("replay", integration.app.slug, *arguments, stdout=output)
        return output.getvalue()

    return replay


@pytest.fixture
def refused(engine, integration, append):
    """Two dead letters of one reason, and one of another."""
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=2)
    deliver(integration.pk)
    engine.behave()
    letters = list(DeadLetter.objects.order_by("pk"))
    DeadLetter.objects.create(
        integration=integration,
        upload=letters[0].upload,
        position=2,
        side="generated",
        reason="clevertap_513",
        created_at=letters[0].created_at,
        changed_at=letters[0].changed_at,
    )
    return letters


def test_a_dry_run_says_the_plan_and_orders_nothing(refused, replay):
    said = replay("--reason", "clevertap_528", "--dry-run")

    assert said == f"2 records in 1 uploads. 2 {FRESH}\n"
    assert not Replay.objects.exists()


def test_letters_are_replayed_by_reason(refused, replay):
    replay("--reason", "clevertap_528")

    order = Replay.objects.get()
    assert (order.reasons, order.planned) == (["clevertap_528"], 2)


def test_letters_are_replayed_one_by_one(refused, replay, integration):
    chosen, other = refused

    said = replay("--letter", str(chosen.pk))
    deliver(integration.pk)

    states = dict(DeadLetter.objects.values_list("pk", "state"))
    assert said.startswith(f"1 records in 1 uploads. 1 {FRESH}\nOrdered as replay")
    assert (states[chosen.pk], states[other.pk]) == ("delivered", "open")


def test_a_range_says_that_it_is_counted_twice(
    engine, integration, append, finish, replay
):
    append(count=3)
    finish()

    said = replay("--from", "2")
    finish()

    assert "2 events, positions 2 to 3." in said
    assert f"it will count twice. 2 {FRESH}\n" in said
    assert len(engine.records()) == 6 + 4
    assert status_of(integration).balanced


def test_letters_that_clevertap_may_have_say_that_they_may_count_twice(refused, replay):
    twice = "what it has already stored, it will count twice."
    DeadLetter.objects.filter(reason="clevertap_528").update(reason="outcome_unknown")

    unknown = replay("--reason", "outcome_unknown", "--dry-run")
    refusals = replay("--reason", "clevertap_513", "--dry-run")

    assert unknown.startswith("2 records in 1 uploads. CleverTap does not recognise")
    assert twice in unknown
    assert twice not in refusals


def test_a_plan_tells_what_is_too_old_for_live_campaigns(refused, replay):
    ReferralEvent.objects.filter(position=1).update(
        received_at=clock.read_now() - timedelta(hours=2, seconds=5)
    )

    letters = replay("--reason", "clevertap_528", "--dry-run")
    range_ = replay("--from", "1", "--dry-run")
    first = replay("--from", "1", "--to", "1", "--dry-run")

    assert letters == f"2 records in 1 uploads. 1 {FRESH} {OLD}\n"
    assert range_.endswith(f"it will count twice. 1 {FRESH} {OLD}\n")
    assert first.endswith(f"it will count twice. {OLD}\n")


def test_a_running_replay_is_cancelled(engine, integration, append, finish, replay):
    append(count=3)
    finish()
    replay("--from", "1")
    order = Replay.objects.get()

    assert replay("--cancel", str(order.pk)).startswith(f"Cancelled replay {order.pk}.")
    finish()

    order.refresh_from_db()
    assert order.state == "cancelled"
    assert len(engine.records()) == 6
    with pytest.raises(CommandError, match="is running"):
        replay("--cancel", str(order.pk))


def test_whoever_says_nothing_replays_nothing(integration, replay):
    with pytest.raises(CommandError, match="Say what to replay"):
        replay()

    assert not Replay.objects.exists()


def test_what_clevertap_has_not_got_is_replayed_and_what_it_has_is_left(
    refused, replay
):
    DeadLetter.objects.update(reason="outcome_unknown")
    DeadLetter.objects.filter(pk=refused[0].pk).update(found="not_found")
    DeadLetter.objects.filter(pk=refused[1].pk).update(found="found")

    by_reason = replay("--reason", "outcome_unknown", "--dry-run")
    not_found = replay("--not-found")

    assert by_reason.startswith("2 records in 1 uploads. CleverTap does not recognise")
    assert "1 of unknown outcome was found in CleverTap, and stays here." in by_reason
    assert not_found.startswith("1 records in 1 uploads. ")
    assert "twice" not in not_found
    assert Replay.objects.get().selection == [refused[0].pk]
    # The order has taken nothing yet.
    found = replay("--letter", str(refused[1].pk), "--dry-run")
    assert (
        "1 of unknown outcome was found in CleverTap, and would count twice." in found
    )


def test_where_nothing_is_not_found_nothing_is_ordered(refused, replay):
    assert replay("--not-found") == "0 records. CleverTap's counts lack none of them.\n"
    assert not Replay.objects.exists()
