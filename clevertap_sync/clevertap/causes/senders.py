"""Whether somebody else sends events of our names: what is counted and was never ours."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from typing import Final

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import EXACT_BELOW, Cell
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.sized import (
    Candidate,
    Sized,
    find_doubt,
)
from clevertap_sync.clevertap.causes.week import Cause

#: Every record of a built-in event has this property.
_OURS: Final = "Status"

FindSized = Callable[[Cell], Sized | None]


def find_sender_by_property(
    cell: Cell, questions: Questions, find_sized: FindSized, *, is_ours: bool
) -> list[Cause]:
    """Return another sender and what else differs, told apart by a property of our records.

    None where all of it has the property, or where what is ours is not explained.
    """
    scan = questions.scan(cell)
    if scan is None or scan.lacking[_OURS]:
        return []
    ours = questions.count_with(cell, _OURS)
    if ours is None or not 0 < ours < cell.counted:
        return []
    other = cell.counted - ours
    sender = sentences.say_other_sender(other, cell.name, is_ours=is_ours)
    inner = replace(cell, counted=ours, others=other)
    if inner.is_within_doubt:
        return [*find_doubt(inner), sender]
    sized = find_sized(inner)
    return [*sized.put_in_words(), sender] if sized else []


def find_sender_by_company(
    cell: Cell,
    others: Collection[Cell],
    open_cells: Collection[Cell],
    demanded: Candidate | None,
    *,
    is_ours: bool,
) -> list[Cause]:
    """Return another sender where the surplus is real: counts of its size are exact elsewhere.

    `others` are the week's other cells, `open_cells` those of them that nothing explains.
    `demanded` is what the name's policies forbid: it is missing behind the surplus.
    """
    if demanded is not None:
        whole = replace(cell, counted=cell.counted - demanded.low)
        found = find_sender_by_company(whole, others, open_cells, None, is_ours=is_ours)
        return [demanded.say(demanded.low), *found] if found else []
    surplus = cell.difference - cell.expected.maybe_more
    if surplus <= 0 or not _is_real(cell, others, open_cells, is_ours=is_ours):
        return []
    repeats = replace(cell, counted=cell.counted - surplus)
    sender = sentences.say_other_sender(surplus, cell.name, is_ours=is_ours)
    return [*find_doubt(repeats), sender]


def _is_real(
    cell: Cell,
    others: Collection[Cell],
    open_cells: Collection[Cell],
    *,
    is_ours: bool,
) -> bool:
    """Whether the surplus is neither moved from a day beside it nor the count's inexactness."""
    near = {cell.day - timedelta(days=1), cell.day + timedelta(days=1)}
    short = [each for each in open_cells if each.difference < 0]
    if any(each.folded == cell.folded and each.day in near for each in short):
        return False
    if is_ours or cell.counted < EXACT_BELOW:
        return True
    if any(_is_alike(each, cell) and not each.is_recent for each in short):
        return False
    # Nothing of a sample that holds none of ours could come out so large.
    return cell.expected.delivered == 0 or any(
        each.is_full and _is_alike(each, cell) for each in others
    )


def _is_alike(other: Cell, cell: Cell) -> bool:
    """Whether the other count is large enough to be as inexact as this one."""
    return 2 * other.expected.delivered >= cell.counted
