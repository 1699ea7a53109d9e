"""What came of a set-up file, as values: what was made and changed, what was left alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clevertap_sync.models import Integration
from clevertap_sync.provisioning.file_reading import WantedRow
from referrals.history import Difference


class Verb(StrEnum):
    """What was done, or would be."""

    MADE = "made"
    CHANGED = "changed"
    ENABLED = "enabled"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, with where the file asks for it."""

    place: str
    verb: Verb
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence about what stands at a place of the file."""

    place: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A key, a secret or an address that was just made, and is shown this once."""

    place: str
    label: str
    text: str


@dataclass(slots=True)
class Applied:
    """What came of a file. `left_alone`: what is there, and the file does not name."""

    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    warnings: list[Note] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    enabled: list[tuple[str, Integration]] = field(default_factory=list)

    def add_step(
        self, wanted: WantedRow, verb: Verb, differences: Sequence[Difference] = ()
    ) -> None:
        """Note what was done; a change without a difference is none."""
        if differences or verb is not Verb.CHANGED:
            self.steps.append(Step(wanted.place, verb, tuple(differences)))

    def add_note(self, wanted: WantedRow, sentence: str) -> None:
        """Note what was found and left as it is."""
        self.notes.append(Note(wanted.place, sentence))

    def warn(self, place: str, *sentences: str) -> None:
        """Note what is probably not meant."""
        self.warnings += (Note(place, each) for each in sentences)
