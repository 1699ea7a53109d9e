"""Bars over time, drawn on the server. Pure: counts in, the geometry of an SVG out.

`referrals/bars.html` draws what `draw_bars` returns: one column per period, its kinds stacked.
The colours belong to the kinds and stand in the stylesheet, as `.bar-<kind>`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from referrals import words

#: The drawing's own units. The browser stretches it to the room that there is.
HEIGHT: Final = 100.0
COLUMN: Final = 10.0
_GAP: Final = 2.0
#: A count above 0 is visible, however small it is beside the others.
_SMALLEST: Final = 2.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a column, from `y` downwards."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class BarColumn:
    """One period. `title` says in words what its height shows."""

    label: str
    title: str
    counts: tuple[int, ...]
    x: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """A chart. `highest` is the count that the full height stands for."""

    caption: str
    kinds: tuple[tuple[str, str, int], ...]
    columns: tuple[BarColumn, ...]
    highest: int
    width: str = ""
    column_width: str = f"{COLUMN - _GAP:g}"
    ends: tuple[str, str] = ("", "")

    @property
    def total(self) -> int:
        """Return the sum of all that is shown."""
        return sum(count for _, _, count in self.kinds)


def draw_bars(
    caption: str,
    kinds: Mapping[str, str],
    periods: Sequence[tuple[str, Mapping[str, int]]],
    *,
    ends: tuple[str, str] | None = None,
) -> BarChart:
    """Return the chart of `periods`, oldest first, each with its label and its counts.

    `kinds` names what is counted, from the bottom of a column to its top: the kind, which
    decides the colour, and what people call it. A kind that a period lacks counts 0.
    `ends` stand below the first and the last column, else these columns' labels.
    """
    highest = max((sum(counts.values()) for _, counts in periods), default=0)
    return BarChart(
        caption=caption,
        kinds=tuple(
            (kind, name, sum(counts.get(kind, 0) for _, counts in periods))
            for kind, name in kinds.items()
        ),
        columns=tuple(
            BarColumn(
                label,
                _title(label, kinds, counts),
                tuple(counts.get(kind, 0) for kind in kinds),
                f"{number * COLUMN + _GAP / 2:g}",
                _segments([(kind, counts.get(kind, 0)) for kind in kinds], highest),
            )
            for number, (label, counts) in enumerate(periods)
        ),
        highest=highest,
        width=f"{len(periods) * COLUMN:g}",
        ends=ends or ((periods[0][0], periods[-1][0]) if periods else ("", "")),
    )


@dataclass(frozen=True, slots=True)
class BarShare:
    """A stretch of a bar: where it begins and how long it is, in percent."""

    kind: str
    count: int
    start: str
    width: str


def list_bar_shares(total: int, **counts: int) -> tuple[BarShare, ...]:
    """Return the parts of one bar whose full length is `total`, or their sum if larger."""
    whole = max(total, sum(counts.values()))
    found, start = [], 0.0
    for kind, count in counts.items():
        if count:
            width = 100 * count / whole
            found.append(BarShare(kind, count, f"{start:.2f}%", f"{width:.2f}%"))
            start += width
    return tuple(found)


def _title(label: str, kinds: Mapping[str, str], counts: Mapping[str, int]) -> str:
    parts = ", ".join(
        f"{words.format_number(counts.get(kind, 0))} {name}"
        for kind, name in kinds.items()
    )
    return f"{label}: {parts}"


def _segments(counts: Sequence[tuple[str, int]], highest: int) -> tuple[Segment, ...]:
    heights = {
        kind: max(_SMALLEST, HEIGHT * count / highest)
        for kind, count in counts
        if count
    }
    if not heights:
        return ()
    # What little ones take beyond their share, the largest gives.
    largest = max(heights, key=lambda kind: heights[kind])
    heights[largest] -= max(0.0, sum(heights.values()) - HEIGHT)
    segments, top = [], HEIGHT
    for kind, height in heights.items():
        top -= height
        segments.append(Segment(kind, f"{max(0.0, top):.2f}", f"{height:.2f}"))
    return tuple(segments)
