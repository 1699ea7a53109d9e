"""What a step has to know before it learns: all that is known of those whom it meets."""

from collections.abc import Iterable, Sequence

from referrals.learning.known import Identity, Known, KnownPerson
from referrals.learning.mentions import LoggedSides, Mentions, PeopleRules
from referrals.people import tables

_WORLDS = (False, True)


def load_known(
    app_id: int, rules: PeopleRules, events: Sequence[tuple[bool, LoggedSides]]
) -> dict[bool, Known]:
    """Return what is known of the people of the events, of production and of test."""
    loading = _Loading(app_id)
    sides = [(test, side) for test, e in events for side in (e.user, e.referrer)]
    met = {mention.hash for _, side in sides for mention in side.all}
    loading.add(tables.read_identities(app_id, "hash", met))
    mixed = loading.find_mixed(sides, remembers=rules.remembers)
    loading.add(tables.read_identities(app_id, "person", mixed))
    loading.load_people()
    undecided: list[tuple[bool, str, int]] = []
    if rules.remembers:
        loading.load_referrers()
        undecided = tables.read_undecided(app_id, met | loading.find_hashes())
    return loading.make_known(undecided, tables.read_marks(app_id))


class _Loading:
    """What was loaded so far."""

    def __init__(self, app_id: int) -> None:
        self._app_id = app_id
        self._identities: dict[bool, dict[str, Identity]] = {w: {} for w in _WORLDS}
        self._people: dict[bool, dict[int, KnownPerson]] = {w: {} for w in _WORLDS}

    def add(self, rows: Iterable[tuple[bool, Identity]]) -> None:
        """Add identities, but those that are there."""
        for test, identity in rows:
            self._identities[test].setdefault(identity.hash, identity)

    def find_hashes(self) -> set[str]:
        """Return the hashes of what was loaded."""
        return {each for identities in self._identities.values() for each in identities}

    def find_mixed(
        self, sides: Iterable[tuple[bool, Mentions]], *, remembers: bool
    ) -> set[int]:
        """Return the people beside whom there stands what is not theirs.

        All of their identities are needed: they may become another's, and whoever waits for
        one may go.
        """
        mixed: set[int] = set()
        for test, side in sides:
            known = self._identities[test]
            found = {each.hash: known.get(each.hash) for each in side.all}
            of_keys = {_owner(found[each.hash]) for each in side.keys}
            has_memory = remembers and any(
                each is not None and each.person is None and each.referrer is not None
                for each in found.values()
            )
            if len(of_keys) > 1 or has_memory:
                owners = set(map(_owner, found.values()))
                mixed |= {each for each in owners if each is not None}
        return mixed

    def load_people(self) -> None:
        """Load everybody to whom an identity belongs that was loaded."""
        numbers = {
            identity.person
            for identities in self._identities.values()
            for identity in identities.values()
            if identity.person is not None
        }
        for test, person in tables.read_people(self._app_id, numbers):
            self._people[test][person.number] = person

    def load_referrers(self) -> None:
        """Load the identities of remembered referrers: one may be the user."""
        holders: list[Identity | KnownPerson] = [
            *(each for rows in self._identities.values() for each in rows.values()),
            *(each for rows in self._people.values() for each in rows.values()),
        ]
        named = {each.referrer for each in holders if each.referrer is not None}
        self.add(
            tables.read_identities(self._app_id, "hash", named - self.find_hashes())
        )

    def make_known(
        self, undecided: Iterable[tuple[bool, str, int]], marked: frozenset[str]
    ) -> dict[bool, Known]:
        """Return what was loaded, with the events that wait for a referrer."""
        known = {
            world: Known(self._identities[world], self._people[world], marked=marked)
            for world in _WORLDS
        }
        for test, user, position in undecided:
            known[test].undecided.setdefault(user, []).append(position)
        return known


def _owner(identity: Identity | None) -> int | None:
    return identity.person if identity is not None else None
