"""The answers to events that were appended."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from referrals.refusals import Code
from referrals.schema import EventProblem


class Status(StrEnum):
    """The four answers to an event."""

    #: It is in the log now.
    ACCEPTED = "accepted"
    #: It was in the log already, with the same content. Nothing to do.
    DUPLICATE = "duplicate"
    #: Its id is in the log with other content. The stored event stands.
    CONFLICT = "conflict"
    #: It is not in the log. `pointer` and `detail` say why.
    REJECTED = "rejected"

    # That of `Enum` is Python, and each event's answer is counted.
    __hash__ = str.__hash__


_STATUSES: Final = tuple(Status)


class Result(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one event of a request. `index` is its place there, from 0.

    A refusal has a `code`, one of `refusals.Code`, for programs to branch on. More may come,
    so that the schema leaves it open.
    """

    index: int
    id: str | None
    status: Status
    position: int | None = None
    pointer: str | None = None
    detail: str | None = None
    warnings: tuple[str, ...] = ()
    code: str | None = None


class _HasStatus(Protocol):
    @property
    def status(self) -> Status: ...


def count_statuses(results: Sequence[_HasStatus]) -> dict[Status, int]:
    """Return how many results have each of the statuses."""
    statuses = [result.status for result in results]
    return {status: statuses.count(status) for status in _STATUSES}


def make_rejected(index: int, problem: EventProblem) -> Result:
    """Return the answer to an event that breaks a rule."""
    return Result(
        index,
        problem.id,
        Status.REJECTED,
        pointer=problem.pointer,
        detail=problem.detail,
        code=problem.code,
    )


def make_conflict(index: int, event_id: str, position: int | None) -> Result:
    """Return the answer to an id that stands for another event already."""
    return Result(
        index,
        event_id,
        Status.CONFLICT,
        position=position,
        pointer="/id",
        detail="Another event has this id, and it stands. Give each event an id of its "
        "own, and send an event again exactly as it was.",
        code=Code.CONFLICT,
    )


def make_left_out(index: int, event_id: str | None, culprit: int) -> Result:
    """Return the answer to a good event of a strict request that was refused."""
    return Result(
        index,
        event_id,
        Status.REJECTED,
        pointer="",
        detail="Nothing is wrong with this event. A strict request is stored whole or "
        f"not at all, and the event with index {culprit} was refused.",
        code=Code.STRICT,
    )
