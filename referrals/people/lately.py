"""What this process learned lately: a side that it has met teaches nothing again.

That holds while nothing of what was learned before has become untrue: until the app's
generation of people rises. Most sides are met again and again, and cost no look-up then.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from referrals.learning.learner import SEEN_EVERY
from referrals.log import LoggedPerson

#: How many sides of an app are remembered, about two hundred bytes each.
MOST: Final = 20_000
_DIGEST_BYTES: Final = 16

#: A side: whether it is of test, and a digest of its identities as they were sent. They may
#: be long, and nobody's stay in memory for as long as a process lives.
Side = tuple[bool, bytes]


class LatelyLearned:
    """The sides that one app taught, with when the oldest of their identities was last seen."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._seen: dict[Side, datetime] = {}

    def is_known(self, side: Side, at: datetime) -> bool:
        """Return whether a side that is seen `at` an instant changes nothing."""
        seen_at = self._seen.get(side)
        return seen_at is not None and at - seen_at < SEEN_EVERY

    def add(self, sides: Iterable[tuple[Side, datetime]]) -> None:
        """Remember sides, in place of the oldest."""
        self._seen.update(sides)
        while len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]


_apps: dict[int, LatelyLearned] = {}


def make_side(person: LoggedPerson, *, test: bool) -> Side:
    """Return by what a side is remembered."""
    encoded = _encode(person.identities)
    return test, blake2b(encoded, digest_size=_DIGEST_BYTES).digest()


def recall(app_id: int, generation: int) -> LatelyLearned:
    """Return what was learned lately from an app, as long as all of it still holds."""
    known = _apps.get(app_id)
    if known is None or known.generation != generation:
        known = _apps[app_id] = LatelyLearned(generation)
    return known


def forget_app(app_id: int) -> None:
    """Remember nothing of an app."""
    _apps.pop(app_id, None)


_encode: Final = msgspec.json.Encoder().encode
