"""Causes planted in a simulated account, alone and in pairs: named, with the right sizes."""

from itertools import combinations

import pytest

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.explain import explain_week
from tests.unit.causes.plants import PLANTS
from tests.unit.causes.simulator import NAMES, World


def found_in(world):
    return {
        (each.name, each.day): {cause.code: cause.size for cause in each.causes}
        for each in explain_week(world.week(), world)
        if each.causes
    }


@pytest.mark.parametrize("code", PLANTS)
def test_a_cause_is_named_with_its_size(code):
    world = World()

    PLANTS[code](world, NAMES[0])

    assert world.expected()
    assert found_in(world) == world.expected()
    assert not any(each.unexplained for each in explain_week(world.week(), world))


#: The schema has room, or it has not.
IMPOSSIBLE = {frozenset((codes.EVENT_TYPES_FULL, codes.NAME_UNKNOWN))}
#: Where both touch the same cells, one of them hides the other: then it stays unexplained.
HIDDEN = {
    frozenset(pair)
    for pair in [
        (codes.ACCOUNT_EMPTY, codes.NOT_PROCESSED_YET),
        (codes.ACCOUNT_EMPTY, codes.SCHEMA_PUBLISHED),
        (codes.PROFILES_DELETED, codes.NOT_PROCESSED_YET),
        (codes.COUNTS_PEOPLE, codes.OTHER_TIME_ZONE),
        # How many people lack a property, or were sent twice, the log does not tell.
        (codes.COUNTS_PEOPLE, codes.SCHEMA_PUBLISHED),
        (codes.COUNTS_PEOPLE, codes.PROPERTY_MISSING),
        (codes.COUNTS_PEOPLE, codes.PROPERTY_TYPE),
        (codes.COUNTS_PEOPLE, codes.PROFILES_DELETED),
        (codes.COUNTS_PEOPLE, codes.SENT_TWICE),
        (codes.COUNTS_PEOPLE, codes.MAYBE_REFUSED),
        (codes.COUNTS_PEOPLE, codes.NOT_PROCESSED_YET),
    ]
}
PAIRS = [
    pair
    for pair in combinations(PLANTS, 2)
    if frozenset(pair) not in IMPOSSIBLE | HIDDEN
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_causes_of_two_names_are_named_with_their_sizes(one, other):
    world = World()

    PLANTS[one](world, NAMES[0])
    PLANTS[other](world, NAMES[1])

    assert {one, other} <= {code for each in world.expected().values() for code in each}
    assert found_in(world) == world.expected()


@pytest.mark.parametrize(("one", "other"), sorted(map(sorted, HIDDEN)))
def test_what_is_hidden_is_unexplained_and_never_something_else(one, other):
    world = World()

    PLANTS[one](world, NAMES[0])
    PLANTS[other](world, NAMES[1])

    found = explain_week(world.week(), world)
    assert {cause.code for each in found for cause in each.causes} <= {one, other}


#: What may befall the same records: none of them takes a whole day.
TOGETHER = [
    codes.OTHER_TIME_ZONE,
    codes.PROFILES_DELETED,
    codes.PROPERTY_MISSING,
    codes.PROPERTY_TYPE,
    codes.MAYBE_REFUSED,
    codes.SENT_TWICE,
    codes.OTHER_SENDER,
]


#: One of the two takes records that the other one takes too, or what is left is in doubt.
OVERLAPPING = [
    (codes.PROFILES_DELETED, codes.PROPERTY_MISSING),
    (codes.PROFILES_DELETED, codes.PROPERTY_TYPE),
    (codes.PROFILES_DELETED, codes.SENT_TWICE),
    (codes.PROPERTY_MISSING, codes.PROPERTY_TYPE),
    (codes.MAYBE_REFUSED, codes.SENT_TWICE),
]
SEPARATE = [pair for pair in combinations(TOGETHER, 2) if pair not in OVERLAPPING]


@pytest.mark.parametrize(("one", "other"), OVERLAPPING)
def test_what_overlaps_is_never_taken_for_something_else(one, other):
    world = World()

    PLANTS[one](world, NAMES[0])
    PLANTS[other](world, NAMES[0])

    found = explain_week(world.week(), world)
    assert {cause.code for each in found for cause in each.causes} <= {one, other}


@pytest.mark.parametrize(("one", "other"), SEPARATE)
def test_two_causes_of_one_name_are_named_with_their_sizes(one, other):
    world = World()

    PLANTS[one](world, NAMES[0])
    PLANTS[other](world, NAMES[0])

    assert {one, other} <= {code for each in world.expected().values() for code in each}
    assert found_in(world) == world.expected()
