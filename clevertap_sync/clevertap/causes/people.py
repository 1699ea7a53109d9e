"""Whether CleverTap counts people: then records of people counted already are not missing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from clevertap_sync.clevertap.causes.cells import Cell
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.week import Delivered, LogScan

#: Cells that tell, at least and at most.
_LEAST, _MOST = 2, 12
_MOST_OF_A_NAME: Final = 4
#: Of the cells that tell, those that have to fit, out of…
_SHARE, _OUT_OF = 3, 5
#: A single record may be missing by chance. So much has to be explained in all.
_LEAST_EXPLAINED: Final = 5


def counts_people(cells: Sequence[Cell], questions: Questions) -> bool:
    """Whether counts are the numbers of distinct people, to the last one.

    The largest cells tell in which people have several records each; one that counts all
    of its records speaks against it. What may not be processed yet tells nothing.
    """
    old = [cell for cell in cells if not cell.is_recent and cell.expected.delivered]
    if sum(cell.difference < 0 and not cell.is_within_doubt for cell in old) < _LEAST:
        return False
    told = list(_find_telling(old, questions))
    fitting = [cell for cell, people in told if _is_number(cell, people)]
    against = [cell for cell, _ in told if cell.is_within_doubt]
    return (
        len(fitting) >= _LEAST
        and not against
        and len(fitting) * _OUT_OF >= len(told) * _SHARE
        and -sum(cell.difference for cell in fitting) >= _LEAST_EXPLAINED
    )


def _find_telling(
    cells: Iterable[Cell], questions: Questions
) -> Iterable[tuple[Cell, int]]:
    for cell in _list_largest(cells):
        scan = questions.scan(cell)
        if scan is not None and scan.people < scan.records - cell.expected.maybe_fewer:
            yield cell, scan.people


def _list_largest(cells: Iterable[Cell]) -> list[Cell]:
    """Return the largest cells of each name: another cause of one name hides nothing then."""
    largest: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: -cell.expected.delivered):
        row = largest.setdefault(cell.folded, [])
        if len(row) < _MOST_OF_A_NAME:
            row.append(cell)
    return [cell for row in zip_longest(*largest.values()) for cell in row if cell][
        :_MOST
    ]


def _is_number(cell: Cell, people: int) -> bool:
    return people - cell.expected.maybe_fewer <= cell.counted <= people


def expect_people(cell: Cell, scan: LogScan | None) -> Cell | None:
    """Return the cell as it should be where people are counted; None: nobody knows."""
    if cell.expected.delivered == 0:
        return cell
    if scan is None:
        return None
    fewer = min(cell.expected.maybe_fewer, scan.people)
    return replace(cell, expected=Delivered(scan.people, 0, fewer))
