"""The API's addresses for events. Thin: read, call, answer."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from referrals import destinations, log, people
from referrals.api.answers import StoredEvent, make_json_answer
from referrals.api.auth import require_key
from referrals.api.body import read_body
from referrals.api.body_people import decode_people, find_warnings
from referrals.api.dry_run import answer_dry_run
from referrals.api.events_read import EventsRead, find_events_read, read_events
from referrals.api.guard import guard_view
from referrals.api.problems import (
    NO_SUCH_ADDRESS,
    NOT_FOUND,
    NOTHING_STORED,
    ProblemError,
)
from referrals.api.receipts import (
    StatusCounts,
    is_nothing_stored,
    list_log_fields,
    make_receipt,
)
from referrals.api.refusal_counting import count_refusals
from referrals.api.request_id import read_request_id
from referrals.api.switches import read_switches
from referrals.log import Result, Status, count_statuses
from referrals.models import ApiKey, App

ALL_REFUSED = (
    "Every event was refused, so nothing was stored. `results` says where and why."
)
STRICT = (
    "The request is strict and not every event is good, so nothing was stored. "
    "`results` says which are not."
)


@guard_view("POST")
@count_refusals
def receive_events(request: HttpRequest, key: ApiKey) -> HttpResponse:
    """Store the events of the request, and answer once they are committed."""
    read = find_events_read(request) or read_events(request, key)
    if read.is_dry_run:
        [run] = read.runs
        dry_run = answer_dry_run(key.app, run.events, strict=read.strict)
        counts = count_statuses(dry_run.results)
        _require_success(counts, dry_run.results, strict=read.strict)
        return make_json_answer(dry_run)
    results = read.appended or _append(request, read)
    if isinstance(results, Exception):
        raise results
    return _answer_results(request, key, results, strict=read.strict)


@guard_view("PUT")
@count_refusals
def receive_people(request: HttpRequest, key: ApiKey) -> HttpResponse:
    """Store who is who, as events of type identify, and answer once they are committed."""
    (strict,) = read_switches(request, "strict")
    learned = people.read_rules(key.app_id)
    links = decode_people(*read_body(request), key, learned)
    warnings = find_warnings(links, learned)
    results = log.append(
        key.app,
        links,
        strict=strict,
        way=key.prefix,
        request_id=read_request_id(request),
    )
    if warnings:
        results = list(map(_warn, results, warnings))
    return _answer_results(request, key, results, strict=strict)


@guard_view("GET", "HEAD")
@require_key
def show_event(request: HttpRequest, app: App, key: str) -> HttpResponse:
    """Answer the outcomes of one event, without its identities."""
    read_switches(request)
    found = log.find_event(app.pk, key)
    if found is None:
        raise ProblemError(
            NOT_FOUND,
            "This app has no event with that id: it was never accepted, or its "
            "retention has ended.",
        )
    event = found.event
    outcomes = [
        outcome
        for destination in destinations.list_destinations()
        for outcome in destination.explain(app.pk, found.position, event)
    ]
    return make_json_answer(
        StoredEvent(
            id=event.id,
            position=found.position,
            received_at=found.received_at,
            occurred_at=event.occurred_at,
            type=event.type,
            name=event.name or None,
            status=event.status,
            reasons=event.reasons,
            test=event.test,
            request_id=found.request_id or None,
            outcomes=outcomes,
        )
    )


@guard_view("GET", "HEAD")
def refuse_method_of_status(_request: HttpRequest) -> HttpResponse:
    """Refuse what is no method of the status page; those that are do not get here."""
    raise ProblemError(NOT_FOUND, NO_SUCH_ADDRESS)


@guard_view()
def refuse_unknown_address(_request: HttpRequest) -> HttpResponse:
    """Answer any other address below /v1/ in the API's own form."""
    raise ProblemError(NOT_FOUND, NO_SUCH_ADDRESS)


def _append(request: HttpRequest, read: EventsRead) -> list[Result]:
    app, request_id = read.key.app, read_request_id(request)
    if read.body is not None:
        return log.append(
            app,
            read.body.events,
            strict=read.strict,
            way=read.key.prefix,
            request_id=request_id,
            forms=read.body.forms,
        )
    return log.append_in_runs(
        app, read.runs, strict=read.strict, way=read.key.prefix, request_id=request_id
    )


def _answer_results(
    request: HttpRequest, key: ApiKey, results: Sequence[Result], *, strict: bool
) -> HttpResponse:
    """Answer what became of the events, or that nothing was stored."""
    counts = count_statuses(results)
    # Django's class declares no such attribute; the log line reads it by this name.
    request.log_fields = list_log_fields(key.app, counts)  # type: ignore[attr-defined]
    _require_success(counts, results, strict=strict)
    return make_json_answer(make_receipt(counts, results), HTTPStatus.ACCEPTED)


def _warn(result: Result, warnings: tuple[str, ...]) -> Result:
    if result.status not in (Status.ACCEPTED, Status.DUPLICATE):
        return result
    return msgspec.structs.replace(result, warnings=result.warnings + warnings)


def _require_success(
    counts: StatusCounts, results: Sequence[Any], *, strict: bool
) -> None:
    """Raise 422 where nothing was stored and the same request would fail again."""
    if strict and (counts[Status.REJECTED] or counts[Status.CONFLICT]):
        raise ProblemError(NOTHING_STORED, STRICT, results=results)
    if is_nothing_stored(counts, len(results)):
        raise ProblemError(NOTHING_STORED, ALL_REFUSED, results=results)
