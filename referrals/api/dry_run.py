"""What a request would do, without doing it: `POST /v1/events?dry_run=1`."""

from collections.abc import Mapping, Sequence

import msgspec
from django.db.models import Max
from django.utils import timezone

from referrals import destinations, log
from referrals.api.answers import DryRun, Trial
from referrals.fraud import judge_fraud
from referrals.log import Status
from referrals.log.results import Result, make_left_out, make_rejected
from referrals.log.strict import refuse_with_warning
from referrals.models import App, CustomName
from referrals.schema import (
    Event,
    EventProblem,
    IncomingEvent,
    list_warnings,
)
from referrals.vocabulary import normalise_name

Incoming = IncomingEvent | EventProblem
Records = list[destinations.Preview]


def answer_dry_run(app: App, incoming: Sequence[Incoming], *, strict: bool) -> DryRun:
    """Return the answer that each event would get, with every destination's records.

    Does not read the log: only storing can show that an event is a duplicate, or that
    earlier installs make it suspicious.
    """
    judged = [
        refuse_with_warning(event)
        if strict and isinstance(event, IncomingEvent)
        else event
        for event in incoming
    ]
    refused = [i for i, event in enumerate(judged) if isinstance(event, EventProblem)]
    if strict and refused:
        results = [
            _convert_result(
                make_rejected(index, event)
                if isinstance(event, EventProblem)
                else make_left_out(index, event.id, culprit=refused[0])
            )
            for index, event in enumerate(judged)
        ]
    else:
        results = _answer_each(app, judged)
    accepted = sum(result.status is Status.ACCEPTED for result in results)
    return DryRun(
        dry_run=True,
        accepted=accepted,
        rejected=len(results) - accepted,
        results=results,
    )


def _convert_result(result: Result) -> Trial:
    return msgspec.convert(result, Trial, from_attributes=True)


def _answer_each(app: App, incoming: Sequence[Incoming]) -> list[Trial]:
    good = [event for event in incoming if isinstance(event, IncomingEvent)]
    records = iter(_preview_records(app, good))
    return [
        _convert_result(make_rejected(index, event))
        if isinstance(event, EventProblem)
        else Trial(
            index=index,
            id=event.id,
            status=Status.ACCEPTED,
            warnings=list_warnings(event),
            records=next(records),
        )
        for index, event in enumerate(incoming)
    ]


def _preview_records(app: App, incoming: Sequence[IncomingEvent]) -> list[Records]:
    """Return, per event, what all destinations would get."""
    events = build_as_stored(app, incoming)
    per_event: list[Records] = [[] for _ in events]
    for destination in destinations.list_destinations() if events else ():
        previews = destination.preview(app.pk, events)
        for records, previewed in zip(per_event, previews, strict=True):
            records.extend(previewed)
    return per_event


def build_as_stored(app: App, incoming: Sequence[IncomingEvent]) -> list[Event]:
    """Return the events as the log would keep them, with statuses and name numbers.

    Does not read the log: duplicates and earlier installs have no effect.
    """
    numbers = _number_names(app, incoming)
    prepared = log.prepare_events(app, incoming, timezone.now())
    return [
        _complete_event(app, sent, event, numbers)
        for sent, event in zip(incoming, prepared, strict=True)
    ]


def _complete_event(
    app: App, sent: IncomingEvent, event: Event, numbers: Mapping[str, int]
) -> Event:
    if event.name:
        number = numbers[normalise_name(event.name)]
        event = msgspec.structs.replace(event, name_number=number)
    if sent.status is None:
        status, reasons = judge_fraud(event, app.fraud_rules)
        event = msgspec.structs.replace(event, status=status, reasons=reasons)
    return event


def _number_names(app: App, incoming: Sequence[IncomingEvent]) -> dict[str, int]:
    """Return the number of each custom name, a new name's being the next one."""
    wanted = dict.fromkeys(normalise_name(e.name) for e in incoming if e.name)
    if not wanted:
        return {}
    names = CustomName.objects.filter(app=app)
    known = names.filter(normalised__in=wanted)
    numbers = dict(known.values_list("normalised", "number"))
    largest = names.aggregate(largest=Max("number"))["largest"] or 0
    new = (name for name in wanted if name not in numbers)
    return numbers | {name: n for n, name in enumerate(new, start=largest + 1)}
