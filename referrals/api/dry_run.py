"""What a request would do, without doing it: `POST /v1/events?dry_run=1`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from django.db.models import Max
from django.utils import timezone

from referrals import destinations, log
from referrals.api.answers import DryRunDocument, Trial
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


class DryRunAnswer(NamedTuple):
    """What would become of each event of a request: `trials`, which lack the records.

    `document` has the records, too.
    """

    trials: Sequence[Trial]
    document: DryRunDocument


def answer_dry_run(
    app: App, runs: Iterable[Sequence[Incoming]], *, strict: bool
) -> DryRunAnswer:
    """Return the answer that each event would get, with every destination's records.

    The events come in `runs` that follow one another, so that only JSON is there of all of
    them at once.

    Does not read the log: only storing can show that an event is a duplicate, or that
    earlier installs make it suspicious.
    """
    trials: list[Trial] = []
    document = DryRunDocument()
    numbers: dict[str, int] = {}
    for incoming in runs:
        judged = [
            refuse_with_warning(event)
            if strict and isinstance(event, IncomingEvent)
            else event
            for event in incoming
        ]
        numbers |= _number_names(app, judged, numbers)
        made = _make_trials(app, judged, numbers, first=len(trials))
        document.add_trials(made)
        trials += [msgspec.structs.replace(trial, records=None) for trial in made]
    return DryRunAnswer(_leave_out_good(trials) if strict else trials, document)


def make_trials(app: App, incoming: Sequence[Incoming]) -> list[Trial]:
    """Return what would become of each event, as a dry run that is not strict answers."""
    return _make_trials(app, incoming, _number_names(app, incoming, {}), first=0)


def _make_trials(
    app: App, incoming: Sequence[Incoming], numbers: Mapping[str, int], *, first: int
) -> list[Trial]:
    good = [event for event in incoming if isinstance(event, IncomingEvent)]
    records = iter(_preview_records(app, _build_events(app, good, numbers)))
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
        for index, event in enumerate(incoming, first)
    ]


def _leave_out_good(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the trials of a strict request, of which nothing is stored if one is refused."""
    refused = [trial.index for trial in trials if trial.status is not Status.ACCEPTED]
    if not refused:
        return trials
    return [
        _convert_result(make_left_out(trial.index, trial.id, culprit=refused[0]))
        if trial.status is Status.ACCEPTED
        else trial
        for trial in trials
    ]


def _convert_result(result: Result) -> Trial:
    return msgspec.convert(result, Trial, from_attributes=True)


def _preview_records(app: App, events: Sequence[Event]) -> list[Records]:
    """Return, per event, what all destinations would get."""
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
    return _build_events(app, incoming, _number_names(app, incoming, {}))


def _build_events(
    app: App, incoming: Sequence[IncomingEvent], numbers: Mapping[str, int]
) -> list[Event]:
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


def _number_names(
    app: App, incoming: Sequence[Incoming], earlier: Mapping[str, int]
) -> dict[str, int]:
    """Return the number of each custom name, a new name's being the next one.

    `earlier` are those of events before.
    """
    names = [e.name for e in incoming if isinstance(e, IncomingEvent) and e.name]
    normalised = dict.fromkeys(map(normalise_name, names))
    wanted = [name for name in normalised if name not in earlier]
    if not wanted:
        return {}
    stored = CustomName.objects.filter(app=app)
    known = stored.filter(normalised__in=wanted)
    numbers = dict(known.values_list("normalised", "number"))
    largest = stored.aggregate(largest=Max("number"))["largest"] or 0
    largest = max(largest, *earlier.values(), 0)
    new = (name for name in wanted if name not in numbers)
    return numbers | {name: n for n, name in enumerate(new, start=largest + 1)}
