"""The watchdog's clock in a test's hands: no deadline passes before its moment."""

import time
from typing import Final

from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.client.deadline import Watchdog
from tests.harness.process import PATIENCE_SECONDS

#: Longer than any deadline of a test.
AGES: Final = 1_000_000.0


class Clock:
    """Stands in for the module `time`. It can go faster, or stand still."""

    def __init__(self, dog: Watchdog | None = None) -> None:
        self._deadline = dog.set_deadline if dog else deadline.set_deadline
        self._ahead = 0.0
        self._stands_at: float | None = None

    def monotonic(self) -> float:
        """Return the instant that it is by this clock."""
        return self._ahead + (self._stands_at or time.monotonic())

    def stand_still(self) -> None:
        """Let no time pass, but what `forward` lets pass."""
        self._stands_at = time.monotonic()

    def forward(self, seconds: float = AGES) -> None:
        """Let so much time pass, and return once the watchdog has ended what is over."""
        self._ahead += seconds
        # The first wakes the watchdog. The second comes after all that are due.
        for due in (-10 * AGES, 0):
            with self._deadline(due) as limit:
                limit.over.result(PATIENCE_SECONDS)
