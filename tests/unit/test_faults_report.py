"""The table of the fault suite: one row for a scenario on a kind of database."""

from tests.faults.report import table_of


def a_line(scenario, database="sqlite", **changes):
    numbers = {"events": 1_000, "lost": 0, "repeats": 2, "seconds": 1.5}
    return {"scenario": scenario, "database": database, **numbers, **changes}


def test_runs_of_a_scenario_are_one_row_and_the_last_row_is_all():
    lines = [
        a_line("worker killed", seconds=0.4),
        a_line("worker killed", "postgresql", lost=1),
        a_line("worker killed"),
        a_line("Redis killed"),
    ]

    assert table_of(lines).rows == [
        ("Redis killed", "SQLite", "1", "1,000", "0", "2", "1.5"),
        ("worker killed", "SQLite", "2", "2,000", "0", "4", "1.5"),
        ("worker killed", "PostgreSQL", "1", "1,000", "1", "2", "1.5"),
        ("all", "", "4", "4,000", "1", "8", "1.5"),
    ]
