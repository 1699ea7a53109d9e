"""What explains the differences of a week: causes with sizes, and a rest that nothing explains.

In this order: names of which CleverTap stores nothing; days of which it has nothing; other
days, which change what should be counted; what the log predicts; people counted in place of
records; somebody else who sends; what is not processed yet. A cause is named only where its
own evidence predicts its size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import Cell, are_rounded, make_cells
from clevertap_sync.clevertap.causes.codes import MEANINGS
from clevertap_sync.clevertap.causes.history import judge_account, judge_changes
from clevertap_sync.clevertap.causes.names import Verdicts, judge_names
from clevertap_sync.clevertap.causes.people import counts_people, expect_people
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.senders import (
    find_sender_by_company,
    find_sender_by_property,
)
from clevertap_sync.clevertap.causes.sized import find_doubt, find_sized
from clevertap_sync.clevertap.causes.week import (
    AccountWeek,
    Cause,
    Evidence,
    Explained,
)
from clevertap_sync.clevertap.causes.zones import find_other_zone

_ORDER = list(MEANINGS)

Key = tuple[str, date]


def explain_week(week: AccountWeek, evidence: Evidence) -> list[Explained]:
    """Return what explains each known count that differs from what was delivered.

    By name and day, as the week has them. A difference within doubt is among them, as sent
    twice or maybe refused. Counts that were not asked are not, nor are those that agree.
    """
    cells = make_cells(week)
    if not any(cell.difference for cell in cells):
        return []
    causes = _Explaining(week, Questions(evidence)).explain(cells)
    return [
        _sum_up(cell, causes.get(cell.key, ())) for cell in cells if cell.difference
    ]


def _sum_up(cell: Cell, causes: Sequence[Cause]) -> Explained:
    ordered = sorted(causes, key=lambda cause: _ORDER.index(cause.code))
    rest = cell.difference - sum(cause.size for cause in ordered)
    return Explained(cell.name, cell.day, cell.difference, ordered, rest)


@dataclass
class _Part:
    """A cell while it is explained.

    `cell` expects what another zone or unit makes of the original, which `change` explains;
    `causes` explain what is left. `cell` is None where nobody knows what to expect.
    """

    original: Cell
    cell: Cell | None
    change: Callable[[int], Cause] | None = None
    causes: list[Cause] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether something is left that is beyond doubt."""
        return not self.causes and not (self.cell and self.cell.is_within_doubt)

    def list_causes(self) -> list[Cause]:
        """Return all causes of the original's difference."""
        if self.cell is None:
            return []
        moved = self.cell.expected.delivered - self.original.expected.delivered
        causes = self.causes or find_doubt(self.cell)
        return [self.change(moved), *causes] if self.change and moved else causes


class _Explaining:
    """A week while it is explained."""

    def __init__(self, week: AccountWeek, questions: Questions) -> None:
        self._week = week
        self._questions = questions
        self._is_ours = week.has_other_integrations

    def explain(self, cells: Sequence[Cell]) -> dict[Key, list[Cause]]:
        """Return the causes of each cell that has some."""
        verdicts = self._judge_whole(cells)
        rest = [cell for cell in cells if cell.key not in verdicts]
        found = {key: [cause] for key, cause in verdicts.items()}
        parts = self._explain_rest(rest)
        return found | {part.original.key: part.list_causes() for part in parts}

    def _judge_whole(self, cells: Sequence[Cell]) -> Verdicts:
        """Return the causes that take a cell's whole difference."""
        verdicts: Verdicts = {}
        for judge in (judge_names, judge_account, judge_changes):
            rest = [cell for cell in cells if cell.key not in verdicts]
            verdicts |= judge(rest, self._week)
        return verdicts

    def _explain_rest(self, cells: Sequence[Cell]) -> list[_Part]:
        parts = self._make_parts(cells)
        if are_rounded([part.cell for part in parts if part.cell]):
            return parts
        # The largest differences have the first claim on what may be asked.
        for part in sorted(parts, key=_size_of_difference):
            self._find_sized(part)
        if self._counts_people(parts):
            parts = [self._count_people(part.original) for part in parts]
        else:
            self._tell_senders_apart(parts)
        self._find_senders(parts)
        for part in parts:
            if part.is_open and part.cell and self._is_not_processed_yet(part.cell):
                part.causes = [sentences.say_not_processed(part.cell.difference)]
        return parts

    def _make_parts(self, cells: Sequence[Cell]) -> list[_Part]:
        """Return the cells as the account's days have them."""
        zone = find_other_zone(cells, self._week)
        if zone is None:
            return [_Part(cell, cell) for cell in cells]
        change = partial(sentences.say_other_zone, zone=zone.name)
        pairs = zip(cells, zone.cells, strict=True)
        return [_Part(cell, moved, change) for cell, moved in pairs]

    def _find_sized(self, part: _Part) -> None:
        if part.cell and part.is_open and not _may_be_late(part.cell):
            part.causes = self._size(part.cell)

    def _size(self, cell: Cell) -> list[Cause]:
        return find_sized(cell, self._questions, deleted=self._week.deleted)

    def _counts_people(self, parts: Sequence[_Part]) -> bool:
        """Whether people are counted, as far as what is not explained yet tells."""
        if any(part.change for part in parts):
            return False
        cells = [part.cell for part in parts if part.cell and not part.causes]
        return counts_people(cells, self._questions)

    def _count_people(self, cell: Cell) -> _Part:
        if cell.difference == 0:
            return _Part(cell, cell)
        expected = expect_people(cell, self._questions.scan(cell))
        return _Part(cell, expected, sentences.say_counts_people)

    def _tell_senders_apart(self, parts: Sequence[_Part]) -> None:
        """Name other senders where a property of our records tells them from ours."""
        for part in sorted(parts, key=_size_of_difference):
            if part.cell and part.is_open and not _may_be_late(part.cell):
                part.causes = find_sender_by_property(
                    part.cell, self._questions, self._size, is_ours=self._is_ours
                )

    def _find_senders(self, parts: Sequence[_Part]) -> None:
        """Name other senders where the counts are exact otherwise."""
        cells = [part.cell for part in parts if part.cell]
        open_parts = [part for part in parts if part.is_open]
        open_cells = [part.cell for part in open_parts if part.cell]
        for part in open_parts:
            if part.cell:
                part.causes = find_sender_by_company(
                    part.cell, cells, open_cells, is_ours=self._is_ours
                )

    def _is_not_processed_yet(self, cell: Cell) -> bool:
        """Whether the cell is young enough, and its count has grown since it was read."""
        if not cell.is_recent or cell.difference > 0:
            return False
        before = self._week.counted_before.get((cell.name, cell.day))
        return cell.is_fresh or before is None or before < cell.counted


def _may_be_late(cell: Cell) -> bool:
    return cell.is_fresh and cell.difference < 0


def _size_of_difference(part: _Part) -> int:
    return -abs(part.original.difference)
