"""Requests of one moment that one thread has in hand: their events share an append."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from referrals.log.counted import count_answers
from referrals.log.drafts import Draft, make_drafts
from referrals.log.results import Result
from referrals.log.writer import (
    Sendable,
    append_drafts,
    check_each,
    explain_to_others,
    refuse_archived,
)
from referrals.models import App
from referrals.schema import IncomingEvent


@dataclass(frozen=True, slots=True)
class Request:
    """What `append` takes of one request that is not strict."""

    app: App
    events: Sequence[Sendable]
    way: str
    request_id: str


#: The answers to a request's events, or why there are none; None: nothing was tried.
Appended = list[Result] | Exception | None


@dataclass(frozen=True, slots=True)
class _Checked:
    good: Mapping[int, IncomingEvent]
    refused: dict[int, Result]
    drafts: Sequence[Draft]


def append_together(requests: Sequence[Request]) -> list[Appended]:
    """Do for each of `requests`, which are of one app, what `append` does for one.

    A request is left to `append` where the fault of all may be one request's.
    """
    checked = [_check(request) for request in requests]
    good = [each for each in checked if isinstance(each, _Checked)]
    drafts = list(chain.from_iterable(each.drafts for each in good))
    failure: Exception | None = None
    answers: Sequence[Result] = ()
    if drafts:
        try:
            answers = append_drafts(requests[0].app.pk, drafts, strict=False)
        except Exception as error:  # noqa: BLE001 - each request's own to raise
            failure = error
    if failure is not None:
        return [
            each if isinstance(each, Exception) else explain_to_others(failure)
            for each in checked
        ]
    left = iter(answers)
    return [
        each
        if isinstance(each, Exception)
        else _complete(request, each, list(islice(left, len(each.drafts))))
        for request, each in zip(requests, checked, strict=True)
    ]


def _check(request: Request) -> _Checked | Exception:
    try:
        refuse_archived(request.app, request.way, len(request.events))
        good, refused = check_each(request.events, strict=False)
        drafts = make_drafts(request.app, good, request_id=request.request_id)
    except Exception as error:  # noqa: BLE001 - the request's own to raise
        return error
    return _Checked(good, refused, drafts)


def _complete(
    request: Request, checked: _Checked, stored: Sequence[Result]
) -> list[Result]:
    answers = checked.refused | {answer.index: answer for answer in stored}
    results = [answers[index] for index in range(len(request.events))]
    count_answers(request.app.pk, request.way, results)
    return results
