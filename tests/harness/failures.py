"""Why tests failed: a pytest plugin that writes a line of JSON for each, and its reader.

`-p tests.harness.failures`, with FAILURES naming the file.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest

#: Names the file.
FAILURES: Final = "TEST_FAILURES"
#: What xdist adds to a test's name where tests stay together.
_GROUP: Final = re.compile(r"@[\w -]+$")


@dataclass(frozen=True)
class Failure:
    """A test that failed, or whose fixtures did, and the first line of why."""

    kind: Literal["FAILED", "ERROR"]
    test: str
    why: str

    def lines(self, width: int) -> list[str]:
        """Return it as two lines; the second one is cut."""
        why = f"    {self.why}"
        return [
            f"{self.kind} {self.test}",
            why if len(why) <= width else f"{why[: width - 1]}…",
        ]


def read(path: Path) -> list[Failure]:
    """Return what the plugin wrote."""
    if not path.exists():
        return []
    return [
        Failure(**json.loads(line)) for line in path.read_text("utf-8").splitlines()
    ]


class _Writer:
    """Hears of every test's report, in the process that shows them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._write("FAILED" if report.when == "call" else "ERROR", report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write("ERROR", report)

    def _write(self, kind: Literal["FAILED", "ERROR"], report: Any) -> None:
        failure = Failure(kind, _GROUP.sub("", report.nodeid), _why(report))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(failure)) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Hear reports where they are shown, not in xdist's processes, and only if asked."""
    path = os.environ.get(FAILURES)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(Path(path)))


def _why(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "no message"
    # A crash begins with what went wrong, a traceback as text ends with it.
    return lines[0] if crash else lines[-1].removeprefix("E").strip()
