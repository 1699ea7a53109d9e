"""An install before its sign-up reaches the right person: from the log to CleverTap."""

import threading
from functools import partial

import pytest
from django.db import transaction

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.people import match
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import DeadLetter, Integration, Replay, WaitingRecord
from clevertap_sync.process import clock, people_wakeups, slots
from referrals import failpoints, people, suppression
from referrals.failpoints import FailpointError, parse_failpoints
from tests.builders import BOB, NOON_SECONDS, a_sent_event, an_integration
from tests.integration.delivery.conftest import end_pauses, status_of
from tests.integration.people.waits import (
    DAN,
    EVE,
    a_link,
    append,
    hash_of,
    learn_of_people,
)
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db

BOBS = (BOB, "Generated App Install", NOON_SECONDS)
LONG_AGO = "2026-11-01T00:00:00Z"
EVES = (EVE, "Referred App Install", NOON_SECONDS)


@pytest.fixture
def integration(sandbox):
    return an_integration()


@pytest.fixture
def app(integration):
    learn_of_people(integration.app, "branch_id", "anonymous_id", remembers=True)
    return integration.app


@pytest.fixture
def finish(app):
    """Deliver and learn by turns until there is nothing left to do."""

    def finish():
        for _ in range(50):
            for each in Integration.objects.filter(app=app):
                end_pauses(each)
                deliver(each.pk)
            if not advance_people(app.pk) and not is_left(app):
                break
        for each in Integration.objects.filter(app=app):
            assert status_of(each).balanced

    return finish


def is_left(app):
    matched = WaitingRecord.objects.filter(matched__isnull=False)
    running = Replay.objects.filter(state=Replay.State.RUNNING)
    return matched.exists() or running.exists()


def an_install(**identities):
    return a_sent_event(user={"identities": identities})


def send_by_custom_id(integration):
    integration.identity_provider = "custom_id"
    integration.save(update_fields=["identity_provider"])


def sent(sandbox, location=None):
    """Return (identity, name, Unix seconds) of each record, in the order of arrival."""
    return [
        (record["identity"], record["evtName"], record["ts"])
        for record in sandbox.records(location)
    ]


def letters():
    return list(
        DeadLetter.objects.order_by("position", "side").values_list(
            "position", "side", "state", "reason"
        )
    )


def test_an_install_goes_under_the_identity_that_is_known_later_at_its_own_time(
    app, sandbox, finish
):
    append(app, an_install(branch_id="A"))
    finish()
    assert sent(sandbox) == [BOBS]
    assert letters() == [(1, "referred", "waiting", "waiting_for_identity")]

    append(app, a_link(branch_id="A", email=EVE))
    finish()

    assert sent(sandbox) == [BOBS, EVES]
    assert letters() == [(1, "referred", "delivered", "waiting_for_identity")]
    assert not WaitingRecord.objects.exists()


def test_an_install_of_somebody_who_is_known_already_goes_at_once(app, sandbox, finish):
    append(app, a_link(branch_id="A", email=EVE))
    finish()

    append(app, an_install(branch_id="A"))
    finish()

    assert sorted(sent(sandbox)) == sorted([BOBS, EVES])


@pytest.mark.parametrize("comes_first", ["install", "link"])
def test_an_install_and_its_link_may_come_in_one_request(
    app, sandbox, finish, comes_first
):
    events = [an_install(branch_id="A"), a_link(branch_id="A", email=EVE)]
    append(app, *(events if comes_first == "install" else events[::-1]))

    finish()

    assert sorted(sent(sandbox)) == sorted([BOBS, EVES])


def test_what_two_people_claimed_before_it_was_delivered_goes_to_neither(
    app, sandbox, finish
):
    append(
        app,
        an_install(branch_id="A"),
        a_link(branch_id="A", email=EVE),
        a_link(branch_id="A", email=DAN),
    )

    finish()

    assert sent(sandbox) == [BOBS]
    assert letters() == [(1, "referred", "expired", "shared_identity")]


def test_the_install_that_was_delivered_stays_with_its_person_and_a_later_one_names_nobody(
    app, sandbox, finish
):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    finish()
    append(app, a_link(branch_id="A", email=DAN), an_install(branch_id="A"))
    finish()

    assert sorted(sent(sandbox)) == sorted([BOBS, EVES, BOBS])
    assert letters() == [
        (1, "referred", "delivered", "waiting_for_identity"),
        (4, "referred", "expired", "shared_identity"),
    ]


def test_the_referrer_waits_while_the_user_is_delivered(app, sandbox, finish):
    append(
        app,
        a_sent_event(
            user={"identities": {"email": EVE}},
            referrer={"identities": {"branch_id": "B"}},
        ),
    )
    finish()
    assert sent(sandbox) == [EVES]

    append(app, a_link(branch_id="B", email=BOB))
    finish()

    assert sent(sandbox) == [EVES, BOBS]


def test_what_was_matched_waits_while_the_app_learns_anew(
    app, integration, sandbox, finish, monkeypatch
):
    append(
        app,
        a_link(branch_id="A", custom_id="1", email=DAN),
        a_link(custom_id="1", email=EVE),
        an_install(branch_id="A"),
    )
    deliver(integration.pk)
    while not WaitingRecord.objects.filter(matched__isnull=False):
        advance_people(app.pk)
    assert people.relearn(app.pk)
    with monkeypatch.context() as slowly:
        slowly.setattr(people, "take_step", partial(people.take_step, limit=1))
        while people.find_cursor(app.pk) != 1:
            advance_people(app.pk)
        deliver(integration.pk)
    assert sent(sandbox) == [BOBS]

    finish()

    assert sent(sandbox) == [BOBS, EVES]


def test_two_integrations_send_it_under_the_identity_of_each(app, sandbox, finish):
    an_integration(
        app, name="other", location=Location.IN1, identity_provider="custom_id"
    )
    append(
        app,
        an_install(branch_id="A"),
        a_link(branch_id="A", email=EVE),
        a_link(email=EVE, custom_id="7"),
    )

    finish()

    assert EVES in sent(sandbox, Location.EU1)
    assert ("7", *EVES[1:]) in sent(sandbox, Location.IN1)


def test_what_waited_goes_under_the_provider_that_was_chosen_meanwhile(
    app, integration, sandbox, finish
):
    append(app, an_install(branch_id="A"))
    finish()
    send_by_custom_id(integration)

    append(app, a_link(branch_id="A", custom_id="7"))
    finish()

    assert sent(sandbox) == [BOBS, ("7", *EVES[1:])]


def test_who_was_known_by_another_identity_only_goes_once_the_provider_is_that(
    app, integration, sandbox, finish
):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", custom_id="7"))
    finish()
    assert sent(sandbox) == [BOBS]

    send_by_custom_id(integration)
    finish()

    assert sent(sandbox) == [BOBS, ("7", *EVES[1:])]


def test_last_is_whoever_invited_the_install_that_was_the_users(app, sandbox, finish):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    append(
        app,
        a_sent_event(
            type="custom",
            name="Subscription Started",
            user={"identities": {"email": EVE}},
            referrer="last",
            channel=None,
            content=None,
        ),
    )

    finish()

    assert (BOB, "Generated Subscription Started", NOON_SECONDS) in sent(sandbox)
    assert (EVE, "Referred Subscription Started", NOON_SECONDS) in sent(sandbox)


#: After these CleverTap may have stored what is sent again.
UNANSWERED = ["request.answered", "settle.written"]
PLACES = [
    *("claim.written", "claim.committed", "settle.committed"),
    *("people.learned", "people.matched", "people.committed", "revival.claimed"),
    *("attempt.written", "attempt.committed", *UNANSWERED),
]


@pytest.mark.parametrize("place", PLACES)
def test_whatever_dies_on_the_way_it_is_sent_once_or_again_as_it_was(
    app, integration, sandbox, finish, place
):
    append(app, an_install(branch_id="A"))
    finish()
    append(app, a_link(branch_id="A", email=EVE))
    take_over = integration.uploads.filter(leased_until__isnull=False).update
    # Of the link's own range nothing is sent: what dies is the revival.
    number = 2 if place.startswith("claim.") else 1
    failpoints.arm_failpoints(parse_failpoints([f"{place}=raise@{number}"]))

    with pytest.raises(FailpointError):
        finish()
    slots.clear_slots()
    take_over(leased_until=LONG_AGO)
    finish()

    assert [each for each in sent(sandbox) if each != EVES] == [BOBS]
    assert sent(sandbox).count(EVES) == (2 if place in UNANSWERED else 1)
    assert letters() == [(1, "referred", "delivered", "waiting_for_identity")]


@pytest.mark.parametrize("place", ["request.answered", "settle.written"])
def test_what_dies_before_it_is_written_as_waiting_waits_once_and_goes_once(
    app, integration, sandbox, finish, place
):
    append(app, an_install(branch_id="A"))
    failpoints.arm_failpoints(parse_failpoints([f"{place}=raise"]))
    with pytest.raises(FailpointError):
        finish()
    assert not WaitingRecord.objects.exists()
    slots.clear_slots()
    integration.uploads.filter(leased_until__isnull=False).update(leased_until=LONG_AGO)
    finish()
    assert WaitingRecord.objects.count() == 1

    append(app, a_link(branch_id="A", email=EVE))
    finish()

    assert sent(sandbox) == [BOBS, BOBS, EVES]


def test_who_was_suppressed_before_the_link_came_gets_nothing_through_a_device(
    app, sandbox, finish
):
    append(app, an_install(branch_id="A"))
    finish()
    suppression.suppress_hashes(app.pk, [hash_of(app, "email", EVE)])

    append(app, a_link(branch_id="A", email=EVE), an_install(branch_id="A"))
    finish()

    assert sent(sandbox) == [BOBS, BOBS]
    assert {state for _, _, state, _ in letters()} == {"waiting"}


def test_a_paused_integration_learns_and_sends_what_waited_once_it_is_resumed(
    app, integration, sandbox, finish
):
    append(app, an_install(branch_id="A"))
    finish()
    Integration.objects.update(enabled=False)
    append(app, a_link(branch_id="A", email=EVE))
    while advance_people(app.pk):
        pass
    assert deliver(integration.pk) == 0
    assert WaitingRecord.objects.filter(matched__isnull=False).count() == 1

    Integration.objects.update(enabled=True)
    finish()

    assert sent(sandbox) == [BOBS, EVES]


def test_what_fell_out_before_the_id_was_listed_joins_by_a_replay_alone(
    app, integration, sandbox, finish
):
    learn_of_people(app)
    append(app, an_install(branch_id="A"))
    finish()
    learn_of_people(app, "branch_id")
    append(app, a_link(branch_id="A", email=EVE))
    finish()
    assert letters() == [(1, "referred", "open", "no_identity")]

    replay.replay_letters(integration, reasons=["no_identity"])
    finish()

    assert sent(sandbox) == [BOBS, EVES]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_fresh", [False, True])
def test_what_a_claim_finds_unknown_while_people_are_learned_anew_still_goes(
    app, integration, sandbox, finish, is_fresh
):
    append(app, an_install(branch_id="A"))
    finish()
    append(app, a_link(branch_id="A", email=EVE))
    deliver(integration.pk)
    advance_people(app.pk)
    WaitingRecord.objects.update(fresh=is_fresh)
    people.relearn(app.pk)
    with transaction.atomic():
        people.take_step(app.pk)
    has_matched, may_commit = threading.Event(), threading.Event()

    def match_slowly():
        with transaction.atomic():
            match.match_waiting_records(people.take_step(app.pk))
            has_matched.set()
            may_commit.wait()

    matching = Worker(match_slowly)
    has_matched.wait()
    claiming = Worker(lambda: claim_next(integration.pk))
    claiming.wait_for_its_lock()
    may_commit.set()
    matching.finish()
    claiming.finish()
    slots.clear_slots()
    integration.uploads.filter(leased_until__isnull=False).update(leased_until=LONG_AGO)
    finish()

    assert EVES in sent(sandbox)


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_found_nothing_does_not_end_what_a_step_has_just_let_go(
    app, integration, finish
):
    append(app, an_install(branch_id="A"))
    finish()
    append(app, a_link(branch_id="A", email=EVE))
    deliver(integration.pk)
    Replay.objects.create(
        integration=integration, kind="people", created_at=clock.read_now()
    )
    has_matched, may_commit = threading.Event(), threading.Event()
    claims = []

    def match_slowly():
        with transaction.atomic():
            match.match_waiting_records(people.take_step(app.pk))
            has_matched.set()
            may_commit.wait()

    matching = Worker(match_slowly)
    has_matched.wait()
    claiming = Worker(lambda: claims.append(claim_next(integration.pk)))
    claiming.wait_for_its_lock()
    may_commit.set()
    matching.finish()
    claiming.finish()

    (claim,) = claims
    assert claim is not None
    assert claim.upload.picks == [2]


@pytest.mark.django_db(transaction=True)
def test_the_process_that_wrote_what_waits_wakes_its_thread_for_it(app, integration):
    append(app, an_install(branch_id="A"))

    deliver(integration.pk)

    assert people_wakeups.wait_for_wakeups(0.0) == {app.pk}
