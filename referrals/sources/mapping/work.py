"""How much a translation has done, counted in steps and characters, and bounded. Pure.

A mapping cannot loop. What it can do is read the same large value again for every item of
a batch, which would cost the square of the body's size; so all that is read is counted,
and a call has an allowance that is linear in its size.
"""

from typing import Final

#: Each rule may read the whole body once.
_PER_BYTE: Final = 64
#: Each path of a mapping has so many steps at most, with what else an item costs.
_PER_ITEM: Final = 8_192


class TooMuchWorkError(Exception):
    """A mapping reads more of a call than any call is worth."""


class Work:
    """What has been done (`done`) of what may be (`allowed`)."""

    def __init__(self, *, size: int, items: int) -> None:
        self.allowed = _PER_BYTE * size + _PER_ITEM * (items + 1)
        self.done = 0

    def charge(self, amount: int) -> None:
        """Count `amount` steps or characters. Raises `TooMuchWorkError`, before they are done."""
        self.done += amount
        if self.done > self.allowed:
            raise TooMuchWorkError
