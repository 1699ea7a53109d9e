"""What is learned of people: who is who, who is nobody, and who invited whom."""

import pytest
from hypothesis import given, settings, strategies as st

from referrals.learning.blocklist import is_blocked
from referrals.learning.learner import MAX_IDENTITIES, Learner
from referrals.learning.mentions import find_mentions, make_rules, order_keys

LOOSE = frozenset({"anonymous_id", "branch_id"})
RULES = make_rules(["email", "crm_id"], LOOSE)


def plain(provider, value):
    return f"{provider}:{value}"


def side(**identities):
    return find_mentions(identities, RULES, plain)


def a_learner():
    return Learner(RULES.keys, {}, {})


def taught(*sides):
    """Return a learner that has met these sides, one after the other."""
    learner = a_learner()
    for position, identities in enumerate(sides, 1):
        learner.learn(side(**identities), position)
    return learner


def whom(learner, **identities):
    """Return by which current keys the person is known whom a side names, or None."""
    person = learner.find_person(side(**identities))
    return None if person is None else learner.people[person].keys


@pytest.mark.parametrize(
    "value",
    [
        *("null", " NULL ", '"undefined"', "[object Object]", "0000-0000", "0", "-1"),
        *("{{user_id}}", "${userId}", "{gps_adid}", "%s", "None", "anonymous", ""),
        *("00000000-0000-0000-0000-000000000000", "x" * 257, "Guest", "'nan'"),
    ],
)
def test_some_values_name_nobody(value):
    assert is_blocked(value)


@pytest.mark.parametrize(
    "value",
    ["u-42", "7", "10", "ann@example.com", "nullify", "idle", "{half", "5%", "x" * 256],
)
def test_others_name_somebody(value):
    assert not is_blocked(value)


def test_keys_have_a_fixed_order():
    assert order_keys(["Email", "crm_id"]) == ("custom_id", "crm_id", "email", "phone")
    assert order_keys([]) == ("custom_id", "email", "phone")


def test_a_key_that_is_waited_for_stays_a_key():
    rules = make_rules(["email"], ["custom_id", "branch_id"])

    assert (rules.keys[0], rules.loose) == ("custom_id", frozenset({"branch_id"}))


def test_a_loose_id_is_tied_to_the_key_beside_it():
    learner = taught({"anonymous_id": "A", "email": "E"})

    assert whom(learner, anonymous_id="A") == {"email": "email:E"}


def test_a_single_identity_teaches_nothing():
    learner = taught({"email": "E"}, {"anonymous_id": "A"})

    assert (learner.people, learner.identities) == ({}, {})


def test_two_loose_ids_are_never_tied():
    assert taught({"anonymous_id": "A", "branch_id": "B"}).people == {}


def test_a_device_that_two_people_had_names_nobody():
    learner = taught(
        {"anonymous_id": "A", "email": "E"}, {"anonymous_id": "A", "email": "F"}
    )

    assert whom(learner, anonymous_id="A") is None
    assert whom(learner, email="E") == {"email": "email:E"}
    assert learner.learned.shared == {"anonymous_id:A"}


def test_once_shared_an_id_stays_so():
    learner = taught(
        {"anonymous_id": "A", "email": "E"},
        {"anonymous_id": "A", "email": "F"},
        {"anonymous_id": "A", "email": "E"},
    )

    assert whom(learner, anonymous_id="A") is None


def test_a_person_may_change_their_address():
    learner = taught(
        {"custom_id": "u-1", "email": "old"}, {"custom_id": "u-1", "email": "new"}
    )

    keys = {"custom_id": "custom_id:u-1", "email": "email:new"}
    assert whom(learner, email="old") == whom(learner, custom_id="u-1") == keys


def test_an_address_that_gets_another_id_names_nobody():
    learner = taught(
        {"custom_id": "u-1", "email": "E"}, {"custom_id": "u-2", "email": "E"}
    )

    assert whom(learner, email="E") is None
    assert whom(learner, custom_id="u-1")["custom_id"] == "custom_id:u-1"
    assert "email" not in whom(learner, custom_id="u-2")


def test_a_key_that_names_nobody_ties_nothing():
    learner = taught(
        {"custom_id": "u-1", "email": "E"},
        {"custom_id": "u-2", "email": "E"},
        {"anonymous_id": "A", "email": "E"},
    )

    assert whom(learner, anonymous_id="A") is None


def test_who_was_known_by_an_address_alone_gets_the_stronger_key():
    learner = taught(
        {"anonymous_id": "A", "email": "E"}, {"custom_id": "u-1", "email": "E"}
    )

    assert whom(learner, anonymous_id="A") == {
        "custom_id": "custom_id:u-1",
        "email": "email:E",
    }
    assert len(learner.people) == 1


def test_the_fifty_first_device_is_left_out():
    learner = taught(
        *({"anonymous_id": f"A-{n}", "email": "E"} for n in range(MAX_IDENTITIES + 2))
    )

    assert learner.learned.refused == 3
    assert whom(learner, anonymous_id=f"A-{MAX_IDENTITIES - 2}") is not None
    assert whom(learner, anonymous_id=f"A-{MAX_IDENTITIES}") is None


def test_a_side_with_the_loose_ids_of_two_people_is_its_key_s():
    learner = taught(
        {"anonymous_id": "A", "email": "E"},
        {"branch_id": "B", "email": "F"},
        {"anonymous_id": "A", "branch_id": "B", "email": "G"},
    )

    assert whom(learner, anonymous_id="A") is None
    assert whom(learner, branch_id="B") is None


def named(learner, **user):
    return learner.find_referrer(side(**user))


def test_the_last_referrer_is_remembered():
    learner = a_learner()
    learner.remember_referrer(side(email="E"), side(email="bob"), 1)
    learner.remember_referrer(side(email="E"), side(email="dan"), 2)

    assert named(learner, email="E") == "email:dan"
    assert named(learner, email="F") is None


def test_a_referrer_is_remembered_by_an_id_that_is_tied_later():
    learner = a_learner()
    learner.remember_referrer(side(anonymous_id="A"), side(email="bob"), 1)
    learner.learn(side(anonymous_id="A", email="E"), 2)

    assert named(learner, email="E") == "email:bob"


def test_nobody_is_their_own_referrer():
    learner = taught({"anonymous_id": "A", "email": "E"})
    learner.remember_referrer(side(anonymous_id="A"), side(email="E"), 2)

    assert named(learner, email="E") is None


def test_who_turns_out_to_be_oneself_is_forgotten():
    learner = a_learner()
    learner.remember_referrer(side(anonymous_id="A"), side(email="E"), 1)
    learner.learn(side(anonymous_id="A", email="E"), 2)

    assert named(learner, email="E") is None


SIDES = st.lists(
    st.dictionaries(
        st.sampled_from(["custom_id", "crm_id", "email", "anonymous_id", "branch_id"]),
        st.sampled_from(["1a", "2a", "3a"]),
        min_size=1,
    ),
    max_size=30,
)


@settings(max_examples=200)
@given(SIDES)
def test_what_always_holds(sides):
    learner = taught(*sides)

    for identity in learner.identities.values():
        assert identity.person is None or identity.person in learner.people
    for person in learner.people.values():
        mine = [i for i in learner.identities.values() if i.person == person.id]
        assert person.size == len(mine) <= MAX_IDENTITIES + len(RULES.keys)
        # Two people who are known by stronger keys are never made one.
        assert len({i.hash for i in mine if i.provider == "custom_id"}) <= 1
    assert set(learner.learned.identities) <= set(learner.identities)


@settings(max_examples=100)
@given(SIDES)
def test_the_same_log_teaches_the_same(sides):
    one, other = taught(*sides), taught(*sides)

    assert one.identities == other.identities
    assert one.people == other.people


@settings(max_examples=200)
@given(SIDES, st.integers(1, 29))
def test_steps_of_any_size_teach_the_same(sides, size):
    whole, stepped = taught(*sides), a_learner()
    for first in range(0, len(sides), size):
        stepped = Learner(RULES.keys, stepped.identities, stepped.people)
        stepped._next = min([0, *stepped.people]) - 1
        for position, identities in enumerate(sides[first : first + size], first + 1):
            stepped.learn(side(**identities), position)

    assert whole.identities == stepped.identities
    assert {p: k.keys for p, k in whole.people.items()} == {
        p: k.keys for p, k in stepped.people.items()
    }
