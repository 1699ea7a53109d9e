"""Events beside exactly what CleverTap would receive of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.admin.events.timeline import pretty
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    Mapped,
    MappingSettings,
    Unmappable,
    as_dict,
)
from clevertap_sync.clevertap.reasons import REASONS
from clevertap_sync.clevertap.withheld import kept_back_by
from clevertap_sync.insight.record_fates import records_of
from referrals.api import body_events
from referrals.api.body import JSON
from referrals.api.dry_run import as_stored
from referrals.api.problems import ProblemError
from referrals.models import App
from referrals.refusals import Code
from referrals.schema import Event, EventProblem, IncomingEvent, doubts
from referrals.vocabulary import TITLES, Side
from referrals.words import Colour

#: How many of a pasted list are shown.
MOST: Final = 20

_WHOM: Final = {
    Side.REFERRED: "For the user who came",
    Side.GENERATED: "For the referrer",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one side. `exact` is the record as it stands in the request."""

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
class Preview:
    """One event: what would be sent of it, or why it is not taken in at all.

    `problems` and `warnings` are pairs of a JSON pointer and a sentence.
    """

    title: str
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()


def of_stored(
    app: App, events: Sequence[Event], settings: MappingSettings
) -> list[Preview]:
    """Return the previews of events as the log keeps them."""
    made = records_of(app.pk, events, settings)
    return [
        _preview(event, values, settings)
        for event, values in zip(events, made, strict=True)
    ]


def of_sent(
    app: App,
    sent: Sequence[IncomingEvent | EventProblem],
    settings: MappingSettings,
) -> list[Preview]:
    """Return the previews of events as a backend sends them, problems included."""
    good = [event for event in sent if isinstance(event, IncomingEvent)]
    previews = iter(of_stored(app, as_stored(app, good), settings))
    return [
        _refused(event)
        if isinstance(event, EventProblem)
        else _with_warnings(next(previews), event)
        for event in sent
    ]


def read_pasted(text: str) -> list[IncomingEvent | EventProblem]:
    """Return the events of a body that somebody pasted, as `POST /v1/events` reads it."""
    try:
        return body_events.events_in(JSON, text.encode())
    except ProblemError as problem:
        return [
            EventProblem(
                problem.kind.code or Code.WRONG_SHAPE,
                problem.pointer or "",
                problem.detail,
            )
        ]


def _refused(problem: EventProblem) -> Preview:
    title = f"Event {problem.id}" if problem.id else "Event"
    return Preview(title, problems=((problem.pointer, problem.detail),))


def _with_warnings(preview: Preview, event: IncomingEvent) -> Preview:
    return Preview(preview.title, preview.outcomes, warnings=tuple(doubts(event)))


def _preview(
    event: Event, values: Sequence[Mapped], settings: MappingSettings
) -> Preview:
    outcomes = tuple(_outcome(event, value, settings) for value in values)
    return Preview(TITLES.get(event.type, event.name), outcomes)


def _outcome(event: Event, value: Mapped, settings: MappingSettings) -> Outcome:
    whom = _WHOM[value.side]
    match value:
        case EventRecord():
            return Outcome(
                value.side,
                whom,
                "good",
                "Sent",
                name=value.name,
                record=pretty(as_dict(value)),
                exact=value.json.decode(),
                shortened=value.shortened,
            )
        case Unmappable():
            reason = REASONS[value.reason]
            return Outcome(
                value.side,
                whom,
                "bad",
                "Dead letter",
                name=value.name,
                reason=value.reason,
                meaning=reason.meaning,
                remedy=reason.remedy,
                detail=value.detail,
            )
    kept = list(kept_back_by(event, value.side, settings))
    return Outcome(
        value.side,
        whom,
        "idle",
        "Kept back",
        reason=", ".join(each.setting for each in kept),
        meaning=" ".join(each.meaning for each in kept),
        remedy=" ".join(each.remedy for each in kept),
    )
