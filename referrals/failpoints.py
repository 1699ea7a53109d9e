"""Places where a process dies, hangs or fails on order, so that tests can prove the rest.

The settings arm them from FAILPOINTS, and refuse to in production. Unarmed, a place
costs one look at an empty dictionary.

Pure: imports no framework.
"""

import itertools
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Place(StrEnum):
    """Where a fault can be ordered: between two steps that a crash may part."""

    APPEND_WRITTEN = "append.written"  # in the transaction, all is written
    APPEND_COMMITTED = "append.committed"  # no worker has been rung yet
    SPOOL_APPENDED = "spool.appended"  # committed, and still in the spool
    CLAIM_WRITTEN = "claim.written"
    REVIVAL_CLAIMED = "revival.claimed"  # in the transaction, letters are taken
    CLAIM_COMMITTED = "claim.committed"
    EVENT_MAPPED = "event.mapped"  # once for each event
    IDENTITIES_ANSWERED = "identities.answered"  # the canary's look-ups
    ATTEMPT_WRITTEN = "attempt.written"
    ATTEMPT_COMMITTED = "attempt.committed"  # just before the request
    REQUEST_ANSWERED = "request.answered"
    SETTLE_WRITTEN = "settle.written"
    SETTLE_COMMITTED = "settle.committed"
    FAILURE_WRITTEN = "failure.written"  # a request that failed as a whole
    PROBE_ANSWERED = "probe.answered"
    CAUSE_FOUND = "cause.found"  # the hold cause of refused credentials
    ERASURE_REQUESTED = "erasure.requested"  # committed, nothing erased yet
    ERASURE_REPLACED = "erasure.replaced"  # in the transaction, parts are written
    ERASURE_WRITTEN = "erasure.written"  # in the transaction, a chunk is erased
    ERASURE_COMMITTED = "erasure.committed"  # once for each chunk
    PEOPLE_LEARNED = "people.learned"  # in the transaction, nothing matched yet
    PEOPLE_MATCHED = "people.matched"  # in the transaction, all is written
    PEOPLE_COMMITTED = "people.committed"  # no worker has been rung yet
    WAITS_EXPIRED = "waits.expired"  # in the transaction, records are given up
    COUNT_ANSWERED = "count.answered"  # CleverTap's count is not written down yet
    STATEMENTS_WRITTEN = "statements.written"  # in the transaction, a count is there
    COMPARISON_CLOSED = "comparison.closed"  # in the transaction, all is explained
    RETENTION_FOLDED = "retention.folded"  # in the transaction, uploads are removed
    RETENTION_TRIMMED = "retention.trimmed"  # once for each chunk of events


class FailpointError(Exception):
    """A fault that FAILPOINTS ordered."""


@dataclass(frozen=True, slots=True)
class Failpoint:
    """What happens at `place` when it is reached for the `number`th time."""

    place: Place
    action: str
    number: int


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _freeze() -> None:
    # To this thread: it must not get any further before the process stands still.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _hang() -> None:
    threading.Event().wait()


def _raise() -> None:
    msg = "FAILPOINTS ordered this."
    raise FailpointError(msg)


_ACTIONS: Final[Mapping[str, Callable[[], None]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "hang": _hang,
    "raise": _raise,
}
_ORDER: Final = re.compile(
    r"(?P<place>[a-z.]+)=(?P<action>[a-z]+)(?:@(?P<n>[1-9]\d*))?"
)

_armed: dict[Place, tuple[Failpoint, Iterator[int]]] = {}


def reach_failpoint(place: Place) -> None:
    """Do the fault that is armed at `place`. Only tests arm any."""
    if _armed:
        _pass(place)


def is_armed(place: Place) -> bool:
    """Return whether a fault was ordered at `place`."""
    return place in _armed


def parse_failpoints(orders: Sequence[str]) -> list[Failpoint]:
    """Read orders such as `claim.written=kill@2`: at the second pass, once.

    Raises ValueError where one names no place or no action.
    """
    return [_parse(order) for order in orders]


def arm_failpoints(failpoints: Sequence[Failpoint]) -> None:
    """Put these in place of those that were armed before."""
    _armed.clear()
    _armed.update({each.place: (each, itertools.count(1)) for each in failpoints})


def _parse(order: str) -> Failpoint:
    found = _ORDER.fullmatch(order)
    if found is None or found["action"] not in _ACTIONS:
        msg = f"An order is place=action or place=action@n, with {', '.join(_ACTIONS)}."
        raise ValueError(msg)
    return Failpoint(Place(found["place"]), found["action"], int(found["n"] or 1))


def _pass(place: Place) -> None:
    if place not in _armed:
        return
    failpoint, passes = _armed[place]
    # `next` of a count is atomic, so that of several threads exactly one is the nth.
    if next(passes) == failpoint.number:
        _ACTIONS[failpoint.action]()
