"""Requests of one moment that go to one thread together, owner by owner.

A thread of its own for each would have them wait for the interpreter, for the database and
for one another, and cost more in being woken than in answering. While one company is
served, the next gathers. If the last one had several, the next waits a moment for them to
come again: half as long as it took to serve them, since to serve one by itself takes nearly as
long as to serve all. A request alone never waits.

Uses no thread or socket: the event loop calls it, one call at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final, Generic, Protocol, TypeVar

Member = TypeVar("Member")

#: For so much of the time in which the last company was served the next one waits. In a time
#: of its own, it would wait too long where machine and database are quick, and in vain where
#: they are slow.
PATIENCE: Final = 0.5
#: The longest wait for a company.
PATIENCE_SECONDS: Final = 0.005
#: When those who gather wait no longer for a company that is being served: something holds
#: it, and the log has a line of its own.
STUCK_SECONDS: Final = 1.0


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Do not call."""


class Clock(Protocol):
    """What an event loop knows of time."""

    def time(self) -> float:
        """Return the seconds of a clock that only grows."""

    def call_later(
        self, delay: float, callback: Callable[..., None], *args: object
    ) -> Timer:
        """Call `callback` in so many seconds."""


@dataclass(eq=False, slots=True)
class _Gathering(Generic[Member]):
    """An owner's members that gather, and what is known of its last company."""

    members: list[Member] = field(default_factory=list)
    served: int = 0
    expected: int = 1
    began_at: float = -inf
    waits_until: float = -inf
    timer: Timer | None = None


class Companies(Generic[Member]):
    """Gathers members, and calls `serve` with an owner and those that go together.

    Who serves them says `finish` at the end.
    """

    def __init__(
        self, clock: Clock, serve: Callable[[str, list[Member]], None]
    ) -> None:
        self._clock = clock
        self._serve = serve
        self._gatherings: dict[str, _Gathering[Member]] = {}

    def add(self, owner: str, member: Member) -> None:
        """Let one more member be served, soon."""
        gathering = self._gatherings.get(owner)
        if gathering is None:
            gathering = self._gatherings[owner] = _Gathering()
        gathering.members.append(member)
        if gathering.served and gathering.timer is None:
            self._wait(owner, gathering, STUCK_SECONDS)
        elif not gathering.served:
            self._begin_or_wait(owner, gathering)

    def finish(self, owner: str, number: int) -> None:
        """Say that a company of so many was served."""
        gathering = self._gatherings[owner]
        gathering.served -= number
        if gathering.served:
            return
        self._stop_waiting(gathering)
        gathering.expected = number + len(gathering.members)
        now = self._clock.time()
        patience = min(PATIENCE * (now - gathering.began_at), PATIENCE_SECONDS)
        gathering.waits_until = now + patience
        if gathering.members:
            self._begin_or_wait(owner, gathering)
        elif gathering.expected == 1:
            del self._gatherings[owner]
        else:
            self._wait(owner, gathering, patience)

    def _begin_or_wait(self, owner: str, gathering: _Gathering[Member]) -> None:
        left = gathering.waits_until - self._clock.time()
        if len(gathering.members) >= gathering.expected or left <= 0:
            self._begin(owner, gathering)
        elif gathering.timer is None:
            self._wait(owner, gathering, left)

    def _begin(self, owner: str, gathering: _Gathering[Member]) -> None:
        self._stop_waiting(gathering)
        members, gathering.members = gathering.members, []
        if not members:
            if not gathering.served:
                del self._gatherings[owner]
            return
        gathering.served += len(members)
        gathering.began_at = self._clock.time()
        self._serve(owner, members)

    def _wait(self, owner: str, gathering: _Gathering[Member], seconds: float) -> None:
        gathering.timer = self._clock.call_later(
            seconds, self._end_wait, owner, gathering
        )

    def _end_wait(self, owner: str, gathering: _Gathering[Member]) -> None:
        gathering.timer = None
        self._begin(owner, gathering)

    def _stop_waiting(self, gathering: _Gathering[Member]) -> None:
        if gathering.timer is not None:
            gathering.timer.cancel()
            gathering.timer = None
