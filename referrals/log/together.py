"""Requests of one moment that one thread has in hand: their events share an append."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from referrals.log.counted import count_answers
from referrals.log.drafts import Draft, Forms, make_drafts
from referrals.log.results import Result
from referrals.log.writer import (
    GROUP_EVENTS,
    SMALL_EVENTS,
    Sendable,
    append_drafts,
    check_each,
    explain_to_others,
    order_answers,
    refuse_archived,
)
from referrals.models import App


@dataclass(frozen=True, slots=True)
class Request:
    """What `append` takes of one request that is not strict."""

    app: App
    events: Sequence[Sendable]
    way: str
    request_id: str
    forms: Forms = ()


#: The answers to a request's events, or why there are none; None: nothing was tried.
Appended = list[Result] | Exception | None


@dataclass(frozen=True, slots=True)
class _Checked:
    refused: Mapping[int, Result]
    drafts: Sequence[Draft]


def append_together(requests: Sequence[Request]) -> list[Appended]:
    """Do for each of `requests`, which are of one app, what `append` does for one.

    A request is left to `append` where the fault of all may be one request's, and where it
    or all before it are large.
    """
    checked = [
        _check(request) if is_small else None
        for request, is_small in zip(requests, _find_small(requests), strict=True)
    ]
    good = [each for each in checked if isinstance(each, _Checked)]
    drafts = list(chain.from_iterable(each.drafts for each in good))
    database = connections[DEFAULT_DB_ALIAS]
    try:
        stored = (
            append_drafts(database, requests[0].app.pk, drafts, strict=False)
            if drafts
            else ()
        )
    except Exception as error:  # noqa: BLE001 - each request's own to raise
        return [
            explain_to_others(error) if isinstance(each, _Checked) else each
            for each in checked
        ]
    left = iter(stored)
    return [
        _complete(database, request, each, list(islice(left, len(each.drafts))))
        if isinstance(each, _Checked)
        else each
        for request, each in zip(requests, checked, strict=True)
    ]


def _find_small(requests: Sequence[Request]) -> list[bool]:
    """Say of each request whether it gains by company, and all before it leave it room."""
    left = GROUP_EVENTS
    are_small = []
    for request in requests:
        number = len(request.events)
        are_small.append(number <= min(SMALL_EVENTS, left))
        left -= number if are_small[-1] else 0
    return are_small


def _check(request: Request) -> _Checked | Exception:
    try:
        refuse_archived(request.app, request.way, len(request.events))
        good, refused = check_each(request.events, strict=False)
        drafts = make_drafts(
            request.app, good, request_id=request.request_id, forms=request.forms
        )
    except Exception as error:  # noqa: BLE001 - the request's own to raise
        return error
    return _Checked(refused, drafts)


def _complete(
    database: BaseDatabaseWrapper,
    request: Request,
    checked: _Checked,
    stored: Sequence[Result],
) -> list[Result]:
    results = order_answers(checked.refused, stored)
    count_answers(database, request.app.pk, request.way, results)
    return results
