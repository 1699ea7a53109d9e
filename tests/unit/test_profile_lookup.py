"""Profiles are looked up a few at a time, in order, by one deadline, and nobody is named."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from clevertap_sync.clevertap import profile_lookup
from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.errors import AuthenticationError, NotSentError
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.clevertap.profile_lookup import (
    AskedPerson,
    KnownCounts,
    change_case,
    count_known_people,
    is_known,
    look_up_profiles,
)
from clevertap_sync.sandbox import Sandbox
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from referrals.secret import Secret
from tests.people import emails, knows
from tests.unit.clock import Clock


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


def credentials(sandbox, passcode=ACCOUNTS[Location.EU1].passcode):
    account = ACCOUNTS[Location.EU1].account_id
    return Credentials(Location.EU1, account, Secret(passcode), sandbox.template)


def asking(sandbox, *identities, **options):
    asked = [AskedPerson(identity) for identity in identities]
    until = time.monotonic() + 60
    return look_up_profiles(credentials(sandbox, **options), asked, until=until)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 30])
def test_answers_come_in_the_order_of_the_questions(sandbox, count):
    people = emails(count)
    if count:
        knows(sandbox, *people[::2])

    found = asking(sandbox, *people)

    assert [is_known(each) for each in found] == [n % 2 == 0 for n in range(count)]
    assert all(
        each["identity"] == who for each, who in zip(found, people, strict=True) if each
    )


def test_no_more_than_three_are_asked_about_at_a_time(sandbox):
    sandbox.switch(reads_in_flight=3)

    found = asking(sandbox, *emails(30))

    assert found == [None] * 30


def test_who_cannot_be_asked_about_in_time_is_an_error_among_the_others(
    sandbox, monkeypatch
):
    clock = Clock()
    monkeypatch.setattr(profile_lookup, "time", clock)
    monkeypatch.setattr(deadline, "time", clock)
    hang = Fault(ending="hang_before_storing", only="reads", times=None)
    sandbox.switch(faults=(hang,))

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(asking, sandbox, *emails(9))
        sandbox.wait_for_requests(3)
        clock.forward()
        found = pending.result()

    assert [is_known(each) for each in found] == [None] * 9
    assert [type(each) for each in found[3:]] == [NotSentError] * 6
    assert len(sandbox.requests()) == 3


def test_a_refusal_is_a_value_for_each(sandbox):
    found = asking(sandbox, *emails(3), passcode="WRO-NG-PASS")

    assert [type(each) for each in found] == [AuthenticationError] * 3


def test_an_identity_that_cannot_be_sent_is_an_error_that_does_not_name_it(sandbox):
    [found] = asking(sandbox, "ann\ud800")

    assert is_known(found) is None
    assert "ann" not in str(found)


def test_what_is_asked_does_not_show_itself():
    assert "ann" not in repr(AskedPerson("ann@example.com"))


def recognised(sandbox, *identities, **options):
    asked = [AskedPerson(identity) for identity in identities]
    until = time.monotonic() + 60
    return count_known_people(credentials(sandbox, **options), asked, until=until)


def test_strangers_are_asked_about_again_in_their_other_letter_case(sandbox):
    knows(sandbox, "ann@example.com", "BOB-1", "cid@example.com")

    found = recognised(
        sandbox, "Ann@Example.com", "bob-1", "cid@example.com", "Dan@example.com", "e@f"
    )

    assert found == KnownCounts(known=1, unknown=4, other_case=2)
    # Five, and those three of the four strangers that have another spelling.
    assert len(sandbox.requests()) == 1 + 5 + 3


@pytest.mark.parametrize(("passcode", "asked"), [("WRO-NG-PASS", 2), ("", 0)])
def test_a_refusal_is_no_answer_and_nobody_is_asked_about_again(
    sandbox, passcode, asked
):
    found = recognised(sandbox, "Ann@Example.com", "bob-1", passcode=passcode)

    assert found == KnownCounts(unanswered=2, refused=2)
    assert len(sandbox.requests()) == asked


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        (AskedPerson("Ann@Example.com"), AskedPerson("ann@example.com")),
        (AskedPerson("ANN-1"), AskedPerson("ann-1")),
        (AskedPerson("ann-1"), AskedPerson("ANN-1")),
        (AskedPerson("ann@example.com"), None),
        (AskedPerson("4711"), None),
        (AskedPerson("__hAnn", object_id=True), None),
    ],
    ids=["e-mail", "upper", "lower", "lower-e-mail", "digits", "object-id"],
)
def test_another_spelling_is_asked_for_where_there_is_one(asked, other):
    assert change_case(asked) == other
