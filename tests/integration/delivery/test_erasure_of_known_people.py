"""Erasing somebody whom the app knows: who they are is forgotten, and nothing waits for them."""

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.erasure.known_others import find_known_others
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import DeadLetter, WaitingRecord
from referrals import failpoints, log, people
from referrals.failpoints import FailpointError
from referrals.identity import Identity
from referrals.models import (
    KnownIdentity,
    KnownPerson,
    ReferrerDecision,
    Suppression,
)
from referrals.schema import Person
from tests.builders import a_sent_event
from tests.integration.delivery.conftest import repeat_until
from tests.integration.delivery.erasing import ERASED, erase, event_at, rows_with, sent
from tests.integration.people.knowing import KnownPeople

pytestmark = pytest.mark.django_db

ANN = ("email", "ann-canary@example.com")
BOB = ("email", "bob-canary@example.com")
PHONE = ("branch_id", "ann-branch")
TABLET = ("branch_id", "family-tablet")


@pytest.fixture
def known(integration):
    return KnownPeople(integration)


def by(*identities, **changes):
    """Return an event that somebody with these identities did; nobody invited them."""
    user = {"identities": dict(identities)}
    return a_sent_event(
        **{"user": user, "referrer": None, "via": "smart_link"} | changes
    )


def state_of(letter):
    letter.refresh_from_db()
    return letter.state, letter.reason


def test_who_an_erased_person_is_is_forgotten_and_others_stay_known(integration, known):
    known.knows(2, ANN, PHONE)
    known.knows(4, BOB)
    ReferrerDecision.objects.create(
        app=known.app, position=3, user=known.hash(BOB), referrer=known.hash(ANN)
    )

    erase(integration, [Identity(*ANN), Identity(*PHONE)])

    rows = KnownIdentity.objects.values_list("hash", "person", "value")
    assert list(rows) == [(known.hash(BOB), 4, BOB[1])]
    assert [each.number for each in KnownPerson.objects.all()] == [4]
    assert not ReferrerDecision.objects.filter(referrer=known.hash(ANN)).exists()


def test_what_waits_for_an_id_that_is_erased_waits_no_more(integration, known, append):
    append(by(PHONE), by(TABLET))
    letter, others = known.waits(2, PHONE), known.waits(4, TABLET)

    order = erase(integration, [Identity(*PHONE)])

    assert state_of(letter) == ("open", "erased")
    assert state_of(others) == ("waiting", "waiting_for_identity")
    assert WaitingRecord.objects.get().letter == others
    assert (order.events, order.dead_letters) == (1, 1)
    assert event_at(integration, 1).user == ERASED


def test_what_was_matched_to_a_person_and_is_not_claimed_yet_is_erased(
    integration, known, append
):
    append(by(PHONE))
    known.knows(2, ANN, PHONE)
    letter = known.waits(2, PHONE, matched=ANN)

    order = erase(integration, [Identity(*ANN)])

    assert state_of(letter) == ("open", "erased")
    assert not WaitingRecord.objects.exists()
    assert (order.events, order.dead_letters) == (0, 1)


def test_what_a_revival_has_taken_is_left_to_its_verdict(integration, known, append):
    append(by(PHONE))
    letter = known.waits(2, PHONE, matched=ANN, state=DeadLetter.State.REPLAYING)

    erase(integration, [Identity(*ANN)])

    assert state_of(letter) == ("replaying", "waiting_for_identity")
    assert WaitingRecord.objects.count() == 1


def test_the_record_of_a_last_referrer_who_is_erased_is_erased(
    integration, known, append
):
    append(by(BOB))
    letter = known.waits(3, ANN)

    erase(integration, [Identity(*ANN)])

    assert state_of(letter) == ("open", "erased")
    assert event_at(integration, 1).user == Person(dict([BOB]))


def test_after_a_crash_nothing_is_forgotten_half(integration, known, append):
    append(by(PHONE))
    known.knows(2, ANN, PHONE)
    letter = known.waits(2, PHONE, matched=ANN)
    failpoints.arm_failpoints(failpoints.parse_failpoints(["erasure.written=raise"]))

    with pytest.raises(FailpointError):
        erase(integration, [Identity(*ANN)])
    assert (state_of(letter)[0], KnownIdentity.objects.count()) == ("waiting", 2)
    erasure_orders.advance_all_erasures()

    assert state_of(letter) == ("open", "erased")
    # Of whom no key is left, nothing is known.
    assert not KnownIdentity.objects.exists()


def test_what_else_a_person_is_known_by_is_taken_along_on_order_and_shared_ids_never(
    integration, known, append
):
    append(by(PHONE), by(TABLET), by(ANN))
    known.knows(2, ANN, PHONE, TABLET, shared=[TABLET])
    letter = known.waits(2, PHONE)
    whom = [Identity(*ANN)]
    others = find_known_others(integration.app, whom)
    plan = erasure_orders.plan_erasure(integration.app, whom, including=others)

    order = erasure_orders.advance_erasure(
        erasure_orders.order_erasure(integration.app, whom, including=others)
    )

    assert (plan.events, plan.others) == (2, set())
    assert {(each.hash, str(each.identity), each.is_shared) for each in others} == {
        (known.hash(PHONE).hex, "branch_id=•••", False),
        (known.hash(TABLET).hex, "branch_id=•••", True),
    }
    assert (order.events, order.state) == (2, "done")
    users = [event_at(integration, n).user for n in (1, 2, 3)]
    assert users == [ERASED, Person(dict([TABLET])), ERASED]
    assert state_of(letter) == ("open", "erased")
    assert set(Suppression.objects.values_list("identity_hash", flat=True)) == {
        known.hash(ANN),
        known.hash(PHONE),
    }


def test_a_shared_id_leads_to_nobodys_other_identities(integration, known):
    known.knows(2, ANN, PHONE, TABLET, shared=[TABLET])

    assert find_known_others(integration.app, [Identity(*TABLET)]) == []


@pytest.fixture
def learning(integration):
    """Let the integration's app learn; return what lets it learn all that there is."""
    integration.app.loose_ids = ["branch_id"]
    integration.app.save()

    def learn():
        repeat_until(lambda: not advance_people(integration.app_id))

    return learn


@pytest.fixture
def matched(engine, integration, append, learning):
    """Return the letter of an install whose user has just become known, as Ann."""
    append(by(PHONE))
    deliver(integration.pk)
    append(by(PHONE, ANN))
    learning()
    assert WaitingRecord.objects.get().matched
    return DeadLetter.objects.get()


@pytest.mark.parametrize("first", ["erasure", "claim"])
def test_nothing_goes_to_who_is_erased_between_match_and_claim(
    engine, integration, finish, matched, first
):
    order = erasure_orders.order_erasure(integration.app, [Identity(*ANN)])
    if first == "erasure":
        erasure_orders.advance_erasure(order)
    status = finish()
    erasure_orders.advance_all_erasures()

    assert sent(engine) == []
    reason = {"erasure": "erased", "claim": "suppressed"}[first]
    assert state_of(matched) == ("open", reason)
    assert not WaitingRecord.objects.exists()
    assert (status.imbalances, status.waiting) == ((), {})
    assert not KnownIdentity.objects.exists()
    assert rows_with("ann-canary") == []


def test_who_was_erased_is_never_learned_anew(engine, finish, learning, matched):
    integration = matched.integration
    erase(integration, [Identity(*ANN)])

    log.append(integration.app, [by(PHONE, ANN), by(PHONE)])
    finish()
    learning()
    people.relearn(integration.app_id)
    learning()

    assert sent(engine) == []
    assert not KnownPerson.objects.exists()
    waiting = DeadLetter.objects.filter(state=DeadLetter.State.WAITING)
    assert [letter.position for letter in waiting] == [4]
    assert WaitingRecord.objects.get().matched is None
