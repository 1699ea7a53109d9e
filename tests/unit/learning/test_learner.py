"""What is learned of people: who is who, who is nobody, and who invited whom."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from referrals.learning.blocklist import is_blocked
from referrals.learning.known import Known
from referrals.learning.learner import MAX_IDENTITIES, MAX_OF_A_KEY, Learner
from referrals.learning.mentions import (
    NOBODY,
    LoggedSides,
    find_mentions,
    make_rules,
    order_keys,
)

LOOSE = frozenset({"anonymous_id", "branch_id"})
RULES = make_rules(["email", "crm_id"], LOOSE, remembers=True)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def plain(provider, value):
    return f"{provider}:{value}"


def side(**identities):
    return find_mentions(identities, RULES, plain)


def a_learner():
    return Learner(RULES, Known())


def taught(*sides):
    """Return a learner that has met these sides, one after the other."""
    learner = a_learner()
    for position, identities in enumerate(sides, 1):
        tell(learner, position, **identities)
    return learner


def tell(learner, position, referrer=None, *, asks=False, at=NOON, **user):
    """Let the learner learn from the event at `position`."""
    learner.learn_event(
        LoggedSides(
            position,
            at,
            side(**user),
            side(**referrer) if referrer else NOBODY,
            asks_last=asks,
        )
    )


def whom(learner, **identities):
    """Return by which current keys the person is known whom a side names, or None."""
    for mention in side(**identities).all:
        known = learner.known.identities.get(mention.hash)
        if known and known.person is not None and known.shared_at is None:
            return learner.known.people[known.person].keys
    return None


@pytest.mark.parametrize(
    "value",
    [
        *("null", " NULL ", '"undefined"', "[object Object]", "0000-0000", "0", "-1"),
        *("{{user_id}}", "${userId}", "{gps_adid}", "%s", "None", "anonymous", ""),
        *("00000000-0000-0000-0000-000000000000", "x" * 257, "Guest", "'nan'"),
        *("unknown", "(not set)", "{{user\nid}}"),
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

    assert (learner.known.people, learner.known.identities) == ({}, {})


def test_two_loose_ids_are_never_tied():
    assert taught({"anonymous_id": "A", "branch_id": "B"}).known.people == {}


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
    assert len(learner.known.people) == 1


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


def test_a_value_that_many_people_send_names_nobody():
    learner = taught(
        *(
            {"custom_id": "constant", "email": f"e{n}", "anonymous_id": f"A{n}"}
            for n in range(100)
        )
    )

    assert whom(learner, custom_id="constant") is None
    for n in range(MAX_OF_A_KEY + 1):
        assert whom(learner, anonymous_id=f"A{n}") is None
    assert whom(learner, anonymous_id="A9") == {"email": "email:e9"}
    assert max(each.size for each in learner.known.people.values()) == 12


def test_who_was_known_keeps_their_number_when_a_stronger_key_comes():
    learner = taught(
        {"anonymous_id": "A", "email": "E"}, {"custom_id": "u-1", "email": "E"}
    )

    assert list(learner.known.people) == [2]
    assert learner.learned.gone == set()


def test_two_who_were_known_by_weak_keys_become_one_by_a_stronger_one():
    learner = taught(
        {"anonymous_id": "A", "email": "E"},
        {"branch_id": "B", "phone": "P"},
        {"custom_id": "u-1", "email": "E", "phone": "P"},
    )

    assert whom(learner, anonymous_id="A") == whom(learner, branch_id="B")
    assert learner.learned.gone == {4}
    assert learner.learned.unsettled is True


def test_whoever_waits_for_one_of_a_person_s_ids_hears_of_a_new_key():
    learner = taught(
        {"custom_id": "u-1", "anonymous_id": "A"}, {"custom_id": "u-1", "email": "E"}
    )

    assert learner.learned.linked == {
        "custom_id:u-1": 2,
        "anonymous_id:A": 2,
        "email:E": 2,
    }


def test_a_marked_id_names_nobody():
    learner = Learner(RULES, Known(marked=frozenset({"anonymous_id:A"})))
    tell(learner, 1, email="E", anonymous_id="A")

    assert "anonymous_id:A" not in learner.known.identities


def test_case_of_a_provider_does_not_count():
    assert side(Email="E", Anonymous_ID="A") == side(email="E", anonymous_id="A")
    assert side(Email="E", email="F", anonymous_id="A") == side(anonymous_id="A")


def test_last_seen_is_written_once_a_week():
    learner = taught({"email": "E", "anonymous_id": "A"})
    seen = learner.known.identities["email:E"]
    tell(learner, 2, email="E", at=NOON + timedelta(days=6))

    assert seen.seen_at == NOON

    tell(learner, 3, email="E", at=NOON + timedelta(days=7))

    assert seen.seen_at == NOON + timedelta(days=7)
    assert learner.known.people[2].seen_at == NOON + timedelta(days=7)


BY_BOB = {"email": "bob"}
BY_DAN = {"email": "dan"}


def named(learner, position=99, **user):
    """Return whom "last" stands for in a further event of a user."""
    tell(learner, position, asks=True, **user)
    return learner.learned.decided.get(position)


def test_the_last_referrer_is_remembered():
    learner = a_learner()
    tell(learner, 1, BY_BOB, email="E")
    tell(learner, 2, BY_DAN, email="E")

    assert named(learner, email="E") == "email:dan"
    assert named(learner, 100, email="F") is None


def test_a_referrer_is_remembered_by_an_id_that_is_tied_later():
    learner = a_learner()
    tell(learner, 1, BY_BOB, anonymous_id="A")
    tell(learner, 2, anonymous_id="A", email="E")

    assert named(learner, email="E") == "email:bob"


def test_nobody_is_their_own_referrer():
    learner = taught({"anonymous_id": "A", "email": "E"})
    tell(learner, 2, {"email": "E"}, anonymous_id="A")

    assert named(learner, email="E") is None


def test_who_turns_out_to_be_oneself_is_forgotten():
    learner = a_learner()
    tell(learner, 1, {"email": "E"}, anonymous_id="A")
    tell(learner, 2, anonymous_id="A", email="E")

    assert named(learner, email="E") is None


def test_a_referrer_who_becomes_the_user_by_a_merge_is_nobody():
    learner = a_learner()
    tell(learner, 1, {"phone": "P"}, email="E")
    tell(learner, 2, custom_id="u-1", email="E", phone="P")

    assert named(learner, email="E") is None


def test_the_event_that_names_a_referrer_does_not_count_for_itself_or_before():
    learner = a_learner()
    tell(learner, 1, asks=True, email="E")
    tell(learner, 2, BY_BOB, email="E")
    tell(learner, 3, asks=True, email="E")

    assert learner.learned.decided == {3: "email:bob"}
    assert learner.learned.asked[1].referrer is None


def test_last_is_decided_later_where_the_user_becomes_known():
    learner = a_learner()
    tell(learner, 1, BY_BOB, anonymous_id="A")
    tell(learner, 2, asks=True, email="E")
    assert learner.learned.decided == {}

    tell(learner, 3, anonymous_id="A", email="E")

    assert learner.learned.decided == {2: "email:bob"}
    assert learner.learned.asked[2].referrer == "email:bob"


def test_a_memory_that_is_younger_than_the_event_does_not_decide_it():
    learner = a_learner()
    tell(learner, 1, asks=True, email="E")
    tell(learner, 2, BY_BOB, anonymous_id="A")
    tell(learner, 3, anonymous_id="A", email="E")

    assert learner.learned.decided == {}


def test_a_shared_device_does_not_say_who_invited_somebody():
    learner = taught({"anonymous_id": "A", "email": "E"})
    tell(learner, 2, BY_BOB, anonymous_id="A")

    assert named(learner, 3, anonymous_id="A", email="F") is None


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
    known = (learner := taught(*sides)).known

    for identity in known.identities.values():
        assert identity.person is None or identity.person in known.people
    for person in known.people.values():
        mine = [i for i in known.identities.values() if i.person == person.number]
        assert person.size == len(mine) <= MAX_IDENTITIES + len(RULES.keys)
        assert {i.hash for i in mine} == known.members[person.number]
        # Two people who are known by stronger keys are never made one.
        assert len({i.hash for i in mine if i.provider == "custom_id"}) <= 1
    assert set(learner.learned.identities) <= set(known.identities)


@settings(max_examples=100)
@given(SIDES)
def test_the_same_log_teaches_the_same(sides):
    one, other = taught(*sides).known, taught(*sides).known

    assert one.identities == other.identities
    assert one.people == other.people
