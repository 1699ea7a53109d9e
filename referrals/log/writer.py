"""Appending to the log: validate first, then one short transaction under the app's lock.

Threads of a process that append to one log at the same moment share a transaction, and so
its round trips, its sync to the disk and its ring.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import Any, Final

from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    Error,
    InterfaceError,
    OperationalError,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from referrals.database_connection import give_connection_back, is_in_transaction
from referrals.ingest.counter import WayIn
from referrals.log.counted import count_answers, count_archived
from referrals.log.drafts import (
    Draft,
    Forms,
    PreparedEvent,
    make_drafts,
    make_prepared_drafts,
    pack_drafts,
)
from referrals.log.grouping import WaitedTooLongError, WaitingLine
from referrals.log.results import Result, make_rejected
from referrals.log.storing import Answers, store_drafts
from referrals.log.strict import leave_out_good, refuse_with_warning
from referrals.models import App
from referrals.schema import EventProblem, IncomingEvent, check_object

Sendable = IncomingEvent | EventProblem | Mapping[str, Any]
Requests = Sequence[Sequence[Draft]]

_CHECKED: Final = (IncomingEvent, EventProblem)
#: As many events as one request has at most.
GROUP_EVENTS: Final = 1_000
#: A larger request saves little in a group, and delays the others.
SMALL_EVENTS: Final = 100
#: About the time that a caller takes from an answer to its next request.
PATIENCE_SECONDS: Final = 0.002
#: As long as the database lets a statement take.
TURN_SECONDS: Final = 15.0
#: SQLSTATE class 54, program limit exceeded: the fault lies in the events.
LIMIT_EXCEEDED: Final = "54"


class ArchivedAppError(Exception):
    """An archived app accepts no events."""


def append(
    app: App,
    events: Sequence[Sendable],
    *,
    strict: bool = False,
    way: str = WayIn.PYTHON,
    may_differ: bool = False,
    request_id: str = "",
    forms: Forms = (),
) -> list[Result]:
    """Store the good ones among `events` after the log's head; answer each, in order.

    An event whose id is there already is a `duplicate`, or a `conflict` where its
    content differs; of equal ids in `events`, the first good one counts. With `strict`,
    a warning is a refusal, and one event that is rejected or in conflict means that
    nothing is stored: the good ones are then `rejected` too, with a detail that says so.

    `way` is how the events came in, for counting: see `ingest`. `may_differ` says that a
    platform told of them, in calls or in an export: a conflict is counted as a duplicate.
    `request_id` names the HTTP request that brought them, as `api.request_id` chose it; the
    log keeps it with each event that it stores now. `forms` are those of `events`, as
    `event_forms` makes them, where they were made already.

    In a transaction of the caller's, `accepted` means accepted once that commits. Make
    it the last statement there: until the commit, every other append to this log waits.
    At REPEATABLE READ or SERIALIZABLE, another append since the snapshot is a database
    error: run the transaction again.

    Raises `ArchivedAppError`, and lets a database's errors through; nothing is stored
    then, and appending the same events again is harmless.
    """
    refuse_archived(app, way, len(events))
    database = connections[DEFAULT_DB_ALIAS]
    answers = _answer_each(
        database, app, events, strict=strict, request_id=request_id, forms=forms
    )
    count_answers(database, app.pk, way, answers, may_differ=may_differ)
    return answers


def append_in_runs(
    app: App,
    runs: Iterable[tuple[Sequence[Sendable], Forms]],
    *,
    strict: bool = False,
    way: str = WayIn.PYTHON,
    request_id: str = "",
) -> list[Result]:
    """Do what `append` does, with one request's events that come some at a time.

    Each of `runs` has events and their forms. Only what the log will keep of them stays in
    memory, and that as JSON.
    """
    drafts, refused = _read_runs(app, runs, strict=strict, request_id=request_id)
    refuse_archived(app, way, len(drafts) + len(refused))
    database = connections[DEFAULT_DB_ALIAS]
    answers = _store_good(database, app, drafts, refused, strict=strict)
    count_answers(database, app.pk, way, answers)
    return answers


def append_prepared(
    app: App, events: Sequence[PreparedEvent], *, way: str
) -> list[Result]:
    """Store events of `prepare_for_later` after the log's head; answer each, in order.

    As `append` otherwise, and with what it raises. The log receives them now, but those
    without a time of their own happened when they were prepared.
    """
    refuse_archived(app, way, len(events))
    database = connections[DEFAULT_DB_ALIAS]
    drafts = make_prepared_drafts(app, events)
    answers = list(append_drafts(database, app.pk, drafts, strict=False))
    count_answers(database, app.pk, way, answers)
    return answers


def refuse_archived(app: App, way: str, number: int) -> None:
    """Raise `ArchivedAppError`, and count the events, if the app is archived."""
    if app.archived_at is not None:
        msg = f"The app {app.slug} is archived: it accepts no events."
        count_archived(app.pk, way, number, msg)
        raise ArchivedAppError(msg)


def _answer_each(
    database: BaseDatabaseWrapper,
    app: App,
    events: Sequence[Sendable],
    *,
    strict: bool,
    request_id: str,
    forms: Forms,
) -> list[Result]:
    good, refused = check_each(events, strict=strict)
    drafts = make_drafts(app, good, request_id=request_id, forms=forms)
    return _store_good(database, app, drafts, refused, strict=strict)


def _store_good(
    database: BaseDatabaseWrapper,
    app: App,
    drafts: Sequence[Draft],
    refused: Mapping[int, Result],
    *,
    strict: bool,
) -> list[Result]:
    """Store the drafts of a request, unless it is strict and one event was refused."""
    if strict and refused:
        return leave_out_good(refused, {draft.index: draft.key for draft in drafts})
    if not drafts:
        return order_answers(refused, ())
    stored = append_drafts(database, app.pk, drafts, strict=strict)
    return order_answers(refused, stored)


def _read_runs(
    app: App,
    runs: Iterable[tuple[Sequence[Sendable], Forms]],
    *,
    strict: bool,
    request_id: str,
) -> tuple[list[Draft], dict[int, Result]]:
    """Return the drafts of the good events, packed, and the answers to the others."""
    drafts: list[Draft] = []
    refused: dict[int, Result] = {}
    for events, forms in runs:
        first = len(drafts) + len(refused)
        good, answers = check_each(events, strict=strict, first=first)
        refused |= answers
        made = make_drafts(app, good, request_id=request_id, forms=forms, first=first)
        drafts += pack_drafts(made)
    return drafts, refused


def order_answers(
    refused: Mapping[int, Result], stored: Iterable[Result]
) -> list[Result]:
    """Return the answers to all events of a request, in order; `stored` are in order, too."""
    if not refused:
        return list(stored)
    answers = {**refused, **{answer.index: answer for answer in stored}}
    return [answers[index] for index in range(len(answers))]


def check_each(
    events: Sequence[Sendable], *, strict: bool, first: int = 0
) -> tuple[dict[int, IncomingEvent], dict[int, Result]]:
    """Return the good events and the answers to the others, both by index, from `first` on."""
    if not strict and set(map(type, events)) == {IncomingEvent}:
        return dict(enumerate(events, first)), {}  # type: ignore[arg-type] # just that
    good: dict[int, IncomingEvent] = {}
    refused: dict[int, Result] = {}
    for index, sent in enumerate(events, first):
        # In this order: to ask for a Mapping first costs ten times as much.
        event = sent if isinstance(sent, _CHECKED) else check_object(sent)
        if strict and isinstance(event, IncomingEvent):
            event = refuse_with_warning(event)
        if isinstance(event, EventProblem):
            refused[index] = make_rejected(index, event)
        else:
            good[index] = event
    return good, refused


def append_drafts(
    database: BaseDatabaseWrapper,
    app_id: int,
    request: Sequence[Draft],
    *,
    strict: bool,
) -> Answers:
    """Store the new ones of `request` after the log's head; answer each, in order.

    `database` is this thread's connection.
    """
    # A strict request is stored whole or not at all.
    if strict or len(request) > SMALL_EVENTS or is_in_transaction(database):
        return store_drafts(app_id, request, strict=strict)
    try:
        return _find_waiting_line(app_id).ask(request)
    except WaitedTooLongError as error:
        raise OperationalError(str(error)) from error


def _give_connection_back() -> None:
    # One that cannot be given back is broken, as its next use says.
    with suppress(Error):
        give_connection_back()


def _find_waiting_line(app_id: int) -> WaitingLine[Sequence[Draft], Answers]:
    """Return the line in which this process's threads wait for the app's log."""
    line = _waiting_lines.get(app_id)
    if line is None:
        made: WaitingLine[Sequence[Draft], Answers] = WaitingLine(
            partial(_store_all, app_id),
            error_for_others=explain_to_others,
            before_wait=_give_connection_back,
            size=len,
            most=GROUP_EVENTS,
            seconds=TURN_SECONDS,
            patience=PATIENCE_SECONDS,
        )
        line = _waiting_lines.setdefault(app_id, made)
    return line


def _store_all(
    app_id: int, requests: Requests, answer: Callable[[Sequence[Answers]], None]
) -> None:
    """Store the requests as if they had come one after the other."""

    def committed(answers: Answers) -> None:
        left = iter(answers)
        answer([list(islice(left, len(request))) for request in requests])

    store_drafts(app_id, list(chain.from_iterable(requests)), committed=committed)


def is_fault_of_event(error: Error) -> bool:
    """Return whether the database refused what an event holds, and would do so for ever."""
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return isinstance(error, DataError) or state.startswith(LIMIT_EXCEEDED)


def explain_to_others(error: Exception) -> Exception | None:
    """Return an exception for the others of a group; None if one event may be at fault."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    if is_fault_of_event(error):
        return None
    # The database is away, full or too slow: each of them would meet the same.
    copied = type(error)(*error.args)
    copied.__cause__ = error.__cause__
    return copied


_waiting_lines: Final[dict[int, WaitingLine[Sequence[Draft], Answers]]] = {}
