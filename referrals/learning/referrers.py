"""Who invited whom last, and whom `"last"` stands for. Pure.

The memory hangs on an identity while nobody is known by it, and on the person afterwards.
"""

from collections.abc import Callable
from datetime import datetime

from referrals.learning.known import Decision, Identity, Known, KnownPerson, Learned
from referrals.learning.mentions import Mention, Mentions

EnsureIdentity = Callable[[Mention, datetime], Identity]


class ReferrerMemory:
    """What events said of their referrers, in `known`; `learned` says what has changed."""

    def __init__(self, known: Known, learned: Learned, ensure: EnsureIdentity) -> None:
        self._known = known
        self._learned = learned
        self._ensure = ensure
        # Who has got an identity or a memory since `decide_waiting`.
        self._moved: set[int] = set()

    def remember(
        self, user: Mentions, referrer: Mentions, position: int, at: datetime
    ) -> None:
        """Remember whom the event at `position` named as the user's referrer.

        By the user's person, or by each ID where nobody is known yet. Never oneself.
        """
        if not user.all or not referrer.all or self._is_same(user, referrer):
            return
        named = self._ensure(self._find_strongest(referrer) or referrer.all[0], at)
        person = self._find_person(user)
        holders: list[Identity] | list[KnownPerson]
        if person is not None:
            holders = [person]
            self._learned.people.add(person.number)
        else:
            usable = [m for m in user.all if not self._known.is_shared(m.hash)]
            holders = [self._ensure(each, at) for each in usable]
            self._learned.identities.update(each.hash for each in usable)
        for holder in holders:
            holder.referrer, holder.referrer_at = named.hash, position

    def find(self, user: Mentions) -> str | None:
        """Return the hash of the identity of the user's last referrer, or None."""
        person = self._find_person(user)
        if person is not None and person.referrer is not None:
            is_own = self._known.is_of(person.referrer, person.number)
            return None if is_own else person.referrer
        found = [
            identity
            for each in user.all
            if (identity := self._known.identities.get(each.hash))
            and not self._known.is_shared(each.hash)
        ]
        latest = max(found, key=lambda each: each.referrer_at, default=None)
        return latest.referrer if latest else None

    def decide(self, user: Mentions, position: int) -> None:
        """Decide whom `"last"` stands for in the event at `position`, or let it wait."""
        referrer = self.find(user)
        strongest = self._find_strongest(user)
        named = strongest.hash if strongest else None
        self._learned.asked[position] = Decision(named, referrer)
        if referrer is not None:
            self._learned.decided[position] = referrer
        elif named is not None:
            self._known.undecided.setdefault(named, []).append(position)

    def decide_waiting(self) -> None:
        """Decide the events that waited for a memory which has reached their user now."""
        moved, self._moved = self._moved, set()
        if not self._known.undecided:
            return
        for number in sorted(moved & self._known.people.keys()):
            person = self._known.people[number]
            referrer = person.referrer
            if referrer is None or self._known.is_of(referrer, number):
                continue
            for each in self._known.members[number] & self._known.undecided.keys():
                self._decide_earlier(each, referrer, person.referrer_at)

    def move(self, holder: Identity | KnownPerson, person: KnownPerson) -> None:
        """Let `person` have the memory of one of their own, if it is the later one."""
        self._moved.add(person.number)
        named = holder.referrer
        is_newer = named is not None and holder.referrer_at > person.referrer_at
        if (
            named is not None
            and is_newer
            and not self._known.is_of(named, person.number)
        ):
            person.referrer, person.referrer_at = named, holder.referrer_at
        holder.referrer, holder.referrer_at = None, 0

    def _decide_earlier(self, user: str, referrer: str, since: int) -> None:
        waiting = self._known.undecided.pop(user)
        for position in waiting:
            if since < position:
                self._learned.decided[position] = referrer
                if asked := self._learned.asked.get(position):
                    decided = Decision(asked.user, referrer)
                    self._learned.asked[position] = decided
        if left := [each for each in waiting if each <= since]:
            self._known.undecided[user] = left

    def _find_person(self, mentions: Mentions) -> KnownPerson | None:
        """Return whom a side names: by its strongest key, else by an ID that is not shared."""
        for mention in mentions.all:
            known = self._known.identities.get(mention.hash)
            if (
                known is not None
                and known.person is not None
                and not self._known.is_shared(known.hash)
            ):
                return self._known.people[known.person]
        return None

    def _find_strongest(self, mentions: Mentions) -> Mention | None:
        usable = (m for m in mentions.all if not self._known.is_shared(m.hash))
        return next(usable, None)

    def _is_same(self, user: Mentions, referrer: Mentions) -> bool:
        if {each.hash for each in user.all} & {each.hash for each in referrer.all}:
            return True
        one, other = self._find_person(user), self._find_person(referrer)
        return one is not None and one is other
