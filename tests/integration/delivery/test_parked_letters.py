"""What was never answered is looked up in CleverTap's counts after a day."""

from datetime import timedelta

import pytest

from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.delivery import replay
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Statement, Upload
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import parked_letters
from clevertap_sync.sandbox.faults import Fault
from referrals import log
from tests.builders import a_sent_event, an_integration
from tests.integration.delivery.conftest import (
    end_pauses,
    is_left,
    repeat_until,
    status_of,
)

pytestmark = pytest.mark.django_db

NAME = "Generated Link Click"
DAY = timedelta(days=1)


@pytest.fixture
def clevertap(engine):
    """A sandbox that shows at once what it has, and answers no upload eight times."""
    engine.switch(counts_visible_after=0, schema_visible_after=0, visible_jitter=0)
    parked_letters.forget_when_to_look()
    return engine


@pytest.fixture
def integration(clevertap):
    return an_integration(reconciles=True, counts_since=clock.read_now() - 10 * DAY)


def a_click(at, number):
    event = a_sent_event(type="link_click", user=None, occurred_at=at.isoformat())
    event["referrer"] = {"identities": {"email": f"host-{number}@example.com"}}
    return event


def park(integration, clevertap, *faults):
    """Deliver three clicks of the day before yesterday, and give one more up."""
    at = clock.read_now() - 2 * DAY
    log.append(integration.app, [a_click(at, number) for number in range(3)])
    deliver(integration.pk)
    clevertap.switch(faults=faults)
    log.append(integration.app, [a_click(at, 3)])

    def is_done():
        end_pauses(integration)
        deliver(integration.pk)
        return not is_left(integration)

    repeat_until(is_done)
    clevertap.switch(faults=())
    return at


def compare(integration, day, delivered, counted, **changes):
    Statement.objects.create(
        account=integration.account,
        folded_name=normalise_event_name(NAME),
        name=NAME,
        day=day,
        delivered=delivered,
        counted=counted,
        **changes,
    )


def age(hours):
    """Let everything have happened so many hours ago."""
    then = clock.read_now() - timedelta(hours=hours)
    DeadLetter.objects.update(changed_at=then)
    Upload.objects.filter(settled_at__isnull=False).update(settled_at=then)


def look():
    parked_letters.forget_when_to_look()
    parked_letters.look_up_parked_letters(clock.read_now())
    return DeadLetter.objects.get().found


def never(ending, times):
    return Fault(ending=ending, only="uploads", times=times)


@pytest.mark.parametrize(
    ("stored", "verdict"), [(0, "not_found"), (8, "found"), (3, "unclear")]
)
def test_a_letter_is_marked_by_what_clevertap_counts(
    clevertap, integration, stored, verdict
):
    faults = [never("reset_after_storing", stored)] if stored else []
    faults += [never("reset_before_storing", 8 - stored)] if stored < 8 else []
    at = park(integration, clevertap, *faults)
    compare(integration, (at - DAY).date(), 7, 7)
    age(25)
    requests = len(clevertap.records())

    assert look() == verdict

    letter = DeadLetter.objects.get()
    assert letter.found_at is not None
    assert len(clevertap.records()) == requests
    status = status_of(integration)
    # The books know of no difference.
    assert (status.dead_letters, status.balanced) == ({"outcome_unknown": 1}, True)
    assert status.parked_letters == {verdict: 1}


def test_nothing_is_said_before_a_day_has_passed(clevertap, integration):
    at = park(integration, clevertap, never("reset_before_storing", 8))
    compare(integration, (at - DAY).date(), 7, 7)
    age(23)

    assert look() == ""


def test_a_week_that_was_not_compared_is_waited_for_and_then_unclear(
    clevertap, integration
):
    park(integration, clevertap, never("reset_before_storing", 8))
    age(25)
    assert look() == ""

    age(73)

    assert look() == "unclear"


def test_a_week_that_differs_tells_nothing(clevertap, integration):
    at = park(integration, clevertap, never("reset_before_storing", 8))
    compare(integration, (at - DAY).date(), 7, 7)
    compare(integration, (at - 2 * DAY).date(), 7, 6)
    age(73)

    assert look() == "unclear"


def test_where_people_are_counted_records_are_not(clevertap, integration):
    at = park(integration, clevertap, never("reset_before_storing", 8))
    causes = [{"code": "counts_people", "size": 0, "sentence": ""}]
    compare(integration, (at - DAY).date(), 7, 7, causes=causes)
    age(73)

    assert look() == "unclear"


def test_a_day_from_before_the_counts_tells_nothing(clevertap, integration):
    at = park(integration, clevertap, never("reset_before_storing", 8))
    compare(integration, (at - DAY).date(), 7, 7)
    integration.counts_since = clock.read_now() - DAY
    integration.save()
    age(25)

    assert look() == "unclear"


def test_what_was_found_goes_again_only_if_it_is_chosen_itself(clevertap, integration):
    at = park(integration, clevertap, never("reset_after_storing", 8))
    compare(integration, (at - DAY).date(), 7, 7)
    age(25)
    look()
    letter = DeadLetter.objects.get()

    everything = replay.find_open_letters(integration, [])
    chosen = replay.find_open_letters(integration, [], [letter.pk])

    assert (everything.count(), chosen.count()) == (0, 1)
    assert replay.count_found(integration, []) == 1
    assert replay.may_count_twice(chosen)
    assert not replay.find_not_found(integration).exists()


def test_what_was_not_found_counts_nothing_twice(clevertap, integration):
    at = park(integration, clevertap, never("reset_before_storing", 8))
    compare(integration, (at - DAY).date(), 7, 7)
    age(25)
    look()

    letters = replay.find_not_found(integration)

    assert letters.count() == 1
    assert not replay.may_count_twice(letters)
