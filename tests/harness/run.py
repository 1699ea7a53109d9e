"""Runs the whole suite: `python -m tests.harness.run [what pytest takes]`.

With `--browser` first, it runs the browser tests instead; with `--all`, both. Where
tests are named (`tests/unit`, `tests/faults/test_disk.py::test_…`), it runs only those.

Every part is a pytest of its own, because Django knows one database per process. One
PostgreSQL serves all of them. The output ends in one summary of all parts, as pytest
words it, and the status is zero only if every part's was.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.harness import postgres

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: Reference: https://docs.pytest.org/en/stable/reference/exit-codes.html
NOTHING_COLLECTED: Final = 5
WIDTH: Final = 80
PLURALS: Final = {"error": "errors", "warning": "warnings"}
#: Pytest's own.
ORDER: Final = (
    *("failed", "passed", "skipped", "deselected", "xfailed", "xpassed"),
    *("warnings", "errors"),
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY: Final = re.compile(r"=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*")
_COUNT: Final = re.compile(r"(\d+) ([a-z]+)")
_PROBLEM: Final = re.compile(r"(?:FAILED|ERROR) \S")


@dataclass(frozen=True)
class Part:
    """Folders whose tests run on one kind of database, on `workers` cores."""

    database: str
    folders: Sequence[str]
    workers: int = 2


@dataclass
class Result:
    """What the parts came to, summed up."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def summary(self, seconds: float) -> str:
        """Return the last lines: what failed, and how many tests did what."""
        counts = ", ".join(
            f"{self.counts[word]} {_form(word, self.counts[word])}"
            for word in ORDER
            if self.counts[word]
        )
        line = f" {counts or 'no tests ran'} in {seconds:.2f}s "
        head = [" short test summary info ".center(WIDTH, "="), *self.problems]
        return "\n".join([*(head if self.problems else ()), line.center(WIDTH, "=")])


PARTS: Final = (
    Part("sqlite", ["tests/unit", "tests/integration"]),
    Part("postgresql", ["tests/integration"]),
    # Real processes: their time is waiting, and they choose their databases themselves.
    Part("postgresql", ["tests/acceptance", "tests/faults"], workers=3),
)
BROWSER: Final = (Part("sqlite", ["tests/browser"]),)
#: What is run where the first argument says so.
CHOICES: Final = {"--browser": BROWSER, "--all": PARTS + BROWSER}


def main(arguments: Sequence[str]) -> int:
    """Run every part, print the summary, and return the exit status."""
    began = time.monotonic()
    parts, arguments = chosen(arguments)
    if any(part.database == "postgresql" for part in parts):
        postgres.server()
    result = Result()
    for part in parts:
        _run(part, arguments, result)
    print(result.summary(time.monotonic() - began))  # noqa: T201 - a command's output
    return int(result.failed or not result.counts)


def chosen(arguments: Sequence[str]) -> tuple[Sequence[Part], Sequence[str]]:
    """Return which parts to run, and what pytest gets."""
    match arguments:
        case [choice, *rest] if choice in CHOICES:
            return CHOICES[choice], rest
    return PARTS, arguments


def part_of(
    part: Part, arguments: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Return what the part runs, and the arguments that name no tests."""
    named = [each for each in arguments if _is_in(each, "tests")]
    options = [each for each in arguments if each not in named]
    whole = [f for f in part.folders if any(Path(ROOT, f).glob("**/test_*.py"))]
    if not named:
        return whole, options
    around = [f for f in whole if any(_is_in(f, each) for each in named)]
    within = [each for each in named if any(_is_in(each, f) for f in part.folders)]
    return list(dict.fromkeys([*around, *within])), options


def _is_in(name: str, folder: str) -> bool:
    """Return whether a test, as pytest names it, is in a folder, or is all of it."""
    path = Path(ROOT, name.partition("::")[0])
    return path.exists() and path.is_relative_to(Path(ROOT, folder))


def _run(part: Part, arguments: Sequence[str], result: Result) -> None:
    folders, options = part_of(part, arguments)
    if not folders:
        return
    print(f"\n{part.database}: {' '.join(folders)}", flush=True)  # noqa: T201
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            f"-n{part.workers}",
            *colour,
            *folders,
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE": part.database},
        stdout=subprocess.PIPE,
    )
    output = _echo(process)
    failed = process.wait() not in {0, NOTHING_COLLECTED}
    result.failed |= failed
    if not read(output, result) and failed:
        result.problems.append(
            f"ERROR {part.database}: {' '.join(folders)} did not run"
        )
        result.counts["errors"] += 1


def _form(word: str, number: int) -> str:
    """Return `word` as it is said of `number` tests."""
    return word.removesuffix("s") if number == 1 and word in PLURALS.values() else word


def _echo(process: subprocess.Popen[bytes]) -> str:
    """Pass the output on as it comes, not line by line, and return it."""
    assert process.stdout is not None
    chunks = []
    while chunk := os.read(process.stdout.fileno(), 65536):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


def read(output: str, result: Result) -> bool:
    """Add what `output` says to the result; say whether it had a summary at all."""
    lines = _COLOUR.sub("", output).splitlines()
    result.problems += filter(_PROBLEM.match, lines)
    for line in reversed(lines):
        if found := _SUMMARY.fullmatch(line):
            for number, word in _COUNT.findall(found[1]):
                result.counts[PLURALS.get(word, word)] += int(number)
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
