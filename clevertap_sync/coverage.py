"""Which identities the app's users really carry, and what each choice would leave out.

Computed from the newest events when a person looks at the settings; nothing is kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.mapping import MappingSettings, Unmappable, Withheld, to_records
from referrals import log
from referrals.schema import Event, Person

EVENTS: Final = 1_000
_SHOWN: Final = 5
_ABOUT_IDENTITIES: Final = frozenset(
    {
        "no_identity",
        "identity_empty",
        "identity_forbidden",
        "identity_too_long",
        "identity_characters",
        "clevertap_id_invalid",
    }
)


@dataclass(frozen=True, slots=True)
class ProviderCoverage:
    """One identity provider: how many carry it, and how many records would lack it."""

    name: str
    people: int
    percent: int
    lost: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the newest events carry. `people` counts each side of each event."""

    events: int
    people: int
    records: int
    providers: tuple[ProviderCoverage, ...]

    @property
    def best(self) -> ProviderCoverage | None:
        """Return the provider that loses least, if there is one at all."""
        return min(self.providers, key=lambda p: p.lost, default=None)

    def of(self, provider: str) -> ProviderCoverage | None:
        """Return what is known of `provider`; case does not count."""
        folded = provider.casefold()
        return next((p for p in self.providers if p.name.casefold() == folded), None)


def coverage_of(app_id: int, *, chosen: str = "", events: int = EVENTS) -> Coverage:
    """Return how well each identity provider would do for the app's newest events.

    `chosen` is among the answer even where nobody carries it.
    """
    head = log.head(app_id)
    newest = [logged.event for logged in log.read(app_id, head - events + 1, head)]
    people = [person for event in newest for person in people_of(event)]
    carried = Counter(
        name for person in people for name in {n.casefold() for n in person.identities}
    )
    spelt = {n.casefold(): n for person in people for n in person.identities}
    names = [spelt[folded] for folded, _ in carried.most_common(_SHOWN)]
    if newest and chosen and chosen.casefold() not in map(str.casefold, names):
        names.append(chosen)
    return Coverage(
        events=len(newest),
        people=len(people),
        records=sum(1 for _ in _verdicts(newest, chosen or "email")),
        providers=tuple(_covered(name, carried, people, newest) for name in names),
    )


def _covered(
    name: str, carried: Counter[str], people: Sequence[Person], events: Sequence[Event]
) -> ProviderCoverage:
    count = carried[name.casefold()]
    lost = sum(1 for is_lost in _verdicts(events, name) if is_lost)
    return ProviderCoverage(name, count, count * 100 // max(1, len(people)), lost)


def people_of(event: Event) -> Iterator[Person]:
    """Yield the people that an event names, the triggering user first."""
    people = (event.user, event.referrer)
    yield from (person for person in people if person and not person.erased)


def _verdicts(events: Sequence[Event], provider: str) -> Iterator[bool]:
    """Yield for each record whether it would have no identity."""
    settings = MappingSettings(identity_provider=provider, event_kinds="both")
    for event in events:
        for made in to_records(event, settings):
            if not isinstance(made, Withheld):
                yield isinstance(made, Unmappable) and made.reason in _ABOUT_IDENTITIES
