"""Previews: events beside exactly the records that CleverTap would get."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.admin.events.timeline import format_json
from clevertap_sync.clevertap.kept_back import find_keeping_settings
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappedSide,
    MappingSettings,
    Unmappable,
    decode_record,
)
from clevertap_sync.clevertap.reasons import REASONS, WAITING
from clevertap_sync.insight.clevertap_destination import map_events
from referrals.api import body_events
from referrals.api.body import JSON
from referrals.api.dry_run import build_as_stored
from referrals.api.problems import ProblemError
from referrals.models import App
from referrals.refusals import Code
from referrals.schema import Event, EventProblem, IncomingEvent, find_warnings
from referrals.vocabulary import TITLES, Side
from referrals.words import Colour

#: The most events of a pasted list that are shown.
MOST: Final = 20

_WHOM: Final = {
    Side.REFERRED: "For the user who came",
    Side.GENERATED: "For the referrer",
}


@dataclass(frozen=True, slots=True)
class PreviewOutcome:
    """The outcome of one side. `exact` is the record as the request would have it."""

    side: Side
    whom: str
    colour: Colour
    word: str
    name: str = ""
    record: str = ""
    exact: str = ""
    shortened: int = 0
    reason: str = ""
    meaning: str = ""
    remedy: str = ""
    detail: str = ""

    @property
    def size(self) -> int:
        """Return the record's size in bytes."""
        return len(self.exact.encode())


@dataclass(frozen=True, slots=True)
class EventPreview:
    """One event: the outcome of each side, or why the API would refuse it.

    `problems` and `warnings` are pairs of a JSON pointer and a sentence.
    """

    title: str
    outcomes: tuple[PreviewOutcome, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


def preview_stored_events(
    app: App, events: Sequence[Event], settings: MappingSettings
) -> list[EventPreview]:
    """Return the previews of events as the log keeps them."""
    made = map_events(app.pk, events, settings)
    return [
        _preview(event, values, settings)
        for event, values in zip(events, made, strict=True)
    ]


def preview_sent_events(
    app: App,
    sent: Sequence[IncomingEvent | EventProblem],
    settings: MappingSettings,
) -> list[EventPreview]:
    """Return the previews of events as a backend sends them, problems included."""
    good = [event for event in sent if isinstance(event, IncomingEvent)]
    previews = iter(preview_stored_events(app, build_as_stored(app, good), settings))
    return [
        _refused(event)
        if isinstance(event, EventProblem)
        else _with_warnings(next(previews), event)
        for event in sent
    ]


def read_pasted(text: str) -> list[IncomingEvent | EventProblem]:
    """Return the events of pasted JSON, read as `POST /v1/events` reads its body."""
    try:
        return body_events.decode_events(JSON, text.encode())
    except ProblemError as problem:
        return [
            EventProblem(
                problem.kind.code or Code.WRONG_SHAPE,
                problem.pointer or "",
                problem.detail,
            )
        ]


def _refused(problem: EventProblem) -> EventPreview:
    title = f"Event {problem.id}" if problem.id else "Event"
    return EventPreview(title, problems=((problem.pointer, problem.detail),))


def _with_warnings(preview: EventPreview, event: IncomingEvent) -> EventPreview:
    return EventPreview(
        preview.title, preview.outcomes, warnings=tuple(find_warnings(event))
    )


def _preview(
    event: Event, values: Sequence[MappedSide], settings: MappingSettings
) -> EventPreview:
    outcomes = tuple(_outcome(event, value, settings) for value in values)
    return EventPreview(TITLES.get(event.type, event.name), outcomes)


def _outcome(
    event: Event, value: MappedSide, settings: MappingSettings
) -> PreviewOutcome:
    whom = _WHOM[value.side]
    match value:
        case EventRecord():
            return PreviewOutcome(
                value.side,
                whom,
                "good",
                "Sent",
                name=value.name,
                record=format_json(decode_record(value)),
                exact=value.json.decode(),
                shortened=value.shortened,
            )
        case Unmappable():
            reason = REASONS[value.reason]
            waits = value.reason in WAITING
            return PreviewOutcome(
                value.side,
                whom,
                "idle" if waits else "bad",
                "Would wait" if waits else "Dead letter",
                name=value.name,
                reason=value.reason,
                meaning=reason.meaning,
                remedy=reason.remedy,
                detail=value.detail,
            )
    kept = list(find_keeping_settings(event, value.side, settings))
    return PreviewOutcome(
        value.side,
        whom,
        "idle",
        "Kept back",
        reason=", ".join(each.setting for each in kept),
        meaning=" ".join(each.meaning for each in kept),
        remedy=" ".join(each.remedy for each in kept),
    )
