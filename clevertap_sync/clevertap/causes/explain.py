"""What explains the differences of a week: causes with sizes, and a rest that nothing explains.

In this order: names of which CleverTap stores nothing; days of which it has nothing; other
days, which change what should be counted; what the log predicts; people counted in place of
records; somebody else who sends; what is not processed yet. A cause is named only where its
own evidence predicts its size.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial

from clevertap_sync.clevertap.causes import sentences
from clevertap_sync.clevertap.causes.cells import (
    Cell,
    are_rounded,
    is_too_many_to_round,
    make_cells,
)
from clevertap_sync.clevertap.causes.codes import ORDER
from clevertap_sync.clevertap.causes.history import (
    judge_account,
    judge_changes,
    judge_discards,
)
from clevertap_sync.clevertap.causes.names import Verdicts, judge_names
from clevertap_sync.clevertap.causes.parts import Part
from clevertap_sync.clevertap.causes.people import counts_people, expect_people
from clevertap_sync.clevertap.causes.policies import (
    find_beside_doubt,
    find_demanded,
    revoke_chances,
)
from clevertap_sync.clevertap.causes.questions import Questions
from clevertap_sync.clevertap.causes.senders import (
    FindSized,
    find_sender_by_company,
    find_sender_by_property,
)
from clevertap_sync.clevertap.causes.sized import Sized, find_sized
from clevertap_sync.clevertap.causes.week import (
    AccountWeek,
    Cause,
    Evidence,
    Explained,
)
from clevertap_sync.clevertap.causes.zones import OtherZone, find_other_zone

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
    ordered = sorted(causes, key=lambda cause: ORDER.index(cause.code))
    rest = cell.difference - sum(cause.size for cause in ordered)
    return Explained(cell.name, cell.day, cell.difference, ordered, rest)


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
        zone = find_other_zone(rest, self._week)
        if zone is None:
            parts = [Part(cell, cell) for cell in rest]
        else:
            # What is counted in part is judged by CleverTap's days.
            silent = {cell.key for cell in cells if not cell.counted}
            verdicts = {key: verdicts[key] for key in verdicts.keys() & silent}
            rest = [cell for cell in cells if cell.key not in verdicts]
            parts = self._move(rest, zone.move(cells, self._week), zone)
        found = {key: [cause] for key, cause in verdicts.items()}
        return found | {
            part.original.key: part.list_causes() for part in self._explain_rest(parts)
        }

    def _judge_whole(self, cells: Sequence[Cell]) -> Verdicts:
        """Return the causes that take a cell's whole difference."""
        if are_rounded(cells):
            cells = [
                cell for cell in cells if cell.counted or is_too_many_to_round(cell)
            ]
        verdicts: Verdicts = {}
        for judge in (judge_discards, judge_names, judge_account, judge_changes):
            rest = [cell for cell in cells if cell.key not in verdicts]
            verdicts |= judge(rest, self._week)
        return verdicts

    def _explain_rest(self, parts: list[Part]) -> list[Part]:
        if are_rounded([part.cell for part in parts if part.cell]):
            return parts
        # The largest differences have the first claim on what may be asked.
        largest = sorted(parts, key=_size_of_difference)
        for part in largest:
            self._find_sized(part)
        policies = revoke_chances(parts, self._questions)
        for part in largest:
            self._apply_policies(part, policies[part.original.folded])
        if self._counts_people(parts):
            parts = [self._count_people(part.original) for part in parts]
            self._tell_senders_apart(parts, _find_nothing)
        else:
            self._tell_senders_apart(parts, self._size)
        self._find_senders(parts, policies)
        always_short = _find_always_short(parts)
        for part in parts:
            if part.is_open and part.cell and part.cell.folded not in always_short:
                part.causes = self._find_late(part.cell, policies[part.cell.folded])
        return parts

    def _move(
        self, cells: Sequence[Cell], moved: Sequence[Cell], zone: OtherZone
    ) -> list[Part]:
        """Return the cells as they `moved` to the days of `zone`, with their verdicts there."""
        change = partial(sentences.say_other_zone, zone=zone.name)
        verdicts = self._judge_whole(moved)
        by_key = {each.key: each for each in moved}
        return [
            Part(cell, by_key[cell.key], change, causes=_list(verdicts.get(cell.key)))
            for cell in cells
        ]

    def _find_sized(self, part: Part, policies: set[str] | None = None) -> None:
        if part.cell and (part.is_open or part.may_hide_causes):
            part.sized = self._size(part.cell, policies=policies)

    def _apply_policies(self, part: Part, policies: set[str]) -> None:
        """Explain a part by what the name's other days have shown."""
        self._find_sized(part, policies)
        if policies and part.cell and part.is_doubt:
            part.causes = find_beside_doubt(part.cell, policies, self._questions)
            part.sized = None if part.causes else part.sized

    def _size(self, cell: Cell, *, policies: set[str] | None = None) -> Sized | None:
        return find_sized(
            cell,
            self._questions,
            were_deleted=self._week.were_deleted,
            policies=policies,
        )

    def _counts_people(self, parts: Sequence[Part]) -> bool:
        """Whether people are counted, as far as what is not explained yet tells."""
        if any(part.change for part in parts):
            return False
        cells = [part.cell for part in parts if part.cell and not part.is_explained]
        return counts_people(cells, self._questions)

    def _count_people(self, cell: Cell) -> Part:
        if cell.difference == 0:
            return Part(cell, cell)
        expected = expect_people(cell, self._questions.scan(cell))
        return Part(cell, expected, sentences.say_counts_people)

    def _tell_senders_apart(self, parts: Sequence[Part], find_sized: FindSized) -> None:
        """Name other senders where a property of our records tells them from ours."""
        for part in sorted(parts, key=_size_of_difference):
            if part.cell and part.is_open:
                part.causes = find_sender_by_property(
                    part.cell, self._questions, find_sized, is_ours=self._is_ours
                )

    def _find_senders(
        self, parts: Sequence[Part], policies: Mapping[str, set[str]]
    ) -> None:
        """Name other senders where the counts are exact otherwise."""
        cells = [part.cell for part in parts if part.cell]
        open_parts = [part for part in parts if part.is_open]
        open_cells = [part.cell for part in open_parts if part.cell]
        for part in open_parts:
            if part.cell:
                demanded = find_demanded(
                    part.cell, policies[part.cell.folded], self._questions
                )
                part.causes = find_sender_by_company(
                    part.cell, cells, open_cells, demanded, is_ours=self._is_ours
                )

    def _find_late(self, cell: Cell, policies: set[str]) -> list[Cause]:
        """Return what is not processed yet, beside what the name's policies forbid."""
        if not self._is_not_processed_yet(cell):
            return []
        late, causes = cell.difference, []
        demanded = find_demanded(cell, policies, self._questions)
        if demanded is not None and late < demanded.low:
            causes = [demanded.say(demanded.low)]
            late -= demanded.low
        return [*causes, sentences.say_not_processed(late)]

    def _is_not_processed_yet(self, cell: Cell) -> bool:
        """Whether the cell is young enough, and its count has grown since it was read."""
        if not cell.is_young or cell.difference > 0:
            return False
        before = self._week.counted_before.get((cell.name, cell.day))
        return cell.is_fresh or before is None or before < cell.counted


def _find_always_short(parts: Sequence[Part]) -> set[str]:
    """Return the folded names of which most days lack some, and nobody knows why.

    That the youngest day lacks some too says nothing of its youth.
    """
    old = [part for part in parts if part.cell and not part.cell.is_young]
    sent = Counter(p.original.folded for p in old if p.original.expected.delivered)
    short = Counter(
        p.original.folded for p in old if p.is_open and p.cell and p.cell.difference < 0
    )
    return {name for name, days in short.items() if days > 1 and 2 * days > sent[name]}


def _find_nothing(_: Cell) -> None:
    """Find no sized cause: the log predicts records, and not how many people have some."""


def _list(cause: Cause | None) -> list[Cause]:
    return [cause] if cause else []


def _size_of_difference(part: Part) -> int:
    return -abs(part.original.difference)
