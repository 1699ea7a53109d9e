"""Which request gets the next free thread: app by app, and within an app key by key.

An app that is alone may have nearly all threads; as soon as another app waits, it has its
share. Uses no thread, clock or socket: the event loop calls it, one call at a time.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from integration_project.web import request_limits

Work = TypeVar("Work")


@dataclass(eq=False, slots=True)
class Turn(Generic[Work]):
    """A request that wants a thread. `owner` is the app, `key` one of its callers.

    `size` is that of its body, and `weight` how many of `request_limits.HEAVY_PLACES` it needs. A
    turn that is not `is_limited` is never refused for the share of its owner.
    """

    owner: str
    key: str
    size: int
    weight: int
    is_limited: bool
    work: Work
    has_begun: bool = False
    number: int = 0


class OverShareError(Exception):
    """Another app waits, and this one has its share of the places."""


@dataclass(eq=False, slots=True)
class _Lane(Generic[Work]):
    """An owner's waiting turns, light or heavy: its keys take turns."""

    keys: OrderedDict[str, deque[Turn[Work]]] = field(default_factory=OrderedDict)

    def add(self, turn: Turn[Work]) -> None:
        self.keys.setdefault(turn.key, deque()).append(turn)

    def first(self) -> Turn[Work] | None:
        return next(iter(self.keys.values()))[0] if self.keys else None

    def take(self) -> Turn[Work]:
        key, turns = self.keys.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self.keys[key] = turns
        return turn

    def remove(self, turn: Turn[Work]) -> None:
        turns = self.keys[turn.key]
        turns.remove(turn)
        if not turns:
            del self.keys[turn.key]

    def __iter__(self) -> Iterator[Turn[Work]]:
        for turns in self.keys.values():
            yield from turns


@dataclass(eq=False, slots=True)
class _Owner(Generic[Work]):
    """An app's turns in this process, and its numbers."""

    light: _Lane[Work] = field(default_factory=_Lane)
    heavy: _Lane[Work] = field(default_factory=_Lane)
    running: int = 0
    #: When it was served last, in numbers that only grow.
    served: int = 0
    waiting: int = 0
    waiting_bytes: int = 0

    def lane_of(self, turn: Turn[Work]) -> _Lane[Work]:
        return self.heavy if turn.weight else self.light


class Turns(Generic[Work]):
    """The requests that wait for a thread, and those that have one.

    `threads` is how many there are, `share` the percentage of them, and of the places to
    wait in, that an app has while another waits.
    """

    def __init__(self, *, threads: int, share: int) -> None:
        self._threads = threads
        # One thread stays free for the next app.
        self._alone = max(1, threads - 1)
        self._together = max(1, min(self._alone, threads * share // 100))
        self._places = max(1, threads * request_limits.PLACES_A_THREAD * share // 100)
        self._owners: dict[str, _Owner[Work]] = {}
        self._numbers = count(1)
        self._running = 0
        self._weight = 0
        self._owners_waiting = 0

    def add(self, turn: Turn[Work]) -> None:
        """Let it wait. Raises `OverShareError`, and takes nothing, where it has no place."""
        owner = self._owners.get(turn.owner)
        if owner is None:
            owner = self._owners[turn.owner] = _Owner()
        elif (
            turn.is_limited
            and owner.running + owner.waiting >= self._places
            and self._do_others_wait(owner)
        ):
            raise OverShareError
        turn.number = next(self._numbers)
        owner.lane_of(turn).add(turn)
        self._note_waiting(owner, turn, 1)

    def take(self) -> Turn[Work] | None:
        """Return the next turn, or None while no thread is free or no app may have one."""
        if self._running == self._threads or not self._owners_waiting:
            return None
        # The app with the fewest threads is first; among equals, the one that was served
        # longest ago.
        owners = sorted(self._owners.values(), key=lambda o: (o.running, o.served))
        heavy: Turn[Work] | None = self._next_heavy(owners)
        for owner in owners:
            turn = self._next_of(owner, heavy)
            if turn is not None:
                return self._begun(owner, turn)
        return None

    def finish(self, turn: Turn[Work]) -> None:
        """Say that what `take` returned is done with its thread."""
        owner = self._owners[turn.owner]
        owner.running -= 1
        self._running -= 1
        self._weight -= turn.weight
        self._remove_if_idle(turn.owner)

    def leave(self, turn: Turn[Work]) -> None:
        """Take out what waits no longer."""
        owner = self._owners[turn.owner]
        owner.lane_of(turn).remove(turn)
        self._note_waiting(owner, turn, -1)
        self._remove_if_idle(turn.owner)

    def find_largest_of_others(self, than: str) -> Turn[Work] | None:
        """Return the newest waiting turn of the app with most bytes; None if that is `than`."""
        waiting = [
            (owner.waiting_bytes, name)
            for name, owner in self._owners.items()
            if owner.waiting
        ]
        _, name = max(waiting, default=(0, than))
        if name == than:
            return None
        owner = self._owners[name]
        turns: list[Turn[Work]] = [*owner.light, *owner.heavy]
        return max(turns, key=lambda turn: turn.number)

    def _next_heavy(self, owners: Iterable[_Owner[Work]]) -> Turn[Work] | None:
        """Return the heavy turn that is next, if there is room for it.

        While there is none, no other goes before it, or it might wait for ever.
        """
        for owner in owners:
            turn = owner.heavy.first()
            if turn is not None and self._may_run(owner):
                has_room = self._weight + turn.weight <= request_limits.HEAVY_PLACES
                return turn if has_room else None
        return None

    def _next_of(
        self, owner: _Owner[Work], heavy: Turn[Work] | None
    ) -> Turn[Work] | None:
        if not owner.waiting or not self._may_run(owner):
            return None
        light: Turn[Work] | None = owner.light.first()
        if heavy is None or heavy is not owner.heavy.first():
            return light
        if light is not None and light.number < heavy.number:
            return light
        return heavy

    def _may_run(self, owner: _Owner[Work]) -> bool:
        most = self._together if self._do_others_wait(owner) else self._alone
        return owner.running < most

    def _begun(self, owner: _Owner[Work], turn: Turn[Work]) -> Turn[Work]:
        taken = owner.lane_of(turn).take()
        self._note_waiting(owner, taken, -1)
        owner.running += 1
        owner.served = next(self._numbers)
        self._running += 1
        self._weight += taken.weight
        taken.has_begun = True
        return taken

    def _note_waiting(self, owner: _Owner[Work], turn: Turn[Work], step: int) -> None:
        was_waiting = owner.waiting > 0
        owner.waiting += step
        owner.waiting_bytes += step * turn.size
        self._owners_waiting += (owner.waiting > 0) - was_waiting

    def _do_others_wait(self, owner: _Owner[Work]) -> bool:
        return self._owners_waiting > (owner.waiting > 0)

    def _remove_if_idle(self, name: str) -> None:
        owner = self._owners[name]
        if not owner.running and not owner.waiting:
            del self._owners[name]
