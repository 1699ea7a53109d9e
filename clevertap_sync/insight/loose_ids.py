"""Which IDs an app might list as those that come before sign-up, by its newest events.

Computed when a person opens the settings; nothing is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.clevertap.identities import find_identity
from clevertap_sync.insight.coverage import list_people
from referrals.learning.blocklist import is_blocked
from referrals.log import LoggedEvent
from referrals.schema import Person

#: So few people, or so small a share of their IDs in percent, are no ground to suggest one.
FEWEST: Final = 5
LEAST_LINKED: Final = 5
#: So many of the tied IDs, in percent, may be of two users: a shared device now and then.
MOST_SHARED: Final = 10
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class LooseIdShare:
    """A provider that people carry who lack the identity, and how many it would help.

    `percent` is of all people; `linked_percent` of the IDs, which other events tie to an
    identity.
    """

    name: str
    people: int
    percent: int
    linked_percent: int


def suggest_loose_ids(
    newest: Sequence[LoggedEvent], provider: str, listed: Collection[str]
) -> tuple[LooseIdShare, ...]:
    """Return the providers worth listing, those of the most people first.

    `provider` is the integration's, `listed` are those that the app lists already. Test
    events do not count.
    """
    people = [
        person
        for logged in newest
        if not logged.event.test
        for person in list_people(logged.event)
    ]
    lacking = [each for each in people if find_identity(each, provider) is None]
    carried = Counter(name for person in lacking for name in set(_ids(person)))
    taken = {provider.casefold(), *listed}
    names = [
        name
        for name, count in carried.most_common()
        if name not in taken and count >= FEWEST
    ]
    found = []
    for name in names:
        linked = _measure_links(name, provider, people, lacking)
        if linked is not None and linked >= LEAST_LINKED:
            share = carried[name] * 100 // len(people)
            found.append(LooseIdShare(name, carried[name], share, linked))
    return tuple(found[:_SHOWN])


def _measure_links(
    name: str, provider: str, people: Iterable[Person], lacking: Iterable[Person]
) -> int | None:
    """Return how many percent of the lonely IDs other events tie to an identity.

    None where too many of these are tied to two.
    """
    users = defaultdict(set)
    for person in people:
        identity, value = find_identity(person, provider), _ids(person).get(name)
        if identity is not None and value is not None:
            users[value].add(identity)
    lonely = {value for person in lacking if (value := _ids(person).get(name))}
    tied = [value for value in lonely if value in users]
    shared = sum(len(users[value]) > 1 for value in tied)
    if shared * 100 > len(tied) * MOST_SHARED:
        return None
    return len(tied) * 100 // max(1, len(lonely))


def _ids(person: Person) -> dict[str, str]:
    """Return a person's identities that somebody can be known by, by folded provider."""
    return {
        name.casefold(): value
        for name, value in person.identities.items()
        if not is_blocked(value)
    }
