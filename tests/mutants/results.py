"""What became of the mutants: kept as lines of JSON, summed up as a table.

A survivor is tried again once the tests have changed, any mutant once its module has.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutants.operators import Mutant
from tests.mutants.runner import SURVIVED, TIMED_OUT


@dataclass(frozen=True)
class Result:
    """How a mutant ended, against how many tests of those that run its line.

    `source` and `tests_digest` say of which module and of which tests that is true.
    """

    mutant: Mutant
    verdict: str
    tests: int
    covering: int
    seconds: float
    source: str
    tests_digest: str

    def holds(self, source: str, tests_digest: str, tests: int) -> bool:
        """Return whether it would come out like that again with so many tests."""
        if self.source != source:
            return False
        is_same = self.tests_digest == tests_digest and self.tests >= tests
        return is_same or self.verdict != SURVIVED


def keep(path: Path, result: Result) -> None:
    """Append a result to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def kept(path: Path) -> dict[Mutant, Result]:
    """Return the last result of each mutant. A line that was cut off counts as none."""
    results: dict[Mutant, Result] = {}
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        mutant = Mutant(**fields.pop("mutant"))
        results[mutant] = Result(mutant, **fields)
    return results


def table_of(results: Iterable[Result]) -> str:
    """Return made and killed for each module and altogether, then each survivor."""
    by_module: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda each: _place(each.mutant)):
        by_module.setdefault(result.mutant.module, []).append(result)
    everything = [each for some in by_module.values() for each in some]
    rows = [f"{'made':>5} {'killed':>6} {'of these late':>13}  module"]
    rows += [_row(module, some) for module, some in by_module.items()]
    rows += [_row("altogether", everything), ""]
    for each in everything:
        if each.verdict == SURVIVED:
            rows += _survivor(each)
    return "\n".join(rows)


def _place(mutant: Mutant) -> tuple[str, int, str]:
    return mutant.module, mutant.line, mutant.after


def _row(name: str, results: list[Result]) -> str:
    late = sum(each.verdict == TIMED_OUT for each in results)
    killed = sum(each.verdict != SURVIVED for each in results)
    return f"{len(results):5} {killed:6} {late:13}  {name}"


def _survivor(result: Result) -> list[str]:
    mutant = result.mutant
    by = f"{result.tests} of {result.covering} tests tried"
    if not result.covering:
        by = "no test runs it"
    return [
        f"{mutant.module}:{mutant.line} ({by})",
        f"  - {mutant.before.strip()}",
        f"  + {mutant.after.strip()}",
    ]
