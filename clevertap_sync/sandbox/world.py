"""What the sandbox's threads share: one condition, a clock, and the end of it all."""

import threading
import time
from collections.abc import Callable


class ClosingError(Exception):
    """The sandbox closes: whoever waits gives up."""


class World:
    """One lock for all state, on which every wait can be ended.

    Methods that wait raise `ClosingError` when the sandbox closes meanwhile.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self.condition = threading.Condition()
        self.closing = False
        #: How often `release` was called.
        self.releases = 0

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        self.wait(lambda: False, seconds)

    def wait(self, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `until()` holds or `seconds` have passed; return whether it did."""
        with self.condition:
            reached = self.condition.wait_for(lambda: self.closing or until(), seconds)
            if self.closing:
                raise ClosingError
            return reached

    def wait_for_release(self, since: int) -> None:
        """Wait until somebody calls `release`, or has done so since `releases` was this."""
        self.wait(lambda: self.releases != since)

    def release(self) -> None:
        """Let every request go on that waits for it."""
        with self.condition:
            self.releases += 1
            self.condition.notify_all()

    def close(self) -> None:
        """End every wait."""
        with self.condition:
            self.closing = True
            self.condition.notify_all()
