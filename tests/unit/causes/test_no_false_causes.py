"""Counts that are late, rounded, sampled or of people, and weeks without a fault: no false cause."""

import random

from hypothesis import given, settings, strategies as st

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.explain import explain_week
from tests.unit.causes.simulator import DAYS, HOUR, NAMES, NOW, World

SEEDS = st.integers(0, 10_000)


def codes_in(world):
    return {
        cause.code
        for each in explain_week(world.week(), world)
        for cause in each.causes
    }


@settings(max_examples=5)
@given(SEEDS, st.integers(0, 3), st.integers(3, 120))
def test_a_clean_week_has_no_differences(seed, low, high):
    world = World(seed=seed, low=low, high=high)

    assert explain_week(world.week(), world) == []
    assert world.scans == world.filtered == 0


@settings(max_examples=8)
@given(SEEDS, st.floats(0.01, 22), st.booleans(), st.booleans())
def test_late_counts_are_not_processed_yet_or_unexplained(
    seed, hours, is_sharp, answers
):
    world = World(seed=seed, answers_counts=answers)
    chance = random.Random(seed)
    settled_at = NOW - chance.choice([60, HOUR, 4 * HOUR])
    # A backlog is delivered at once: then all of its days are young.
    world.settled_at = dict.fromkeys(
        DAYS[-1 if settled_at < NOW - 60 else 0 :], settled_at
    )
    shown = NOW - hours * HOUR

    world.drop(
        codes.NOT_PROCESSED_YET,
        lambda each: each.ts > shown and (is_sharp or chance.random() < 0.5),
    )

    assert codes_in(world) <= {codes.NOT_PROCESSED_YET}


@settings(max_examples=8)
@given(SEEDS, st.booleans(), st.sampled_from([(0, 40), (60, 400), (900, 1100)]))
def test_rounded_counts_are_unexplained(seed, answers, sizes):
    low, high = sizes
    names = NAMES[: 1 + seed % 3]
    world = World(
        seed=seed,
        names=names,
        low=low,
        high=high if low < 900 else 950,
        changes_count=round_count,
        answers_counts=answers,
    )
    world.deleted = {(name, person) for name in names for person in range(seed % 3)}

    assert codes_in(world) == set()


def round_count(count):
    step = 1
    while count >= 100 * step:
        step *= 10
    return (count + step // 2) // step * step


@settings(max_examples=8)
@given(SEEDS, st.booleans(), st.sampled_from([(5, 60), (100, 300)]))
def test_counts_of_a_sample_are_unexplained(seed, answers, sizes):
    chance = random.Random(seed)

    def sample(count):
        return 10 * sum(chance.random() < 0.1 for _ in range(count))

    world = World(
        seed=seed,
        low=sizes[0],
        high=sizes[1],
        changes_count=sample,
        answers_counts=answers,
    )

    assert codes_in(world) == set()


@settings(max_examples=8)
@given(SEEDS, st.booleans(), st.integers(1, 90))
def test_counts_of_people_are_called_so_or_unexplained(seed, answers, high):
    world = World(
        seed=seed, low=1, high=high, counts_people=True, answers_counts=answers
    )

    assert codes_in(world) <= {codes.COUNTS_PEOPLE}


@settings(max_examples=8)
@given(SEEDS, st.floats(0, 0.3), st.floats(0, 0.3), st.booleans())
def test_what_is_lost_or_doubled_by_chance_is_unexplained_and_sums_balance(
    seed, lost, doubled, answers
):
    world = World(seed=seed, answers_counts=answers)
    chance = random.Random(seed)
    world.stored = [
        each
        for each in world.ours
        if chance.random() >= lost
        for _ in range(1 + (chance.random() < doubled))
    ]

    found = explain_week(world.week(), world)

    assert all(
        each.difference == sum(cause.size for cause in each.causes) + each.unexplained
        for each in found
    )
    assert {cause.code for each in found for cause in each.causes} <= {
        codes.OTHER_SENDER
    }
