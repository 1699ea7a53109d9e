"""The numbers of what waits: how many, what share was delivered, how long they waited."""

from datetime import timedelta

import pytest

from clevertap_sync import insight
from clevertap_sync.insight import wait_numbers
from clevertap_sync.insight.wait_numbers import (
    EndedWaits,
    LearningStanding,
    WaitsOfWeek,
)
from clevertap_sync.process import clock
from referrals import log
from referrals.models import PeopleProgress
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.people.waiting_letters import (
    State,
    a_linked_letter,
    a_waiting_letter,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def integration(db):
    return an_integration(an_app("shop", name="Shop", loose_ids=["branch_id"]))


def test_what_waits_is_counted_by_reason_and_is_no_dead_letter(integration):
    a_waiting_letter(integration, 1)
    a_waiting_letter(integration, 2)
    a_waiting_letter(integration, 3, reason="waiting_for_referrer")
    a_waiting_letter(integration, 4, state=State.EXPIRED, reason="never_known")
    a_waiting_letter(integration, 5, state=State.OPEN, reason="no_identity")

    with insight.read_in_snapshot():
        status = insight.read_status(integration)

    assert status.waiting == {"waiting_for_identity": 2, "waiting_for_referrer": 1}
    assert status.dead_letters == {"no_identity": 1}
    assert (status.revived, status.expired) == (0, 1)


def test_what_retention_removed_still_counts(integration):
    integration.removed_revived, integration.removed_expired = 30, 12
    a_linked_letter(integration, 1, waited=MINUTE)
    a_waiting_letter(integration, 2, state=State.EXPIRED)

    assert wait_numbers.count_ended_waits([integration]) == {
        integration.pk: EndedWaits(31, 13)
    }


def test_the_share_is_of_what_ended_in_the_week(integration):
    for position, waited in ((1, 2 * MINUTE), (2, 4 * MINUTE), (3, 9 * MINUTE)):
        a_linked_letter(integration, position, waited=waited, ago=DAY)
    a_waiting_letter(integration, 4, state=State.EXPIRED, reason="never_known")
    a_waiting_letter(integration, 5)
    a_linked_letter(integration, 6, waited=DAY, ago=8 * DAY)
    a_linked_letter(integration, 7, waited=MINUTE, state=State.REPLAYING)

    found = wait_numbers.measure_waits_of_week(integration, clock.read_now())

    assert found == WaitsOfWeek(percent=75, median_seconds=240)


def test_a_refused_one_was_not_delivered(integration):
    a_linked_letter(integration, 1, waited=MINUTE)
    a_linked_letter(integration, 2, waited=MINUTE, state=State.OPEN)

    found = wait_numbers.measure_waits_of_week(integration, clock.read_now())

    assert found == WaitsOfWeek(percent=50, median_seconds=60)


def test_where_nothing_ended_there_is_no_share(integration):
    a_waiting_letter(integration, 1)

    found = wait_numbers.measure_waits_of_week(integration, clock.read_now())

    assert found == WaitsOfWeek(percent=None, median_seconds=None)


def test_of_a_busy_week_both_outcomes_count_from_the_same_instant(
    integration, monkeypatch
):
    monkeypatch.setattr(wait_numbers, "MOST_READ", 2)
    for position in (1, 2, 3):
        a_linked_letter(integration, position, waited=MINUTE, ago=position * DAY)
    # As long ago as the two newest links, and before.
    a_waiting_letter(integration, 4, ago=DAY, state=State.EXPIRED)
    a_waiting_letter(integration, 5, ago=5 * DAY, state=State.EXPIRED)

    found = wait_numbers.measure_waits_of_week(integration, clock.read_now())

    assert found == WaitsOfWeek(percent=66, median_seconds=60)


def test_who_was_known_before_did_not_wait(integration):
    a_linked_letter(integration, 1, waited=-MINUTE)

    found = wait_numbers.measure_waits_of_week(integration, clock.read_now())

    assert found.median_seconds == 0


def test_recent_waits_are_a_histogram(integration):
    a_linked_letter(integration, 1, waited=timedelta(seconds=0.5))
    a_linked_letter(integration, 2, waited=2 * MINUTE)
    a_linked_letter(integration, 3, waited=30 * DAY)
    a_linked_letter(integration, 4, waited=MINUTE, ago=DAY)

    found = wait_numbers.count_recent_waits(integration, clock.read_now())

    counts = [1, 1, 1, 2, 2, 2, 2, 3]
    assert found == dict(
        zip([*map(str, wait_numbers.BUCKETS), "+Inf"], counts, strict=True)
    )


def test_learning_lags_by_the_age_of_what_was_not_learned_from(integration):
    now = clock.read_now()
    PeopleProgress.objects.create(app=integration.app, cursor=1, since=now, shared=4)
    log.append(integration.app, [a_sent_event()])
    behind = now + timedelta(hours=1)

    (level,) = wait_numbers.read_learning(behind)
    log.append(integration.app, [a_sent_event()])
    (late,) = wait_numbers.read_learning(behind)

    assert level == LearningStanding("shop", 0.0, 4)
    assert 3_500 < late.lag_seconds <= 3_600


def test_an_app_that_learns_nothing_has_no_standing(integration):
    PeopleProgress.objects.create(app=integration.app, since=clock.read_now())
    integration.app.loose_ids = []
    integration.app.save()

    assert wait_numbers.read_learning(clock.read_now()) == []
