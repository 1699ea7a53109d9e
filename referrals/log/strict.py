"""The answers to a strict request of which nothing is stored. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from referrals.log.results import Result, Status, make_left_out
from referrals.refusals import Code
from referrals.schema import EventProblem, IncomingEvent, find_warnings

_REFUSALS = {Status.REJECTED, Status.CONFLICT}


def refuse_with_warning(event: IncomingEvent) -> IncomingEvent | EventProblem:
    """Return the event, or a problem for the first warning that it would get."""
    for pointer, detail in find_warnings(event):
        return EventProblem(Code.DOUBTFUL, pointer, detail, event.id)
    return event


def has_refusal(answers: Sequence[Result]) -> bool:
    """Return whether one of `answers` stops a strict request."""
    return any(answer.status in _REFUSALS for answer in answers)


def leave_out_good(
    refused: Mapping[int, Result], good: Mapping[int, str]
) -> list[Result]:
    """Return all answers: the refusals, and good events, by index, as left out by them.

    Of each good event its id is told.
    """
    culprit = min(refused)
    others = {i: make_left_out(i, event_id, culprit) for i, event_id in good.items()}
    answers = {**refused, **others}
    return [answers[index] for index in sorted(answers)]


def take_back_new(answers: Sequence[Result], head: int) -> list[Result]:
    """Return `answers` without the positions after `head`, which were not stored.

    A duplicate of an event that the log had before stays one.
    """
    culprit = min(answer.index for answer in answers if answer.status in _REFUSALS)

    def taken_back(answer: Result) -> Result:
        if answer.position is None or answer.position <= head:
            return answer
        if answer.status is Status.CONFLICT:
            return msgspec.structs.replace(answer, position=None)
        return make_left_out(answer.index, answer.id, culprit)

    return [taken_back(answer) for answer in answers]
