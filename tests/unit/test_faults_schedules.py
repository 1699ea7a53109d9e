"""Which random schedules a run of the fault suite takes, and that each step can be done."""

import pytest

from tests.faults import soak
from tests.faults.schedules import schedule
from tests.faults.trouble import Trouble
from tests.harness import databases

SEEDS = range(1, 201)


def test_a_run_takes_25_schedules_unless_a_soak_says_which(monkeypatch):
    monkeypatch.delenv(soak.SEEDS, raising=False)
    monkeypatch.delenv(soak.KINDS, raising=False)
    assert list(soak.seeds()) == list(range(1, 26))
    assert soak.kinds(databases.KINDS) == ["sqlite", "postgresql"]

    monkeypatch.setenv(soak.SEEDS, "17:2")
    monkeypatch.setenv(soak.KINDS, "postgresql")
    assert list(soak.seeds()) == [17, 18]
    assert soak.kinds(databases.KINDS) == ["postgresql"]


@pytest.mark.parametrize("kind", databases.KINDS)
def test_a_seed_says_everything_that_happens(kind):
    assert schedule(17, kind) == schedule(17, kind)
    assert len({str(schedule(seed, kind)) for seed in SEEDS}) == len(SEEDS)


def test_what_schedules_order_is_what_can_be_done():
    steps = {
        step.name
        for kind in databases.KINDS
        for seed in SEEDS
        for step in schedule(seed, kind).steps
    }

    methods = {name for name in vars(Trouble) if not name.startswith("_")}
    assert steps == methods - {"carry_out", "heal", "end_erasures"}


@pytest.mark.parametrize("kind", databases.KINDS)
def test_most_schedules_have_people_and_so_has_one_that_every_run_takes(kind):
    learning = [schedule(seed, kind).learns for seed in SEEDS]

    assert 140 < sum(learning) < 160
    assert any(learning[: soak.FEW])


@pytest.mark.parametrize("kind", databases.KINDS)
def test_half_of_the_schedules_compare_and_so_does_one_that_every_run_takes(kind):
    comparing = [schedule(seed, kind).compares for seed in SEEDS]

    assert 80 < sum(comparing) < 120
    assert any(comparing[: soak.FEW])
