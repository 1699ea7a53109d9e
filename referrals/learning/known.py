"""What is known of the people whom a step meets, and what it changes of that. Pure."""

from datetime import datetime

import msgspec


class Identity(msgspec.Struct, array_like=True):
    """What is known of an identity.

    `person` is None where nobody is known by it. `shared_at` is the position at which a
    second person claimed it, `learned_at` the one at which it was tied to its person.
    `referrer` is the hash of the identity that the latest event of this one named as its
    referrer, at `referrer_at` in the log.
    """

    hash: str
    provider: str
    seen_at: datetime
    value: str = ""
    person: int | None = None
    shared_at: int | None = None
    learned_at: int = 0
    referrer: str | None = None
    referrer_at: int = 0

    def __repr__(self) -> str:
        """Show the provider alone: the rest names a person."""
        return f"Identity({self.provider!r})"


class KnownPerson(msgspec.Struct, array_like=True):
    """A person: the present identity of each key, and how many identities there are.

    `number` is the pick at which the person was first seen: twice the position, plus one for
    the referrer's side.
    """

    number: int
    seen_at: datetime
    keys: dict[str, str] = {}
    size: int = 0
    referrer: str | None = None
    referrer_at: int = 0


class Known:
    """The identities and people that a step may meet, of production or of test.

    `people` has everybody to whom one of `identities` belongs. `undecided` are positions of
    events whose referrer is `"last"` and unknown, by the user's hash. `marked` are identities
    that a person marked as shared.
    """

    def __init__(
        self,
        identities: dict[str, Identity] | None = None,
        people: dict[int, KnownPerson] | None = None,
        *,
        undecided: dict[str, list[int]] | None = None,
        marked: frozenset[str] = frozenset(),
    ) -> None:
        self.identities = identities if identities is not None else {}
        self.people = people if people is not None else {}
        self.undecided = undecided if undecided is not None else {}
        self.marked = marked
        self.members: dict[int, set[str]] = {}
        for identity in self.identities.values():
            if identity.person is not None:
                self.members.setdefault(identity.person, set()).add(identity.hash)

    def is_shared(self, identity_hash: str) -> bool:
        """Return whether an identity names nobody, because several people have it."""
        known = self.identities.get(identity_hash)
        return identity_hash in self.marked or (
            known is not None and known.shared_at is not None
        )

    def is_of(self, identity_hash: str, person: int) -> bool:
        """Return whether an identity belongs to a person, be it shared or not."""
        known = self.identities.get(identity_hash)
        return known is not None and known.person == person


class Decision(msgspec.Struct, frozen=True):
    """Whom `"last"` stands for in an event; None: nobody is known yet."""

    user: str | None
    referrer: str | None


class Learned(msgspec.Struct):
    """What a step has changed.

    `linked` are identities whose person may be known now, or which name nobody any more,
    with the position that did it. `asked` are the events with `"last"` that were passed;
    `decided` those whose referrer is known now. `gone` are people who became part of others.
    `unsettled`: something that was learned before is no longer true. `refused` counts
    identities beyond a person's limit.
    """

    identities: set[str] = msgspec.field(default_factory=set)
    people: set[int] = msgspec.field(default_factory=set)
    gone: set[int] = msgspec.field(default_factory=set)
    linked: dict[str, int] = msgspec.field(default_factory=dict)
    shared: set[str] = msgspec.field(default_factory=set)
    asked: dict[int, Decision] = msgspec.field(default_factory=dict)
    decided: dict[int, str] = msgspec.field(default_factory=dict)
    unsettled: bool = False
    refused: int = 0
