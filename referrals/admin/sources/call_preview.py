"""What a call would become: its events, and the record of each for every integration.

The call is a sample of the platform's, or of the shape of one that was captured. Nothing is
stored, counted or sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from referrals.admin.sources.mapping_text import format_json
from referrals.api.answers import Trial
from referrals.api.dry_run import answer_dry_run
from referrals.destinations import Preview, PreviewStatus
from referrals.hooks.capture import read_captured_shape
from referrals.hooks.examples import read_example
from referrals.hooks.known_sources import KnownSource
from referrals.models import Source
from referrals.schema import EventProblem, IncomingEvent
from referrals.sources.call import Call
from referrals.sources.document import read_document
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import MEANINGS
from referrals.sources.samples import make_sample
from referrals.sources.shapes import make_example
from referrals.vocabulary import TITLES, Side
from referrals.words import Colour

#: Items of a call that are shown.
MOST: Final = 20
CAPTURED: Final = "captured"
_WHOM: Final = {
    Side.REFERRED: "for the user who came",
    Side.GENERATED: "for the referrer",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A call to look at. `value` chooses it; `at` is when it was captured."""

    value: str
    label: str
    call: Call
    at: datetime | None = None
    is_cut: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The parameters of its address."""
        return self.call.query

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Its headers."""
        return self.call.headers

    @property
    def body(self) -> str:
        """Its body, as JSON for people, or empty."""
        return format_json(read_document(self.call).body) if self.call.has_body else ""


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """What one integration would get of one side, or why nothing."""

    integration: str
    whom: str
    colour: Colour
    word: str
    preview: Preview
    record: str


@dataclass(frozen=True, slots=True)
class ShownItem:
    """What becomes of one item of the call."""

    title: str
    colour: Colour
    word: str
    detail: str = ""
    pointer: str = ""
    event: str = ""
    records: tuple[ShownRecord, ...] = ()
    warnings: tuple[str, ...] = ()


def list_examples(source: Source) -> list[Example]:
    """Return the calls that can be looked at: the captured one first, then the samples."""
    shape = read_captured_shape(source)
    examples = [
        Example(f"sample-{number}", f"Sample: {sample.title}", make_sample(source.preset, number))
        for number, sample in enumerate(source.preset.samples)
    ]  # fmt: skip
    if shape is None:
        return examples
    captured = Example(
        CAPTURED,
        "The captured call",
        make_example(shape),
        source.captured_at,
        shape.is_cut,
    )
    return [captured, *examples]


def preview_call(known: KnownSource, call: Call) -> tuple[list[ShownItem], int]:
    """Return what becomes of the first items of `call`, and how many more there are."""
    outcomes = read_example(known, call)
    shown = outcomes[:MOST]
    events = [each for each in shown if not isinstance(each, Ignored)]
    trials = iter(answer_dry_run(known.app, events, strict=False).results)
    items = [
        _show_ignored(each)
        if isinstance(each, Ignored)
        else _show_event(each, next(trials))
        for each in shown
    ]
    return items, len(outcomes) - len(shown)


def _show_ignored(ignored: Ignored) -> ShownItem:
    detail = f"{MEANINGS[ignored.reason].capitalize()}."
    return ShownItem(ignored.kind or "Item", "idle", "Ignored", detail)


def _show_event(event: IncomingEvent | EventProblem, trial: Trial) -> ShownItem:
    if isinstance(event, EventProblem):
        return ShownItem(
            "Event", "bad", "Refused", detail=event.detail, pointer=event.pointer
        )
    return ShownItem(
        TITLES.get(event.type, event.name or ""),
        "good",
        "Accepted",
        event=format_json(msgspec.to_builtins(event)),
        records=tuple(_show_records(trial.records)),
        warnings=tuple(trial.warnings or ()),
    )


def _show_records(previews: Any) -> Iterator[ShownRecord]:
    for each in previews or ():
        colour, word = LIGHTS[each.status]
        yield ShownRecord(
            each.integration,
            _WHOM[each.side],
            colour,
            word,
            each,
            format_json(each.record) if each.record else "",
        )


LIGHTS: Final[dict[PreviewStatus, tuple[Colour, str]]] = {
    PreviewStatus.RECORD: ("good", "Sent"),
    PreviewStatus.WAITING: ("idle", "Would wait"),
    PreviewStatus.DEAD_LETTER: ("bad", "Dead letter"),
    PreviewStatus.NOT_SENT: ("idle", "Kept back"),
}
