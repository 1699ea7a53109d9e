"""Learning who is who, event by event, in the order of the log. Pure.

The learner holds what the tables say of the identities of one step, changes that, and says
what has changed. Its rules:

- an identity belongs to one person at most; a person has up to 50;
- a loose ID is tied to the person of a key that stands beside it;
- an ID that two people claimed is *shared*: it names nobody from then on;
- two people who are known by keys of their own are never made one. One who is known by a
  weaker key alone, such as an e-mail address, is the one whom a stronger key stands beside;
- a key beside which too many values of a weaker one stood is nobody's own: then all that
  was tied by it is shared.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from referrals.learning.known import Identity, Known, KnownPerson, Learned
from referrals.learning.mentions import LoggedSides, Mention, Mentions, PeopleRules
from referrals.learning.referrers import ReferrerMemory

MAX_IDENTITIES: Final = 50
#: How many values of one key a person may have had. Segment has the same limit.
MAX_OF_A_KEY: Final = 5
#: How exact "last seen" is: so it costs a write a week, not one an event.
SEEN_EVERY: Final = timedelta(days=7)
_A_PAIR: Final = 2


class Learner:
    """Learns from sides, into `known`; `learned` says what has changed.

    Of each person who stands beside an identity that is not theirs, `known` has all
    identities, because they may become another's.
    """

    def __init__(
        self, rules: PeopleRules, known: Known, *, limit: int = MAX_IDENTITIES
    ) -> None:
        self._rank = {provider: rank for rank, provider in enumerate(rules.keys)}
        self._remembers = rules.remembers
        self._limit = limit
        self.known = known
        self.learned = Learned()
        self._memory = ReferrerMemory(known, self.learned, self._ensure)
        # Of the side that is learned from.
        self._pick = 0
        self._at = datetime.min.replace(tzinfo=UTC)

    def learn_event(self, event: LoggedSides) -> None:
        """Learn from both sides of an event, and who invited whom.

        Whom `"last"` stands for is decided once its own user is known, and before anything
        that comes later.
        """
        self.learn(event.user, event.position * 2, event.received_at)
        self.learn(event.referrer, event.position * 2 + 1, event.received_at)
        if not self._remembers:
            return
        if event.asks_last:
            self._memory.decide(event.user, event.position)
        elif event.teaches_referrer:
            self._memory.remember(
                event.user, event.referrer, event.position, event.received_at
            )

    def learn(self, mentions: Mentions, pick: int, at: datetime) -> None:
        """Learn from the identities that stand beside one another on one side."""
        if not mentions.all:
            return
        self._pick, self._at = pick, at
        is_shared = self.known.is_shared
        keys = [key for key in mentions.keys if not is_shared(key.hash)]
        if keys and len(keys) + len(mentions.loose) >= _A_PAIR:
            self._tie(keys, mentions.loose)
        self._see(mentions)
        if self._remembers:
            self._memory.decide_waiting()

    def _tie(self, keys: Sequence[Mention], loose: Sequence[Mention]) -> None:
        person = self._find_owner(keys)
        for key in keys:
            self._tie_key(person, key)
            if self._is_crowded(person, key.provider):
                for each in sorted(self.known.members[person.number]):
                    self._share(self.known.identities[each])
                return
        for mention in loose:
            self._tie_loose(person, mention)

    def _find_owner(self, keys: Sequence[Mention]) -> KnownPerson:
        """Return the person of the strongest key; where nobody has it, whom it completes.

        That is one who is known by a weaker one alone; else somebody new.
        """
        people = self.known.people
        for rank, key in enumerate(keys):
            known = self.known.identities.get(key.hash)
            if known is None or known.person is None:
                continue
            owner = people[known.person]
            if not rank or not self._is_known_better(owner, key.provider):
                return owner
        person = KnownPerson(self._pick, self._at, {})
        people[person.number] = person
        self.known.members[person.number] = set()
        self.learned.people.add(person.number)
        return person

    def _tie_key(self, person: KnownPerson, key: Mention) -> None:
        """Let `person` be known by `key`, too."""
        identity = self._ensure(key, self._at)
        owner = identity.person
        if owner is None:
            self._give(identity, person)
        elif owner != person.number:
            if self._is_known_better(self.known.people[owner], key.provider):
                self._share(identity)
                return
            self._merge(self.known.people[owner], person)
        self._point(person, key)

    def _tie_loose(self, person: KnownPerson, loose: Mention) -> None:
        known = self.known.identities.get(loose.hash)
        owner = known.person if known else None
        if owner == person.number or self.known.is_shared(loose.hash):
            return
        if owner is not None:
            self._share(self.known.identities[loose.hash])
        elif person.size >= self._limit:
            self.learned.refused += 1
        else:
            self._give(self._ensure(loose, self._at), person)

    def _ensure(self, mention: Mention, at: datetime) -> Identity:
        """Return what is known of an identity, which is written down from now on."""
        known = self.known.identities.get(mention.hash)
        if known is None:
            known = Identity(mention.hash, mention.provider, at)
            self.known.identities[mention.hash] = known
            self.learned.identities.add(mention.hash)
        if mention.provider in self._rank and not known.value:
            known.value = mention.value
            self.learned.identities.add(mention.hash)
        return known

    def _give(self, identity: Identity, person: KnownPerson) -> None:
        identity.person = person.number
        identity.learned_at = self._pick // 2
        self.known.members[person.number].add(identity.hash)
        person.size += 1
        person.seen_at = self._at
        self._memory.move(identity, person)
        self.learned.identities.add(identity.hash)
        self.learned.people.add(person.number)
        self._link(identity.hash)
        if identity.provider in self._rank:
            person.keys.setdefault(identity.provider, identity.hash)
            self._link(*self.known.members[person.number])

    def _point(self, person: KnownPerson, key: Mention) -> None:
        """Make `key` the person's present one of its provider: an address may change."""
        if person.keys.get(key.provider) != key.hash:
            person.keys[key.provider] = key.hash
            self.learned.people.add(person.number)
            self.learned.unsettled = True

    def _share(self, identity: Identity) -> None:
        if identity.shared_at is None:
            identity.shared_at = self._pick // 2
            self.learned.identities.add(identity.hash)
            self.learned.shared.add(identity.hash)
            self.learned.unsettled = True
            self._link(identity.hash)

    def _merge(self, weaker: KnownPerson, person: KnownPerson) -> None:
        """Let everything of `weaker` be of `person`: it was the same one."""
        moved = self.known.members.pop(weaker.number)
        for each in moved:
            identity = self.known.identities[each]
            identity.person = person.number
            identity.learned_at = self._pick // 2
        self.known.members[person.number] |= moved
        for provider, current in weaker.keys.items():
            person.keys.setdefault(provider, current)
        person.size += weaker.size
        person.seen_at = max(person.seen_at, weaker.seen_at)
        self._memory.move(weaker, person)
        del self.known.people[weaker.number]
        self.learned.identities |= moved
        self.learned.people.discard(weaker.number)
        self.learned.people.add(person.number)
        self.learned.gone.add(weaker.number)
        self.learned.unsettled = True
        self._link(*self.known.members[person.number])

    def _link(self, *hashes: str) -> None:
        """Note that who waits for these may go, or may go no more."""
        self.learned.linked.update(dict.fromkeys(hashes, self._pick // 2))

    def _is_known_better(self, person: KnownPerson, provider: str) -> bool:
        """Return whether `person` has a key that is stronger than one of `provider`."""
        return any(self._rank[each] < self._rank[provider] for each in person.keys)

    def _is_crowded(self, person: KnownPerson, provider: str) -> bool:
        """Return whether a person had more values of a key than one person has."""
        members = self.known.members[person.number]
        if len(members) <= MAX_OF_A_KEY:
            return False
        identities = self.known.identities
        same = sum(identities[each].provider == provider for each in members)
        return same > MAX_OF_A_KEY

    def _see(self, mentions: Mentions) -> None:
        """Write down when identities were last seen, and their person by them."""
        for mention in mentions.all:
            known = self.known.identities.get(mention.hash)
            if known is None or self._at - known.seen_at < SEEN_EVERY:
                continue
            known.seen_at = self._at
            self.learned.identities.add(known.hash)
            if known.person is not None and not self.known.is_shared(known.hash):
                self.known.people[known.person].seen_at = self._at
                self.learned.people.add(known.person)
