"""Which tests run a line, and how long each takes: from one run of all tests on SQLite.

The run is kept in `test-results/mutants`, and done again once the tests or the product
have changed.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import pytest
from coverage import CoverageData

from tests.harness.commands import ROOT
from tests.mutants.operators import Mutant
from tests.mutants.places import modules

FOLDERS: Final = ("tests/unit", "tests/integration")
#: What decides how the tests go, without the product.
TESTS: Final = (
    *FOLDERS,
    "tests/harness",
    *sorted(f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py")),
)
RESULTS: Final = ROOT / "test-results" / "mutants"
_COVERAGE: Final = RESULTS / "coverage"
_SECONDS: Final = RESULTS / "seconds.json"
_DIGEST: Final = RESULTS / "covered"
#: Names the file of times to the run that measures them.
_INTO: Final = "MUTANTS_SECONDS"


@dataclass(frozen=True)
class Trial:
    """A mutant, and the tests that shall kill it, of `covering` that run its line.

    Each with the seconds that it takes without the mutant.
    """

    mutant: Mutant
    tests: Mapping[str, float]
    covering: int


class Covering:
    """What one run of all tests has told."""

    def __init__(
        self,
        tests_by_line: Callable[[str], Mapping[int, Sequence[str]]],
        seconds: Mapping[str, float],
    ) -> None:
        """Take what says of a module which tests run each line, and how long each takes."""
        self._tests_by_line = tests_by_line
        self._seconds = seconds

    def trial_of(self, mutant: Mutant, seconds: float) -> Trial:
        """Return the mutant with the tests that run its line, as far as time allows.

        First come the tests that run most of the module in the shortest time. A statement
        of several lines counts as run where any line of it up to this one is.
        """
        by_line = self._tests_by_line(mutant.module)
        runs = Counter(test for tests in by_line.values() for test in tests)
        statement = range(mutant.statement, mutant.line + 1)
        tests = {test for line in statement for test in by_line.get(line, ())}
        tests &= self._seconds.keys()
        cost = {test: self._seconds[test] / runs[test] for test in tests}
        in_order = sorted(tests, key=lambda test: (cost[test], test))
        until = accumulate(self._seconds[test] for test in in_order)
        within = sum(total <= seconds for total in until)
        chosen = in_order[: max(within, 1)]
        seconds_of = {test: self._seconds[test] for test in chosen}
        return Trial(mutant, seconds_of, len(in_order))


def covering() -> Covering:
    """Return what runs what in the tree as it is now, which may take a run of all tests.

    What is red there kills no mutant. Raises `RuntimeError` where the run did not end.
    """
    digest = digest_of([*TESTS, *(module.name for module in modules())])
    if not _DIGEST.exists() or _DIGEST.read_text("utf-8") != digest:
        _DIGEST.unlink(missing_ok=True)
        _measure()
        _DIGEST.write_text(digest, "utf-8")
    data = CoverageData(str(_COVERAGE))
    data.read()

    @functools.cache
    def tests_by_line(module: str) -> Mapping[int, Sequence[str]]:
        # A context is a test and its phase, as "tests/unit/test_x.py::test_y|run".
        return {
            line: [*{context.rpartition("|")[0] for context in contexts}]
            for line, contexts in data.contexts_by_lineno(str(ROOT / module)).items()
        }

    return Covering(tests_by_line, json.loads(_SECONDS.read_text("utf-8")))


def digest_of(names: Sequence[str]) -> str:
    """Return what changes with the Python files of these paths in the repository."""
    digest = hashlib.sha256()
    for name in names:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _measure() -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "pytest", *FOLDERS, "-q", "-n2"),
        *("--cov", "--cov-context=test", "--cov-report="),
        *("-p", "tests.mutants.covering", "-p", "no:cacheprovider"),
    ]
    told = {_INTO: str(_SECONDS), "COVERAGE_FILE": str(_COVERAGE)}
    env = {**os.environ, **told, "TEST_DATABASE": "sqlite", "CI": "1"}
    if subprocess.call(command, cwd=ROOT, env=env) > pytest.ExitCode.TESTS_FAILED:
        message = "The run of all tests did not come to its end: what it says is above."
        raise RuntimeError(message)


# The plugin of the run that measures

_seconds: Final[dict[str, float]] = {}
_red: Final[set[str]] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what the phases of a test take."""
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0) + report.duration
    if report.failed:
        _red.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what each green test took, in the process that hears of all."""
    if _INTO in os.environ and not hasattr(session.config, "workerinput"):
        green = {test: _seconds[test] for test in _seconds.keys() - _red}
        Path(os.environ[_INTO]).write_text(json.dumps(green), "utf-8")
