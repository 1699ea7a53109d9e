"""What CleverTap never answers is sent a bounded number of times, and then a person decides."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from clevertap_sync.clevertap.reasons import OUTCOME_UNKNOWN, REASONS
from clevertap_sync.delivery import replay, unknown_outcomes
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders, uploads_under_way
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock
from clevertap_sync.sandbox.faults import Fault
from referrals import failpoints, log
from referrals.failpoints import FailpointError
from referrals.identity import Identity
from tests.builders import ANN, a_sent_event
from tests.integration.delivery.conftest import is_left, status_of

pytestmark = pytest.mark.django_db

STORED = Fault(ending="reset_after_storing", only="uploads")
FOR_EVER = Fault(ending="reset_after_storing", only="uploads", times=None)
A_CLICK = {"referrer": None, "via": "smart_link"}


def stored(times):
    return Fault(ending="reset_after_storing", only="uploads", times=times)


def sizes(engine):
    return [request.records for request in engine.requests() if not request.dry_run]


def people(count, **changes):
    """Events of people who occur once, so that each record is told from the others."""
    return [
        a_sent_event(
            user={"identities": {"email": f"user-{n}@example.com"}},
            **{"referrer": {"identities": {"email": f"host-{n}@example.com"}}}
            | changes,
        )
        for n in range(count)
    ]


def arrivals(engine):
    """How often each record arrived: they differ by who it is about."""
    return Counter(record["identity"] for record in engine.records())


def expire_leases():
    Upload.objects.filter(leased_until__isnull=False).update(
        leased_until=clock.read_now() - timedelta(seconds=1)
    )


def sendings(pick):
    """How many requests with this record ended without an answer."""
    unknown = Attempt.objects.filter(outcome_unknown=True, dry_run=False)
    return sum(
        attempt.upload.first <= pick // 2 <= attempt.upload.last
        if attempt.upload.picks is None
        else pick in attempt.upload.picks
        for attempt in unknown.select_related("upload")
    )


def test_an_upload_that_is_never_answered_ends_as_dead_letters(engine, append, finish):
    engine.switch(faults=(FOR_EVER,))
    append(*people(1))

    status = finish()

    assert sizes(engine) == [*[2] * 4, *[1] * 8]
    assert set(arrivals(engine).values()) == {unknown_outcomes.MOST_UNKNOWN_OUTCOMES}
    assert (status.dead_letters, status.delivered) == ({"outcome_unknown": 2}, 0)
    assert (status.balanced, status.backlog, status.in_flight) == (True, 0, 0)
    # Requests are counted, and each once: parts begin with what their parent had.
    assert status.unknown_outcomes == 12
    assert status.unknown_causes == {"connection_cut": 12}
    assert status.parked_letters == {"not_looked_up": 2}
    detail = "8 requests with it ended without an answer."
    letters = DeadLetter.objects.values_list("position", "side", "event_name", "detail")
    assert set(letters) == {
        (1, "referred", "Referred App Install", detail),
        (1, "generated", "Generated App Install", detail),
    }


def test_the_reason_tells_people_the_number_that_is_true():
    assert unknown_outcomes.MOST_UNKNOWN_OUTCOMES == 8
    assert "eight times" in REASONS[OUTCOME_UNKNOWN].meaning


def test_every_repeat_waits_for_an_answered_dry_run(engine, append, finish):
    engine.switch(faults=(FOR_EVER,))
    append(*people(1, **A_CLICK))

    finish()

    assert [request.dry_run for request in engine.requests()] == [
        *[False, True] * 7,
        # The last dry run let the verdict be written, which sends nothing.
        *[False, True],
    ]


def test_what_comes_later_flows_once_clevertap_answers(engine, integration, append):
    engine.switch(faults=(stored(8),))
    append(*people(1, **A_CLICK))
    log.append(integration.app, people(3))

    finish_through(integration)

    status = status_of(integration)
    assert status.dead_letters == {"outcome_unknown": 1}
    assert (status.delivered, status.hold, status.balanced) == (6, None, True)
    assert integration.failures == 0


def finish_through(integration, rounds=400):
    """Deliver until nothing is left to do, over crashes too: leases end at once."""
    for _ in range(rounds):
        deliver_or_crash(integration)
        if not is_left(integration):
            return
    pytest.fail(f"Not finished: {status_of(integration)}")


def test_halves_go_from_the_fourth_unknown_outcome_on(engine, append, finish):
    engine.switch(faults=(stored(4),))
    append(*people(2))

    status = finish()

    assert sizes(engine) == [4, 4, 4, 4, 2, 2]
    assert (status.delivered, status.unknown_outcomes) == (4, 4)
    assert (status.dead_letters, status.balanced) == ({}, True)
    parts = Upload.objects.filter(parent__isnull=False).order_by("pk")
    assert [(p.picks, p.unknown_outcomes) for p in parts] == [([2, 3], 4), ([4, 5], 4)]


def test_a_second_doubt_costs_a_hundred_records(engine, append, finish):
    engine.switch(faults=(stored(2),))
    append(*people(700))

    status = finish()

    # The first range and its doubt; a little of the next one, and the second doubt; then
    # everything goes again, and is full again.
    assert sizes(engine) == [1000, 100, 100, 1000, 300]
    assert Counter(arrivals(engine).values()) == {1: 300, 2: 1100}
    assert (status.delivered, status.unknown_outcomes) == (1400, 2)
    assert status.balanced


def test_what_was_never_stored_goes_again_at_once(engine, append, finish):
    engine.switch(faults=(Fault(status=503, only="uploads", times=2),))
    append(*people(51))

    finish()

    assert sizes(engine) == [102, 102, 102]


def test_a_range_that_sends_nothing_holds_up_no_doubt(engine, append, finish):
    engine.switch(faults=(stored(1),))
    nobody = {"user": {"identities": {"custom_id": "7"}}, **A_CLICK}
    append(*people(51), *(a_sent_event(**nobody) for _ in range(449)))
    append(*(a_sent_event(**nobody) for _ in range(101)))

    finish()

    ranges = Upload.objects.order_by("first").values_list("last", flat=True)
    assert sizes(engine) == [102, 102]
    assert list(ranges) == [500, 550, 601]


def test_small_parts_that_are_answered_in_time_are_delivered(engine, append, finish):
    engine.switch(
        faults=(
            Fault(
                ending="reset_after_storing",
                only="uploads",
                times=None,
                above_records=2,
            ),
        )
    )
    append(*people(4))

    status = finish()

    # Eight, then four and its halves, then the other four and its halves.
    assert sizes(engine) == [8, 8, 8, 8, 4, 2, 2, 4, 2, 2]
    assert (status.delivered, status.dead_letters) == (8, {})
    assert set(arrivals(engine).values()) == {6}


def test_a_part_is_not_split_again_for_a_failure_that_is_known(engine, append, finish):
    engine.switch(
        faults=(stored(4), Fault(status=503, only="uploads", times=3), STORED)
    )
    append(*people(2))

    finish()

    # Only the further unknown outcome halves it once more.
    assert sizes(engine) == [*[4] * 4, *[2] * 4, 1, 1, 2]


def test_a_part_of_a_bisect_has_no_more_tries_than_the_whole(engine, append, finish):
    engine.switch(
        faults=(stored(3), Fault(status=400, only="uploads"), FOR_EVER),
    )
    append(*people(1))

    status = finish()

    assert sizes(engine) == [2, 2, 2, 2, *[1] * 10]
    assert status.dead_letters == {"outcome_unknown": 2}
    assert set(arrivals(engine).values()) == {unknown_outcomes.MOST_UNKNOWN_OUTCOMES}


def test_parts_have_no_more_retries_of_555_than_the_whole(engine, integration, append):
    append(*people(1))
    engine.switch(faults=(FOR_EVER,))
    deliver(integration.pk)
    Upload.objects.update(failures=19, unknown_outcomes=4)

    Integration.objects.update(hold_reason="", hold_probes=False)
    deliver(integration.pk)

    parts = Upload.objects.filter(parent__isnull=False)
    assert {part.failures for part in parts} == {19}


@pytest.mark.both_databases
def test_workers_that_die_over_an_upload_count_as_outcomes(engine, integration, append):
    append(*people(1, **A_CLICK))
    for _ in range(unknown_outcomes.MOST_UNKNOWN_OUTCOMES):
        failpoints.arm_failpoints(
            failpoints.parse_failpoints(["request.answered=raise"])
        )
        with pytest.raises(FailpointError):
            deliver(integration.pk)
        expire_leases()

    deliver(integration.pk)

    status = status_of(integration)
    assert set(arrivals(engine).values()) == {unknown_outcomes.MOST_UNKNOWN_OUTCOMES}
    assert (status.dead_letters, status.unknown_outcomes) == ({"outcome_unknown": 1}, 8)
    assert (status.in_flight, status.hold, status.balanced) == (0, None, True)
    assert status.unknown_causes == {"worker_killed": 8}


def test_what_is_not_sent_keeps_its_own_verdict(engine, integration, append, finish):
    integration.not_sent = ["app_install:generated"]
    integration.save()
    engine.switch(faults=(FOR_EVER,))
    nobody = a_sent_event(user={"identities": {"custom_id": "7"}})
    append(nobody, *people(1))

    status = finish()

    assert status.dead_letters == {"no_identity": 1, "outcome_unknown": 1}
    upload = Upload.objects.get()
    assert (upload.records, upload.dead, upload.unsent) == (2, 2, 2)
    assert status.balanced


def test_a_replay_is_a_new_life(engine, integration, append, finish):
    engine.switch(faults=(FOR_EVER,))
    append(*people(1, **A_CLICK))
    finish()
    engine.behave()
    replay.replay_letters(integration, reasons=[OUTCOME_UNKNOWN])

    status = finish_replay(integration)

    assert set(arrivals(engine).values()) == {
        unknown_outcomes.MOST_UNKNOWN_OUTCOMES + 1
    }
    assert (status.delivered, status.dead_letters) == (1, {})
    assert status.balanced


def test_a_replay_that_is_never_answered_ends_as_the_same_dead_letters(
    engine, integration, append, finish
):
    engine.switch(faults=(FOR_EVER,))
    append(*people(1))
    finish()
    replay.replay_letters(integration, reasons=[OUTCOME_UNKNOWN])

    status = finish_replay(integration)

    assert set(arrivals(engine).values()) == {
        2 * unknown_outcomes.MOST_UNKNOWN_OUTCOMES
    }
    letters = DeadLetter.objects.values_list("state", "reason", "failures")
    assert list(letters) == [("open", "outcome_unknown", 2)] * 2
    assert status.balanced


def finish_replay(integration):
    deliver(integration.pk)
    finish_through(integration)
    return status_of(integration)


def test_an_upload_that_is_given_up_holds_up_no_erasure(
    engine, integration, append, finish
):
    append(a_sent_event(id="one"))
    engine.switch(faults=(STORED,))
    deliver(integration.pk)
    Upload.objects.update(unknown_outcomes=unknown_outcomes.MOST_UNKNOWN_OUTCOMES)

    order = erasure_orders.order_erasure(integration.app, [Identity("email", ANN)])

    assert uploads_under_way.find_uploads_of_person(order) == []
    assert erasure_orders.advance_erasure(order).state == "done"
    status = finish()
    assert sizes(engine) == [2]
    assert sum(status.dead_letters.values()) == 2
    assert status.balanced


#: What may become of a request, or of the worker that makes it.
OUTCOMES = {
    "stored": STORED,
    "not stored": Fault(ending="reset_before_storing", only="uploads"),
    "cut off": Fault(ending="truncated", only="uploads"),
    "gateway": Fault(status=502, only="uploads"),
    "known": Fault(status=503, only="uploads"),
    "refused": Fault(status=400, only="uploads"),
    "large only": Fault(status=504, only="uploads", store=True, above_records=3),
}
CRASHES = ["attempt.committed=raise", "request.answered=raise", "settle.written=raise"]


#: Each takes seconds, and may find what the others do not.
SEEDS = [
    *range(2),
    *(pytest.param(n, marks=pytest.mark.thorough) for n in range(2, 12)),
]


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_no_record_is_sent_more_often(
    engine, integration, append, seed
):
    chance = random.Random(seed)
    engine.poison(identity="user-3", code=555, times=2)
    engine.switch(
        faults=tuple(chance.choices(list(OUTCOMES.values()), k=chance.randint(5, 60)))
    )
    append(*people(8))

    for _ in range(chance.randint(0, 12)):
        failpoints.arm_failpoints(failpoints.parse_failpoints([chance.choice(CRASHES)]))
        finish_or_crash(integration)
    failpoints.arm_failpoints([])
    finish_through(integration)

    status = status_of(integration)
    assert status.delivered + sum(status.dead_letters.values()) == 16
    assert status.balanced
    assert max(arrivals(engine).values()) <= unknown_outcomes.MOST_UNKNOWN_OUTCOMES
    given_up = DeadLetter.objects.filter(reason=OUTCOME_UNKNOWN)
    parked = {2 * letter.position + (letter.side == "generated") for letter in given_up}
    for pick in range(2, 18):
        most = sendings(pick)
        assert (
            most == unknown_outcomes.MOST_UNKNOWN_OUTCOMES
            if pick in parked
            else most < 8
        )


def finish_or_crash(integration, rounds=5):
    for _ in range(rounds):
        if not deliver_or_crash(integration):
            return


def deliver_or_crash(integration):
    """Deliver without a pause; return whether the worker survived it."""
    Integration.objects.update(held_until=None)
    try:
        deliver(integration.pk)
    except FailpointError:
        expire_leases()
        return False
    return True
