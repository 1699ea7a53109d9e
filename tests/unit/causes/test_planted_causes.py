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


#: The same records cannot have both, or nobody could tell the two apart.
EXCLUDED = {
    frozenset(pair)
    for pair in [
        (codes.EVENT_TYPES_FULL, codes.NAME_UNKNOWN),
        (codes.ACCOUNT_EMPTY, codes.NOT_PROCESSED_YET),
        (codes.COUNTS_PEOPLE, codes.OTHER_TIME_ZONE),
    ]
}
PAIRS = [pair for pair in combinations(PLANTS, 2) if frozenset(pair) not in EXCLUDED]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_causes_of_two_names_are_named_with_their_sizes(one, other):
    world = World()

    PLANTS[one](world, NAMES[0])
    PLANTS[other](world, NAMES[1])

    assert {one, other} <= {code for each in world.expected().values() for code in each}
    assert found_in(world) == world.expected()
