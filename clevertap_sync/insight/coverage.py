"""Coverage: which identities an app's newest events carry, and which records lack one.

Computed from the newest events when a person opens the settings; nothing is kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.clevertap.identities import find_identity
from referrals import log
from referrals.log import LoggedEvent
from referrals.schema import Event, Person, find_sides

#: They name up to 4,000 users; a page reads and counts them in less than a tenth of a second.
EVENTS: Final = 2_000
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class ProviderCoverage:
    """One identity provider: how many people carry it, and how many records would lack it."""

    name: str
    people: int
    percent: int
    lost: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """The identities of the newest events. `people` counts each side of each event."""

    events: int
    people: int
    records: int
    providers: tuple[ProviderCoverage, ...]
    chosen: ProviderCoverage | None = None

    @property
    def suggestion(self) -> ProviderCoverage | None:
        """Return a provider by which fewer records would lack an identity, if there is one."""
        best, chosen = self.best, self.chosen
        return best if best and chosen and best.lost < chosen.lost else None

    @property
    def best(self) -> ProviderCoverage | None:
        """Return the provider that loses least, if there is one at all."""
        return min(self.providers, key=lambda p: p.lost, default=None)


def read_newest_events(app_id: int) -> list[LoggedEvent]:
    """Return the app's newest events, ascending."""
    head = log.read_head(app_id)
    return log.read_range(app_id, head - EVENTS + 1, head)


def measure_coverage(newest: Sequence[LoggedEvent], *, chosen: str = "") -> Coverage:
    """Count, for each identity provider, the people that carry it and the records without.

    `chosen` is among the providers even where no person carries it.
    """
    events = [logged.event for logged in newest]
    people = [person for event in events for person in list_people(event)]
    records = [
        person
        for event in events
        for _, person in find_sides(event)
        if not person.erased
    ]
    carried = Counter(
        name for person in people for name in {n.casefold() for n in person.identities}
    )
    spelt = {n.casefold(): n for person in people for n in person.identities}
    names = [spelt[folded] for folded, _ in carried.most_common(_SHOWN)]
    if newest and chosen and chosen.casefold() not in map(str.casefold, names):
        names.append(chosen)
    providers = tuple(
        _measure_provider(name, carried, people, records) for name in names
    )
    folded = chosen.casefold()
    return Coverage(
        events=len(events),
        people=len(people),
        records=len(records),
        providers=providers,
        chosen=next((p for p in providers if p.name.casefold() == folded), None),
    )


def list_people(event: Event) -> Iterator[Person]:
    """Yield the people that an event names, the triggering user first."""
    people = (event.user, event.referrer)
    yield from (person for person in people if person and not person.erased)


def _measure_provider(
    name: str,
    carried: Counter[str],
    people: Sequence[Person],
    records: Sequence[Person],
) -> ProviderCoverage:
    count = carried[name.casefold()]
    lost = sum(find_identity(person, name) is None for person in records)
    return ProviderCoverage(name, count, count * 100 // max(1, len(people)), lost)
