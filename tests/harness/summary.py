"""What the parts of a test run came to: one summary, in pytest's own words.

Its last lines fit on a screen, however much failed: which tests, why in a line each, and
where the whole output is.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.harness.failures import Failure

WIDTH: Final = 80
#: With two lines each, and what stands around them, they fit into 24 lines.
SHOWN_FAILURES: Final = 9
PLURALS: Final = {"error": "errors", "warning": "warnings"}
#: Pytest's own.
ORDER: Final = (
    *("failed", "passed", "skipped", "deselected", "xfailed", "xpassed"),
    *("warnings", "errors"),
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY: Final = re.compile(r"=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*")
_COUNT: Final = re.compile(r"(\d+) ([a-z]+)")


@dataclass
class Result:
    """What the parts came to, summed up."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    failed: bool = False
    #: What each part took.
    seconds: dict[str, float] = field(default_factory=dict)

    def read(self, output: str) -> bool:
        """Add the counts in pytest's output; return whether it had a summary at all."""
        for line in reversed(_COLOUR.sub("", output).splitlines()):
            if found := _SUMMARY.fullmatch(line):
                for number, word in _COUNT.findall(found[1]):
                    self.counts[PLURALS.get(word, word)] += int(number)
                return True
        return False

    def did_not_run(self, part: str) -> None:
        """Count a part that ended without a summary as one error."""
        self.failures.append(Failure("ERROR", part, "did not run to its end"))
        self.counts["errors"] += 1

    def summary(self, seconds: float, output: Path | None) -> str:
        """Return the last lines: what failed and why, and how many tests did what."""
        counts = ", ".join(
            f"{self.counts[word]} {_form(word, self.counts[word])}"
            for word in ORDER
            if self.counts[word]
        )
        line = f" {counts or 'no tests ran'} in {seconds:.2f}s "
        return "\n".join([*self._failures(output), line.center(WIDTH, "=")])

    def _failures(self, output: Path | None) -> list[str]:
        if not self.failures:
            return []
        shown = self.failures[:SHOWN_FAILURES]
        more = len(self.failures) - len(shown)
        return [
            " short test summary info ".center(WIDTH, "="),
            *(line for failure in shown for line in failure.lines(WIDTH)),
            *([f"… and {more} more."] if more else []),
            *([f"The whole output is in {output}"] if output else []),
        ]

    def table(self) -> str:
        """Return how long each part took."""
        return "\n".join(
            f"{seconds:7.1f} s  {part}" for part, seconds in self.seconds.items()
        )


def _form(word: str, number: int) -> str:
    """Return `word` as it is said of `number` tests."""
    return word.removesuffix("s") if number == 1 and word in PLURALS.values() else word
