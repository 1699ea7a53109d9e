"""Learning who is who, event by event, in the order of the log. Pure.

The learner holds what the tables say of the identities of one step, changes that, and says
what has changed. Its rules:

- an identity belongs to one person at most; a person has up to 50;
- a loose ID is tied to the person of a key that stands beside it;
- an ID that two people claimed is *shared*: it names nobody from then on;
- two people who are known by keys of their own are never made one. One who is known by a
  weaker key alone, such as an e-mail address, is the one whom a stronger key stands beside.
"""

from typing import Final

import msgspec

from referrals.learning.mentions import Mention, Mentions

MAX_IDENTITIES: Final = 50


class Identity(msgspec.Struct):
    """What is known of an identity.

    `person` is None where no person is known by it. `referrer` is the hash of the identity
    that the latest event of this one named as its referrer, at `referrer_at` in the log.
    `learned_at` is the position at which it was tied to its person.
    """

    hash: str
    provider: str
    value: str = ""
    person: int | None = None
    is_shared: bool = False
    learned_at: int = 0
    referrer: str | None = None
    referrer_at: int = 0

    def __repr__(self) -> str:
        """Show the provider alone: the rest names a person."""
        return f"Identity({self.provider!r})"


class KnownPerson(msgspec.Struct):
    """A person: the current identity of each key, and how many identities there are."""

    id: int
    keys: dict[str, str] = {}
    size: int = 0
    referrer: str | None = None
    referrer_at: int = 0


class Learned(msgspec.Struct):
    """What a step has changed.

    New people have negative ids until they are written. `merged` says which person became
    part of which. `touched` are those who gained an identity: whoever waits for one of
    theirs may go now. `refused` counts identities beyond the limit.
    """

    identities: set[str] = msgspec.field(default_factory=set)
    people: set[int] = msgspec.field(default_factory=set)
    merged: dict[int, int] = msgspec.field(default_factory=dict)
    touched: set[int] = msgspec.field(default_factory=set)
    shared: set[str] = msgspec.field(default_factory=set)
    refused: int = 0


class Learner:
    """Learns from sides. `identities` and `people` are those that the step may meet.

    `people` has everybody to whom one of `identities` belongs, and of each person whom a
    merge could move, all identities are there.
    """

    def __init__(
        self,
        priority: tuple[str, ...],
        identities: dict[str, Identity],
        people: dict[int, KnownPerson],
    ) -> None:
        self._rank = {provider: rank for rank, provider in enumerate(priority)}
        self.identities = identities
        self.people = people
        self.learned = Learned()
        self._next = -1

    def learn(self, mentions: Mentions, position: int) -> None:
        """Learn from the identities that stand beside one another on one side."""
        keys = [key for key in mentions.keys if not self._is_shared(key)]
        if not keys or len(keys) + len(mentions.loose) < 2:  # noqa: PLR2004 - a pair
            return
        person = self._find_owner(keys[0], position)
        for key in keys:
            self._tie_key(person, key, position)
        for loose in mentions.loose:
            self._tie_loose(person, loose, position)

    def find_person(self, mentions: Mentions) -> int | None:
        """Return whom a side names: by its strongest key, else by an ID that is not shared."""
        for mention in mentions.all:
            known = self.identities.get(mention.hash)
            if known and known.person is not None and not known.is_shared:
                return known.person
        return None

    def _is_shared(self, mention: Mention) -> bool:
        known = self.identities.get(mention.hash)
        return known is not None and known.is_shared

    def _find_owner(self, key: Mention, position: int) -> KnownPerson:
        """Return the person of the strongest key, a new one where nobody has it."""
        first = self._identity(key)
        if first.person is not None:
            return self.people[first.person]
        person = KnownPerson(self._next, {})
        self._next -= 1
        self.people[person.id] = person
        self.learned.people.add(person.id)
        self._give(first, person, position)
        return person

    def _tie_key(self, person: KnownPerson, key: Mention, position: int) -> None:
        """Let `person` be known by `key`, too."""
        identity = self._identity(key)
        owner = identity.person
        if owner is None:
            self._give(identity, person, position)
        elif owner != person.id:
            if not self._is_known_better(self.people[owner], key.provider):
                self._merge(self.people[owner], person, position)
            else:
                self._share(identity)
                return
        self._point(person, key)

    def _tie_loose(self, person: KnownPerson, loose: Mention, position: int) -> None:
        identity = self._identity(loose)
        if identity.is_shared or identity.person == person.id:
            return
        if identity.person is None:
            if person.size >= MAX_IDENTITIES:
                self.learned.refused += 1
                return
            self._give(identity, person, position)
        else:
            self._share(identity)

    def _identity(self, mention: Mention) -> Identity:
        known = self.identities.get(mention.hash)
        if known is None:
            known = Identity(mention.hash, mention.provider)
            self.identities[mention.hash] = known
            self.learned.identities.add(mention.hash)
        if mention.provider in self._rank and not known.value:
            known.value = mention.value
            self.learned.identities.add(mention.hash)
        return known

    def _give(self, identity: Identity, person: KnownPerson, position: int) -> None:
        identity.person = person.id
        identity.learned_at = position
        person.size += 1
        if identity.provider in self._rank:
            person.keys.setdefault(identity.provider, identity.hash)
        self._move_memory(identity, person)
        self.learned.identities.add(identity.hash)
        self.learned.people.add(person.id)
        self.learned.touched.add(person.id)

    def _point(self, person: KnownPerson, key: Mention) -> None:
        """Make `key` the person's current one of its provider: an address may change."""
        if person.keys.get(key.provider) != key.hash:
            person.keys[key.provider] = key.hash
            self.learned.people.add(person.id)

    def _share(self, identity: Identity) -> None:
        if not identity.is_shared:
            identity.is_shared = True
            self.learned.identities.add(identity.hash)
            self.learned.shared.add(identity.hash)

    def _is_known_better(self, person: KnownPerson, provider: str) -> bool:
        """Return whether `person` has a key that is stronger than one of `provider`."""
        return any(self._rank[each] < self._rank[provider] for each in person.keys)

    def _merge(self, weaker: KnownPerson, person: KnownPerson, position: int) -> None:
        """Let everything of `weaker` be of `person`: it was the same one."""
        for identity in self.identities.values():
            if identity.person == weaker.id:
                identity.person = person.id
                identity.learned_at = position
                self.learned.identities.add(identity.hash)
        for provider, current in weaker.keys.items():
            person.keys.setdefault(provider, current)
        person.size += weaker.size
        if weaker.referrer_at > person.referrer_at:
            person.referrer, person.referrer_at = weaker.referrer, weaker.referrer_at
        del self.people[weaker.id]
        self.learned.people.discard(weaker.id)
        self.learned.touched.discard(weaker.id)
        self.learned.people.add(person.id)
        self.learned.touched.add(person.id)
        self.learned.merged[weaker.id] = person.id

    # Who invited whom

    def remember_referrer(
        self, user: Mentions, referrer: Mentions, position: int
    ) -> None:
        """Remember whom the event at `position` named as the user's referrer.

        By the user's person, or by each ID where nobody is known yet. Never oneself.
        """
        if not user.all or not referrer.all or self._is_same(user, referrer):
            return
        named = self._identity(referrer.all[0]).hash
        person = self.find_person(user)
        holders: list[Identity] | list[KnownPerson]
        if person is not None:
            holders = [self.people[person]]
            self.learned.people.add(person)
        else:
            holders = [self._identity(each) for each in user.all]
            self.learned.identities.update(each.hash for each in user.all)
        for holder in holders:
            holder.referrer, holder.referrer_at = named, position

    def find_referrer(self, user: Mentions) -> str | None:
        """Return the hash of the identity of the user's last referrer, or None."""
        person = self.find_person(user)
        if person is not None and self.people[person].referrer is not None:
            return self.people[person].referrer
        found = [
            self.identities[each.hash]
            for each in user.all
            if each.hash in self.identities
        ]
        latest = max(
            (each for each in found if not each.is_shared),
            key=lambda each: each.referrer_at,
            default=None,
        )
        return latest.referrer if latest else None

    def _move_memory(self, identity: Identity, person: KnownPerson) -> None:
        named = identity.referrer
        is_newer = named is not None and identity.referrer_at > person.referrer_at
        if named is not None and is_newer and not self._is_own(named, person):
            person.referrer, person.referrer_at = named, identity.referrer_at
        identity.referrer, identity.referrer_at = None, 0

    def _is_own(self, identity_hash: str, person: KnownPerson) -> bool:
        known = self.identities.get(identity_hash)
        return known is not None and known.person == person.id

    def _is_same(self, user: Mentions, referrer: Mentions) -> bool:
        if {each.hash for each in user.all} & {each.hash for each in referrer.all}:
            return True
        one, other = self.find_person(user), self.find_person(referrer)
        return one is not None and one == other
