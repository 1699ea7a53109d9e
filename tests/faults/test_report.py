"""The table in docs/reliability.md, and which schedules a run takes."""

from random import Random

import pytest

from tests.faults import report, soak
from tests.faults.schedules import HAPPENINGS, schedule
from tests.faults.trouble import Trouble
from tests.harness import databases


def a_line(scenario, database="sqlite", **changes):
    """Return what a scenario writes about one run."""
    numbers = {"events": 1000, "lost": 0, "repeats": 0, "seconds": 1.0}
    return {"scenario": scenario, "database": database, **numbers, **changes}


def test_a_row_sums_up_one_scenario_on_one_kind_of_database():
    lines = [
        a_line("worker killed", repeats=3, seconds=2.25),
        a_line("Redis flushed"),
        a_line("worker killed", "postgresql", events=7),
        a_line("worker killed", lost=1, repeats=4, seconds=0.5),
    ]

    assert report.table_of(lines).rows == [
        ("Redis flushed", "SQLite", "1", "1,000", "0", "0", "1.0"),
        ("worker killed", "SQLite", "2", "2,000", "1", "7", "2.2"),
        ("worker killed", "PostgreSQL", "1", "7", "0", "0", "1.0"),
        ("all", "", "4", "3,007", "1", "7", "2.2"),
    ]


def test_a_run_without_a_scenario_has_a_table_that_says_so():
    table = report.table_of([])

    assert table.rows == [("all", "", "0", "0", "0", "0", "0.0")]
    assert table.text().splitlines()[2].split() == list(report.COLUMNS)


def test_the_document_has_a_place_for_the_table():
    text = report.DOCUMENT.read_text("utf-8")

    assert text.count(f"<!-- {report.MARKERS}: begin -->") == 1
    assert text.count(f"<!-- {report.MARKERS}: end -->") == 1


def test_a_run_takes_25_schedules_unless_a_soak_says_which(monkeypatch):
    monkeypatch.delenv(soak.SEEDS, raising=False)
    monkeypatch.delenv(soak.KINDS, raising=False)
    assert list(soak.seeds()) == list(range(1, 26))
    assert soak.kinds(databases.KINDS) == ["sqlite", "postgresql"]

    monkeypatch.setenv(soak.SEEDS, "17:2")
    monkeypatch.setenv(soak.KINDS, "postgresql")
    assert list(soak.seeds()) == [17, 18]
    assert soak.kinds(databases.KINDS) == ["postgresql"]


def test_a_seed_says_everything_that_happens():
    assert str(schedule(17, "sqlite")) == str(schedule(17, "sqlite"))
    assert len({str(schedule(17, kind)) for kind in databases.KINDS}) == 2
    assert len({str(schedule(seed, "sqlite")) for seed in range(1, 101)}) == 100


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda each: each.__name__)
def test_every_step_of_a_schedule_can_be_done(happening):
    dice = Random(1)

    names = {happening(dice, kind)[0] for kind in databases.KINDS for _ in range(200)}

    assert [name for name in names if not hasattr(Trouble, name)] == []
