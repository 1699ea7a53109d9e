"""The measurements, by the names that `--only` takes. Each leaves nothing running."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much is done: `quick` a fraction, `growth` also what takes longest."""

    quick: bool = False
    growth: bool = False

    def of(self, whole: int, fraction: int = 8) -> int:
        """Return `whole`, or a part of it where it has to be quick."""
        return max(1, whole // fraction) if self.quick else whole

    def seconds(self, whole: float, quick: float) -> float:
        """Return how long to measure."""
        return quick if self.quick else whole
