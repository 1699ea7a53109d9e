"""CleverTap refuses, throttles, fails or lies: the account waits, a record has its verdict."""

import math
from collections import Counter
from email.utils import format_datetime

import pytest

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import lifecycle
from referrals.secret import Secret
from tests.builders import NOON, an_integration
from tests.faults.choice import choice
from tests.faults.ground import HASTY
from tests.faults.oracle import Allowed
from tests.faults.scene import Scene

#: Every answer of one of these is a fault of the account, or of the way to it.
STATUSES = [301, 302, 401, 403, 404, 405, 408, 409, 418, 500, 501, 502, 503, 504, 599]
#: And these are of the request itself.
REFUSALS = [400, 413, 422]
RETRY_AFTER = {
    "seconds": {"Retry-After": "1"},
    "a date": {"Retry-After": format_datetime(NOON, usegmt=True)},
    "garbage": {"Retry-After": "soon"},
    "nothing": {},
}
#: How a conversation ends that stored everything, or nothing.
ENDINGS = [
    *("reset_before_storing", "reset_after_storing", "close_after_storing"),
    *("hang_before_storing", "hang_after_storing", "truncated", "endless", "drip"),
    *("gzip_bomb", "garbage"),
]
HTML = "<!doctype html><title>Maintenance</title><p>We are back soon."


@pytest.mark.scenario("CleverTap answers {status} for a while")
@pytest.mark.parametrize("status", choice(STATUSES, 301, 401, 403, 408, 503, 504))
def test_an_account_that_fails_for_a_while_gets_everything_later(scene, status):
    scene.sandbox.answer(status, times=3)
    scene.worker()
    scene.send(60)

    scene.heal()

    scene.settle()
    assert scene.dead_letters() == {}
    found = scene.check()
    assert found.status["hold"] is None
    # Where credentials are refused, other locations are asked for the account as well.
    met = [u.status for u in scene.sandbox.requests() if u.fault]
    assert met[:3] == [status] * 3


@pytest.mark.scenario("CleverTap answers 401 until the settings are changed")
def test_new_settings_heal_a_held_account_at_once(scene):
    scene.new_worker(LONGEST_HOLD_SECONDS="3600")
    with scene.ground.django():
        scene.integration.passcode = Secret("wrong")
        scene.integration.save()
    scene.send(600)
    scene.wait_for_hold("credentials_refused")
    refused = len(scene.uploads())

    with scene.ground.django():
        scene.integration.passcode = Secret(scene.sandbox.account().passcode)
        scene.integration.save(update_fields=["passcode"])
        lifecycle.apply_new_settings(scene.integration)
    scene.heal()

    scene.settle()
    assert scene.dead_letters() == {}
    found = scene.check()
    assert found.status["hold"] is None
    assert found.status["delivered"] == 1200
    # One upload, or a few that were in flight together, told it; then it was quiet.
    assert refused <= 5


@pytest.mark.scenario("429 storm, Retry-After: {form}")
@pytest.mark.parametrize("form", RETRY_AFTER)
def test_a_storm_of_429_loses_and_repeats_nothing(scene, form):
    scene.sandbox.answer(429, times=12, headers=RETRY_AFTER[form])
    scene.worker()
    scene.send(2200)

    scene.heal()

    scene.settle()
    assert scene.dead_letters() == {}
    scene.check()
    assert max(upload.in_flight for upload in scene.uploads()) <= 5


@pytest.mark.scenario("answer without its end: {ending}")
@pytest.mark.parametrize(
    "ending",
    choice(
        ENDINGS,
        *("reset_after_storing", "hang_after_storing", "truncated", "drip"),
        *("gzip_bomb", "garbage"),
    ),
)
def test_an_answer_that_cannot_be_read_is_an_unknown_outcome(scene, ending):
    scene.sandbox.fault(ending=ending, only="uploads", times=2)
    scene.new_worker(**HASTY)
    scene.send(60)

    scene.heal()

    scene.settle()
    assert scene.dead_letters() == {}
    found = scene.check()
    assert found.status["unknown_outcomes"] >= 1


@pytest.mark.scenario(
    "200 with a page of HTML in place of JSON, and the records stored"
)
def test_a_page_in_place_of_an_answer_is_an_unknown_outcome(scene):
    scene.sandbox.answer(200, HTML, times=2, only="uploads", store=True)
    scene.worker()
    scene.send(60)

    scene.heal()

    scene.settle()
    assert scene.check().status["unknown_outcomes"] == 2


@pytest.mark.scenario("CleverTap answers {status} to whole requests for a while")
@pytest.mark.parametrize("status", choice(REFUSALS, 400, 413))
def test_requests_that_are_refused_as_a_whole_are_halved_and_delivered(scene, status):
    scene.sandbox.answer(status, times=3, only="uploads")
    scene.worker()
    scene.send(60)

    scene.heal()

    scene.settle()
    assert scene.check().status["dead_letters"] == {}
    uploads = scene.uploads()
    # Two halves may be sent at one moment: which of them is refused last does not matter.
    assert Counter(upload.status for upload in uploads) == {status: 3, 200: 4}
    assert (uploads[0].status, uploads[0].records) == (status, 120)
    assert sum(upload.records for upload in uploads if upload.status == 200) == 120


@pytest.mark.scenario(
    "account stores, and answers neither uploads nor dry runs in time"
)
def test_an_account_that_answers_nothing_in_time_gets_no_record_again(scene):
    scene.sandbox.fault(times=None, hold="after_storing")
    hasty = scene.new_worker(**HASTY)
    scene.send(60)
    scene.wait_until(lambda: len(scene.requests()) >= 4)
    assert len(scene.uploads()) == 1

    scene.heal()
    scene.behave_for_a_patient_worker(hasty)

    scene.settle()
    assert scene.check().status["delivered"] == 120
    assert len(scene.uploads()) == 2


@pytest.mark.scenario("account stores in 2 s and answers uploads too late, four times")
def test_a_late_account_gets_each_record_a_bounded_number_of_times(scene):
    scene.sandbox.fault(only="uploads", times=4, hold="after_storing")
    # So long that an answer which is not held up always comes.
    scene.new_worker(REQUEST_SECONDS="4", LEASE_SECONDS="8")
    scene.send(60)

    scene.heal()
    scene.wait_until(lambda: len(scene.uploads()) > 4)
    scene.sandbox.release()

    scene.settle()
    found = scene.check()
    arrived = Counter(record for stored in found.stored for record in stored.records)
    assert set(arrived.values()) == {5}
    # After the fourth time halves go, and these are answered.
    requests = scene.requests()
    assert [u.records for u in requests if not u.dry_run] == [*[120] * 4, 60, 60]
    # Before each repeat of the same records, a made-up one was answered.
    assert [u.dry_run for u in requests[:9]] == [*[False, True] * 4, False]
    assert found.status["dead_letters"] == {}


@pytest.mark.scenario("account answers uploads too late for ever, dry runs in time")
def test_an_account_that_is_late_for_ever_gets_each_record_eight_times(scene):
    scene.sandbox.fault(only="uploads", times=None, hold="after_storing")
    hasty = scene.new_worker(**HASTY)
    scene.send(1)
    scene.wait_until(lambda: scene.dead_letters() == {"outcome_unknown": 2})
    late = len(scene.uploads())

    scene.heal()
    scene.behave_for_a_patient_worker(hasty)
    scene.send(60)

    scene.settle()
    found = scene.check()
    # The whole event four times, and then each of its records, four times more.
    assert [upload.records for upload in scene.uploads()[:late]] == [2] * 4 + [1] * 8
    arrived = Counter(record for stored in found.stored for record in stored.records)
    assert sorted(arrived.values()) == [*[1] * 120, 8, 8]
    assert found.status["dead_letters"] == {"outcome_unknown": 2}
    assert (found.status["delivered"], found.status["unknown_outcomes"]) == (120, 12)


@pytest.mark.scenario("account answers uploads of over 30 records too late, for ever")
def test_an_account_that_is_late_with_large_uploads_gets_smaller_ones(scene):
    scene.sandbox.fault(
        only="uploads", times=None, hold="after_storing", above_records=30
    )
    scene.new_worker(**HASTY)
    scene.send(60)

    scene.heal()
    scene.wait_until(scene.has_verdicts)
    scene.sandbox.release()

    scene.settle()
    found = scene.check()
    arrived = Counter(record for stored in found.stored for record in stored.records)
    assert max(arrived.values()) <= 8
    assert (found.status["delivered"], found.status["dead_letters"]) == (120, {})
    answered = [upload for upload in scene.uploads() if upload.records <= 30]
    assert sum(upload.records for upload in answered) == 120


TAMPERED = {
    # What is wrong with an answer that refuses four records: how many refusals are
    # named, how many name no record, and how many records the counts lose.
    ("reordered",): (4, 0, 0),
    ("duplicated_entries",): (4, 0, 0),
    ("string_records",): (4, 0, 0),
    ("string_records", "success_status"): (4, 0, 0),
    ("keyed_entries", "success_status"): (4, 0, 0),
    ("without_records",): (4, 0, 0),
    ("without_numbers",): (4, 0, 0),
    ("without_codes",): (4, 0, 0),
    ("without_records", "without_numbers"): (0, 4, 0),
    ("missing_entries",): (3, 0, 1),
    ("wrong_count",): (4, 0, 0),
}


@pytest.mark.scenario("partial answer, {how}")
@pytest.mark.parametrize(
    "how",
    choice(
        TAMPERED,
        *(("string_records", "success_status"), ("without_records", "without_numbers")),
        *(("missing_entries",), ("wrong_count",)),
    ),
    ids="+".join,
)
def test_a_partial_answer_that_lies_gives_each_record_one_verdict(scene, how):
    named, unnamed, lost = TAMPERED[how]
    scene.sandbox.poison(identity="user-", event_name="Custom", code=513)
    scene.sandbox.fault(tamper=list(how), only="uploads", times=None)
    scene.worker()
    scene.send(96)
    scene.send(4, type="custom", name="Custom", event_data={"a": 1})

    scene.heal()

    scene.settle()
    found = scene.check(Allowed(miscounted=lost))
    assert sum(letter.position is not None for letter in found.letters) == named
    assert sum(letter.position is None for letter in found.letters) == unnamed
    assert scene.read_back() == []


@pytest.mark.scenario("answer `fail` for all, of which nothing is listed")
def test_an_empty_failure_dead_letters_nothing(scene):
    scene.sandbox.fault(tamper=["empty_fail"], only="uploads", times=2)
    scene.worker()
    scene.send(60)

    scene.heal()

    scene.settle()
    scene.check()


@pytest.mark.scenario("400 for a thousand records because of one")
def test_one_poison_record_in_a_thousand_is_found_and_the_rest_delivered(scene):
    scene.sandbox.poison(identity="user-", event_name="Poison")
    events = scene.backend.events(499)
    events[250:250] = scene.backend.events(
        1, type="custom", name="Poison", event_data={"a": 1}
    )
    scene.web()
    assert scene.backend.post(scene.stack.web_url, events) == 202

    scene.worker()
    scene.heal()

    scene.settle()
    found = scene.check()
    assert found.status["dead_letters"] == {"request_rejected": 1}
    assert found.status["delivered"] == 999
    # The first one told that there is something to look for, the last one that it is it.
    assert len(scene.uploads()) - 2 <= 2 * math.ceil(math.log2(1000))


@pytest.mark.scenario("400 for everything")
def test_an_account_that_refuses_everything_is_held_without_a_dead_letter(scene):
    scene.sandbox.answer(400, times=None)
    scene.worker()
    scene.send(40)
    scene.wait_for_hold("everything_refused")
    assert scene.dead_letters() == {}

    scene.heal()
    scene.sandbox.behave()

    scene.settle()
    assert scene.check().status["dead_letters"] == {}


@pytest.mark.scenario("retryable record (555), answered three times")
def test_a_retryable_record_is_sent_again_alone(scene):
    scene.sandbox.poison(event_name="Flaky", code=555, times=3)
    scene.worker()
    scene.send(50)
    scene.send(1, type="custom", name="Flaky", event_data={"a": 1})

    scene.heal()

    scene.settle()
    found = scene.check()
    assert found.status["delivered"] == 102


@pytest.mark.scenario("exception while one event is mapped")
def test_an_event_that_cannot_be_mapped_is_a_dead_letter_and_the_rest_flow(scene):
    scene.send(100)
    scene.doomed("event.mapped=raise@42")

    scene.heal()

    scene.settle()
    found = scene.check()
    assert found.status["dead_letters"] == {"mapping_failed": 2}
    assert [letter.position for letter in found.letters] == [42, 42]
    assert found.status["delivered"] == 198


@pytest.mark.scenario("exception in the worker at `{place}`")
@pytest.mark.parametrize(
    "place",
    choice(
        ["claim.committed", "attempt.committed", "request.answered", "settle.written"],
        "settle.written",
    ),
)
def test_an_exception_of_ours_costs_time_and_no_record(scene, place):
    scene.send(100)
    # What it was about is due again when its lease ends.
    scene.doomed(f"{place}=raise", **HASTY)

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("one account hangs while nine integrations deliver")
def test_an_account_that_hangs_stops_no_other(grounds, kind):
    ground = grounds(kind)
    hanging = Scene(ground, "one account hangs while nine integrations deliver")
    others = [
        Scene(ground, "", location=location, beside=hanging)
        for location in [Location.IN1, Location.SG1, Location.US1] * 3
    ]
    hanging.sandbox.fault(Location.EU1, hold="before_storing", times=None)
    hanging.new_worker(REQUEST_SECONDS="60", LEASE_SECONDS="75")
    hanging.send(3000)
    hanging.wait_until(lambda: len(hanging.uploads()) >= 5)
    for other in others:
        other.send(600)

    for other in others:
        other.settle()

    # Nothing of theirs waited for it: their last record came before its first answer.
    waiting = hanging.uploads()
    assert [request.seconds for request in waiting] == [None] * 5
    first_began = min(request.at for request in waiting)
    instants = [stored.at for other in others for stored in other.stored()]
    assert first_began < min(instants)
    hanging.heal()
    hanging.sandbox.behave()
    hanging.sandbox.release()
    hanging.settle()
    first_answer = min(request.at + request.seconds for request in hanging.uploads())
    assert max(instants) < first_answer
    for scene in [hanging, *others]:
        scene.check()
    ground.rest()


@pytest.mark.scenario("two apps on one account share its limit")
def test_two_apps_of_one_account_share_its_limit(grounds, kind):
    ground = grounds(kind)
    one = Scene(ground, "two apps on one account share its limit")
    other = Scene(ground, "", beside=one)
    one.sandbox.fault(only="uploads", times=None, delay_after_storing=0.2)
    one.send(2000)
    other.send(2000)

    one.worker()
    one.worker()
    one.heal()

    for scene in (one, other):
        scene.settle()
    assert max(request.in_flight for request in one.uploads()) <= 5
    one.check()
    other.check()
    ground.rest()


@pytest.mark.scenario("two integrations on one app, one of them refused")
def test_an_integration_that_is_refused_holds_up_no_other_of_its_app(scene):
    with scene.ground.django():
        second = an_integration(scene.app, location=Location.IN1, name="second")
    scene.sandbox.answer(401, times=None, location=Location.IN1)
    scene.worker()
    scene.send(600)

    scene.settle()
    scene.check()
    scene.heal()
    scene.sandbox.behave()
    refused = scene.of(second, Location.IN1)

    refused.settle()
    refused.check()
