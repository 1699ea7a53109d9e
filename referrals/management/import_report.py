"""What became of the lines of a file that is imported: numbers, and where to look."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.core.management.base import OutputWrapper

from referrals.hooks.read_export import Read
from referrals.log import Result, Status
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import MEANINGS

SHOWN_LINES: Final = 5
#: Warnings that name their fields may all be different ones.
SHOWN_WARNINGS: Final = 20
#: What became of lines, each with its number.
Batch = list[tuple[int, Read]]


class ImportReport:
    """What became of the lines: the refused ones at once, all else in numbers."""

    def __init__(self, name: str, stderr: OutputWrapper, *, of_source: bool) -> None:
        self._name = name
        self._stderr = stderr
        self._of_source = of_source
        self._counts: Counter[Status] = Counter()
        self._ignored = Remarks("Ignored")
        self._others = Remarks("Duplicate with other content:")
        self._warnings = Remarks("Warning of")

    @property
    def lines(self) -> int:
        """How many events there were, ignored ones among them."""
        return self._counts.total() + self._ignored.total

    @property
    def has_left_out(self) -> bool:
        """Whether anything that belongs into the log is not there."""
        return bool(self._counts[Status.REJECTED] or self._counts[Status.CONFLICT])

    def note_ignored(self, batch: Batch) -> list[tuple[int, Any]]:
        """Count what is no event; return the others with their lines."""
        for number, each in batch:
            if isinstance(each, Ignored):
                self._ignored.count(f"{MEANINGS[each.reason]}.", number)
        return [pair for pair in batch if not isinstance(pair[1], Ignored)]

    def note(self, numbers: Sequence[int], results: Sequence[Result]) -> None:
        """Count what the log has answered, and name what it has refused."""
        for number, result in zip(numbers, results, strict=True):
            status = result.status
            if self._of_source and status is Status.CONFLICT:
                # A platform may know more by then, or less. Nobody can mend it there.
                self._others.count("what came first stays.", number)
                status = Status.DUPLICATE
            elif status in {Status.REJECTED, Status.CONFLICT}:
                where = result.pointer or "/"
                self._stderr.write(
                    f"{self._name}, line {number}: {where}: {result.detail}"
                )
            self._counts[status] += 1
            for warning in result.warnings:
                self._warnings.count(warning, number)

    def summarise(self) -> str:
        """Return how many events had which answer."""
        parts = [f"{self._counts[status]:,} {status}" for status in Status]
        if self._of_source:
            parts.append(f"{self._ignored.total:,} ignored")
        return ", ".join(parts) + "."

    def list_remarks(self) -> Iterator[str]:
        """Yield why lines were ignored, and what is probably a mistake."""
        yield from self._ignored.list_sentences()
        yield from self._others.list_sentences()
        yield from self._warnings.list_sentences()
        if self._warnings.others:
            yield f"Warnings of other kinds: {self._warnings.others:,}."


class Remarks:
    """Sentences about lines: how often each came, and on which lines first."""

    def __init__(self, start: str) -> None:
        self._start = start
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, list[int]] = {}
        #: Those for which there was no room.
        self.others = 0

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total() + self.others

    def count(self, sentence: str, number: int) -> None:
        """Count one on the line with this number."""
        if sentence not in self._counts and len(self._counts) == SHOWN_WARNINGS:
            self.others += 1
            return
        self._counts[sentence] += 1
        lines = self._lines.setdefault(sentence, [])
        if len(lines) < SHOWN_LINES:
            lines.append(number)

    def list_sentences(self) -> Iterator[str]:
        """Yield each with its lines, the most frequent first."""
        for sentence, count in self._counts.most_common():
            lines = ", ".join(f"{line:,}" for line in self._lines[sentence])
            more = ", …" if count > SHOWN_LINES else ""
            word = "line" if count == 1 else "lines"
            yield f"{self._start} {count:,} on {word} {lines}{more}: {sentence}"
