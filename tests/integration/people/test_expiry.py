"""A record waits for `WAIT_DAYS`; then nobody is missing it."""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from clevertap_sync.delivery.people import expiry, match
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import WaitingRecord
from clevertap_sync.process import clock
from referrals import failpoints, log, people
from referrals.failpoints import FailpointError, parse_failpoints
from referrals.models import ReferralEvent
from referrals.vocabulary import Side
from tests.builders import a_sent_event, an_integration
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.people.waits import (
    EVE,
    a_link,
    a_waiting_letter,
    append,
    hash_of,
    learn_of_people,
    rows_of,
    state_of,
)
from tests.integration.threads import Worker

pytestmark = pytest.mark.django_db

WAITS = ("waiting", "waiting_for_identity")
IN_VAIN = ("expired", "never_known")


@pytest.fixture
def integration(db, settings):
    settings.WAIT_DAYS = 30
    return an_integration()


@pytest.fixture
def app(integration):
    learn_of_people(integration.app, "branch_id", "anonymous_id", remembers=True)
    return integration.app


def advance(app):
    while advance_people(app.pk, ring=lambda _: None):
        pass


def expire():
    expiry.expire_waits(seconds=PATIENCE_SECONDS)


def days_ago(days):
    return clock.read_now() - timedelta(days=days)


def an_install(**identities):
    return a_sent_event(user={"identities": identities})


def receive(position, days):
    """Let the event at `position` have been received so many days ago."""
    event = ReferralEvent.objects.filter(position=position)
    assert event.update(received_at=days_ago(days)) == 1


def test_what_has_waited_for_as_long_as_it_may_waits_for_nobody(app, integration):
    append(app, an_install(branch_id="A", anonymous_id="N"), an_install(branch_id="B"))
    old = a_waiting_letter(
        integration, 1, since=days_ago(30.01), branch_id="A", anonymous_id="N"
    )
    young = a_waiting_letter(integration, 2, since=days_ago(29.99), branch_id="B")
    advance(app)

    expire()

    assert (state_of(old), rows_of(old)) == (IN_VAIN, [])
    assert old.changed_at > days_ago(1)
    assert state_of(young) == WAITS
    assert rows_of(young) == [(hash_of(app, "branch_id", "B"), None, False)]


def test_an_unknown_referrer_is_another_reason(app, integration):
    append(app, a_sent_event())
    letter = a_waiting_letter(integration, 1, side=Side.GENERATED, since=days_ago(31))
    advance(app)

    expire()

    assert (state_of(letter), rows_of(letter)) == (("expired", "no_referrer_known"), [])


def test_more_than_a_step_of_them_expires_at_once(app, integration, monkeypatch):
    monkeypatch.setattr(expiry, "LETTERS", 2)
    append(app, *(an_install(branch_id=f"A{n}", anonymous_id="N") for n in range(5)))
    letters = [
        a_waiting_letter(
            integration, n + 1, since=days_ago(31), branch_id=f"A{n}", anonymous_id="N"
        )
        for n in range(5)
    ]
    advance(app)

    expire()

    assert {state_of(letter) for letter in letters} == {IN_VAIN}
    assert not WaitingRecord.objects.exists()


def test_what_is_matched_does_not_expire_however_long_its_integration_is_paused(
    app, integration
):
    integration.enabled = False
    integration.save()
    append(app, an_install(branch_id="A", anonymous_id="N"))
    letter = a_waiting_letter(
        integration, 1, since=days_ago(31), branch_id="A", anonymous_id="N"
    )
    append(app, a_link(branch_id="A", email=EVE))
    advance(app)

    expire()

    assert state_of(letter) == WAITS
    matched = (hash_of(app, "branch_id", "A"), hash_of(app, "email", EVE), False)
    assert rows_of(letter) == [matched]


def test_what_a_paused_integration_waits_for_expires_in_its_time(app, integration):
    integration.enabled = False
    integration.save()
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)

    expire()

    assert state_of(letter) == IN_VAIN


def test_a_link_that_came_in_time_counts_however_late_it_is_learned(app, integration):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)
    append(app, a_link(branch_id="A", email=EVE))
    receive(2, days=1.5)

    expire()
    assert state_of(letter) == WAITS

    advance(app)
    expire()
    assert state_of(letter) == WAITS
    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]


def test_a_link_that_came_in_time_counts_also_where_people_are_learned_anew(
    app, integration
):
    append(app, an_install(branch_id="N"), an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 2, since=days_ago(31), branch_id="A")
    append(app, a_link(branch_id="A", email=EVE))
    receive(2, days=31)
    receive(3, days=10)
    advance(app)
    log.trim_log(app.pk, 2)
    people.relearn(app.pk)
    WaitingRecord.objects.update(matched=None)

    expire()
    assert state_of(letter) == WAITS

    advance(app)
    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]


def test_a_record_of_which_one_id_was_not_looked_for_yet_waits_for_that(
    app, integration
):
    append(app, an_install(branch_id="A", anonymous_id="N"))
    append(app, a_link(anonymous_id="N", email=EVE))
    advance(app)
    letter = a_waiting_letter(
        integration, 1, since=days_ago(31), branch_id="A", anonymous_id="N"
    )
    looked_for = hash_of(app, "branch_id", "A")
    WaitingRecord.objects.filter(hash=looked_for).update(fresh=False)

    expire()
    assert (state_of(letter), len(rows_of(letter))) == (WAITS, 2)

    advance(app)
    expire()
    assert state_of(letter) == WAITS
    assert hash_of(app, "email", EVE) in [row[1] for row in rows_of(letter)]


def test_what_waits_again_after_its_time_is_looked_up_once(app, integration):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    advance(app)
    known = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    append(app, an_install(branch_id="B"))
    unknown = a_waiting_letter(integration, 3, since=days_ago(31), branch_id="B")

    expire()
    assert (state_of(known), state_of(unknown)) == (WAITS, WAITS)

    advance(app)
    expire()
    assert (state_of(known), state_of(unknown)) == (WAITS, IN_VAIN)
    assert [row[1] for row in rows_of(known)] == [hash_of(app, "email", EVE)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["step", "expiry"])
def test_in_the_second_of_the_link_either_the_step_has_the_record_or_the_expiry(
    app, integration, first
):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one write at a time")
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)

    with transaction.atomic():
        assert people.lock_progress(app.pk)
        expiring = Worker(expire)
        expiring.wait_for_its_lock()
        if first == "step":
            append(app, a_link(branch_id="A", email=EVE))
            match.match_waiting_records(people.take_step(app.pk))
    expiring.finish()
    if first == "expiry":
        append(app, a_link(branch_id="A", email=EVE))
    advance(app)

    found = [row[1] for row in rows_of(letter)]
    if first == "step":
        assert (state_of(letter), found) == (WAITS, [hash_of(app, "email", EVE)])
    else:
        assert (state_of(letter), found) == (IN_VAIN, [])


def test_a_link_that_comes_after_the_wait_finds_nothing(app, integration):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)
    append(app, a_link(branch_id="A", email=EVE))
    receive(2, days=0.5)

    expire()
    advance(app)

    assert (state_of(letter), rows_of(letter)) == (IN_VAIN, [])
    assert letter.linked_at is None


def test_an_app_that_no_longer_learns_keeps_nothing_waiting(app, integration):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)
    append(app, an_install(branch_id="B"))
    receive(2, days=40)
    learn_of_people(app)

    expire()

    assert state_of(letter) == IN_VAIN


def test_an_expiry_that_dies_has_ended_no_wait(app, integration):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, since=days_ago(31), branch_id="A")
    advance(app)
    failpoints.arm_failpoints(parse_failpoints(["waits.expired=raise"]))

    with pytest.raises(FailpointError):
        expire()
    assert (state_of(letter), len(rows_of(letter))) == (WAITS, 1)

    expire()
    assert (state_of(letter), rows_of(letter)) == (IN_VAIN, [])
