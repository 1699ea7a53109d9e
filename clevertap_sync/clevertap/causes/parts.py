"""A cell while it is explained."""

from collections.abc import Callable
from dataclasses import dataclass, field

from clevertap_sync.clevertap.causes.cells import Cell
from clevertap_sync.clevertap.causes.sized import Sized, find_doubt
from clevertap_sync.clevertap.causes.week import Cause


@dataclass
class Part:
    """A cell, and what explains it so far.

    `cell` expects what another zone or unit makes of the original, which `change` explains;
    `causes`, or `sized`, explain what is left. `cell` is None where nobody knows what to expect.
    """

    original: Cell
    cell: Cell | None
    change: Callable[[int], Cause] | None = None
    sized: Sized | None = None
    causes: list[Cause] = field(default_factory=list)

    @property
    def is_explained(self) -> bool:
        """Whether causes were found."""
        return self.sized is not None or bool(self.causes)

    @property
    def is_open(self) -> bool:
        """Whether something is left that is beyond doubt."""
        return not self.is_explained and not (self.cell and self.cell.is_within_doubt)

    @property
    def may_hide_causes(self) -> bool:
        """Whether something else may explain what CleverTap may have refused just as well."""
        cell = self.cell
        return (
            not self.is_explained
            and cell is not None
            and cell.is_within_doubt
            and cell.difference < 0
        )

    @property
    def is_doubt(self) -> bool:
        """Whether there is a difference, and nothing but doubt explains it."""
        if self.sized is not None:
            return self.sized.is_doubt
        return not self.causes and not self.is_open

    def list_causes(self) -> list[Cause]:
        """Return all causes of the original's difference."""
        if self.cell is None:
            return []
        moved = self.cell.expected.delivered - self.original.expected.delivered
        causes = self.causes
        if self.sized is not None:
            causes = self.sized.put_in_words()
        elif not causes:
            causes = find_doubt(self.cell)
        return [self.change(moved), *causes] if self.change and moved else causes
