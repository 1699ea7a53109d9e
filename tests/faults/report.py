"""`make faults`: the fault suite, and the table of what each scenario came to.

`make faults ARGS="--write"` puts it into docs/reliability.md. What stands after `--` is
for pytest.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import report
from benchmarks.report import Row, Table
from tests.harness import databases
from tests.harness.commands import ROOT
from tests.harness.environment import Kind

#: Names the file to which each scenario adds a line.
REPORT: Final = "FAULTS_REPORT"
DOCUMENT: Final = ROOT / "docs" / "reliability.md"
MARKERS: Final = "scenarios"
NAMES: Final[dict[Kind, str]] = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
COLUMNS: Final = ("scenario", "database", "runs", "events", "lost", "repeats", "s")


@dataclass
class Sum:
    """What all runs of one scenario on one kind of database came to."""

    runs: int = 0
    events: int = 0
    lost: int = 0
    repeats: int = 0
    #: The longest time from the end of the trouble until everything had its verdict.
    seconds: float = 0.0

    def add(self, line: dict[str, Any]) -> None:
        """Count one run's line of the report."""
        self.runs += 1
        self.events += line["events"]
        self.lost += line["lost"]
        self.repeats += line["repeats"]
        self.seconds = max(self.seconds, line["seconds"])

    def cells(self) -> Row:
        """Return the numbers as they stand in the table."""
        counts = (self.runs, self.events, self.lost, self.repeats)
        return [*(f"{count:,}" for count in counts), f"{self.seconds:.1f}"]


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios, print the table, and return pytest's exit status."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    parser.add_argument("pytest", nargs="*", help="what pytest takes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.jsonl"
        status = _run(path, options.pytest)
        table = table_of(_lines(path))
    print(f"\n{table.text()}")
    if options.write and status == 0:
        report.write(DOCUMENT, table.markdown(), markers=MARKERS)
    return status


def table_of(lines: Iterable[dict[str, Any]]) -> Table:
    """Return one row per scenario and kind of database, sorted by the scenario's name."""
    sums: dict[tuple[str, Kind], Sum] = defaultdict(Sum)
    total = Sum()
    for line in lines:
        sums[line["scenario"], line["database"]].add(line)
        total.add(line)
    in_order = sorted(
        sums, key=lambda key: (key[0].casefold(), databases.KINDS.index(key[1]))
    )
    rows = [(name, NAMES[kind], *sums[name, kind].cells()) for name, kind in in_order]
    return Table("Scenarios", COLUMNS, [*rows, ("all", "", *total.cells())])


def _run(path: Path, more: Sequence[str]) -> int:
    command = [sys.executable, "-m", "pytest", "tests/faults", "-n2", "-q", *more]
    env = {**os.environ, REPORT: str(path), "TEST_DATABASE": "postgresql"}
    return subprocess.call(command, cwd=ROOT, env=env)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
