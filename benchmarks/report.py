"""What was found, as text on a terminal and as markdown between a document's markers."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = Sequence[str]


@dataclass
class Table:
    """Rows of texts under a title. `notes` say what a reader must know to read them."""

    title: str
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the table for a terminal."""
        widths = [max(map(len, column)) for column in zip(*self._grid(), strict=True)]
        lines = ["  ".join(self._padded(row, widths)).rstrip() for row in self._grid()]
        lines.insert(1, "  ".join("─" * width for width in widths))
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([self.title, "", *lines, *([""] if notes else []), *notes])

    def markdown(self, *, heading: str = "###") -> str:
        """Return the table for a document."""
        rule = "|" + "|".join(["---", *["---:"] * (len(self.columns) - 1)]) + "|"
        rows = ["| " + " | ".join(row) + " |" for row in self._grid()]
        rows.insert(1, rule)
        notes = [line for note in self.notes for line in ("", note)]
        return "\n".join([f"{heading} {self.title}", "", *rows, *notes])

    def _grid(self) -> list[Sequence[str]]:
        return [self.columns, *self.rows]

    @staticmethod
    def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        for index, (text, width) in enumerate(zip(row, widths, strict=True)):
            yield text.rjust(width) if index else text.ljust(width)


@dataclass(frozen=True)
class Highlight:
    """One line of the README's table: a result of ours beside somebody's."""

    what: str
    ours: str
    beside: str
    ratio: str


@dataclass
class Findings:
    """What one measurement found."""

    tables: list[Table]
    highlights: list[Highlight] = field(default_factory=list)


def summary(highlights: Sequence[Highlight]) -> Table:
    """Return the README's table."""
    rows: list[Row] = [
        (line.what, line.ours, line.beside, line.ratio) for line in highlights
    ]
    columns = ("", "this service", "beside it", "ratio")
    return Table("In short", columns, rows)


def write(path: Path, content: str, *, markers: str = "benchmarks") -> None:
    """Put `content` between the markers of a document."""
    begin, end = f"<!-- {markers}: begin -->", f"<!-- {markers}: end -->"
    text = path.read_text(encoding="utf-8")
    before, has_begin, rest = text.partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        message = f"{path.name} has no lines {begin} and {end} to write between."
        raise ValueError(message)
    path.write_text(f"{before}{begin}\n{content}\n{end}{after}", encoding="utf-8")


def number(value: float) -> str:
    """Return a number with three significant digits, as people read it."""
    if value >= 100:
        digits = len(str(int(value)))
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:.3g}"


def times(value: float) -> str:
    """Return a ratio."""
    return f"{number(value)} ×"


def milliseconds(seconds: float) -> str:
    """Return a short time."""
    return f"{number(seconds * 1000)} ms"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def progress(text: str) -> None:
    """Tell whoever waits what is measured now."""
    print(f"  {text}", file=sys.stderr, flush=True)
