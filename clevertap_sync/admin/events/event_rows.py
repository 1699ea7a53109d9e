"""The rows of the list of events: each with its people and its outcomes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.admin.events.event_filters import decode_row
from clevertap_sync.admin.events.timeline import LIGHTS
from clevertap_sync.clevertap.identities import find_identity
from clevertap_sync.clevertap.reasons import shorten_reason
from clevertap_sync.insight import clevertap_destination
from clevertap_sync.models import DeadLetter, Integration
from referrals import words
from referrals.destinations import Outcome as Fate, OutcomeStatus
from referrals.models import App, ReferralEvent
from referrals.schema import Event, Person, find_sides
from referrals.vocabulary import Side
from referrals.words import Colour

#: Shown in place of an identity of an erased person.
ERASED: Final = "erased"
#: The most characters of an identity that the list shows.
WIDEST: Final = 28
#: The word for a delivered record that is replayed, by the state of its dead letter.
_AGAIN: Final[dict[str, str]] = {
    DeadLetter.State.OPEN: "Delivered, replay fell out",
    DeadLetter.State.REPLAYING: "Delivered, in replay",
}
_WORST_FIRST: Final[tuple[Colour, ...]] = ("bad", "busy", "idle", "good")


@dataclass(frozen=True, slots=True)
class ShownOutcome:
    """One outcome of a record, at all integrations of the app that have the same.

    `light` is HTML; `where` names the integrations, and is empty where the app has one.
    """

    light: str
    meaning: str
    where: str


@dataclass(frozen=True, slots=True)
class ShownSide:
    """One side of an event. Both texts are empty if the person may not see identities."""

    who: str
    short: str
    outcomes: Sequence[ShownOutcome]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the list, with the user's side and the referrer's.

    A side that the event does not name is None.
    """

    event: ReferralEvent
    sides: list[ShownSide | None]


#: Their light says it all: nobody has to mend what the reason names.
_WAITED: Final = frozenset({OutcomeStatus.WAITING, OutcomeStatus.EXPIRED})


def build_event_rows(
    app: App,
    integrations: Sequence[Integration],
    events: Sequence[ReferralEvent],
    *,
    shows_identities: bool,
) -> list[EventRow]:
    """Return the rows of `events`, in their order, in a few queries for all of them."""
    stored = [(row.position, decode_row(row)) for row in events]
    fates = clevertap_destination.find_side_outcomes(app.pk, integrations, stored)
    providers = [each.identity_provider for each in integrations]
    return [
        EventRow(row, _sides(event, of_event, providers if shows_identities else None))
        for row, (_, event), of_event in zip(events, stored, fates, strict=True)
    ]


def _sides(
    event: Event,
    fates: Sequence[Fate],
    providers: Sequence[str] | None,
) -> list[ShownSide | None]:
    shown: dict[Side, ShownSide] = {}
    for side, person in find_sides(event):
        identity = _choose_identity(person, providers) if providers is not None else ""
        outcomes = _group_outcomes([fate for fate in fates if fate.side is side])
        shown[side] = ShownSide(identity, _shorten(identity), outcomes)
    return [shown.get(side) for side in Side]


def _choose_identity(person: Person, providers: Sequence[str]) -> str:
    """Return the identity that is sent for the person, else any; "" without one."""
    if person.erased:
        return ERASED
    sent = (find_identity(person, provider) for provider in providers)
    others = (person.identities[each] for each in sorted(person.identities))
    identity = next(filter(None, (*sent, *others)), "")
    return words.make_inert(identity)


def _shorten(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _group_outcomes(fates: Iterable[Fate]) -> list[ShownOutcome]:
    """Return the outcomes, the worst first, each once with its integrations."""
    said: dict[tuple[Colour, str, str], list[str]] = {}
    for fate in fates:
        said.setdefault(_light_of(fate), []).append(fate.integration)
    total = sum(map(len, said.values()))
    return [
        ShownOutcome(
            words.render_light(colour, word), meaning, _name_integrations(names, total)
        )
        for (colour, word, meaning), names in sorted(
            said.items(), key=lambda each: _WORST_FIRST.index(each[0][0])
        )
    ]


def _light_of(fate: Fate) -> tuple[Colour, str, str]:
    colour, word = LIGHTS[fate.status]
    if fate.status is OutcomeStatus.DELIVERED and fate.state:
        word = _AGAIN.get(fate.state, word)
    if fate.reason and fate.status not in _WAITED:
        word = shorten_reason(fate.reason)
        if fate.state == DeadLetter.State.REPLAYING:
            colour, word = "busy", f"{word}, in replay"
    return colour, word, fate.meaning or ""


def _name_integrations(names: Sequence[str], total: int) -> str:
    if total == 1:
        return ""
    if len(names) == total:
        return f"all {total}"
    return names[0] if len(names) == 1 else f"{len(names)} of {total}"
