"""What of one side of an event can be learned: its usable identities, in order. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from referrals.learning.blocklist import is_blocked

#: What identifies a person best, whatever was added when.
_FIRST: Final = "custom_id"
#: What a person may change, and another may then have.
_LAST: Final = ("email", "phone")

HashIdentity = Callable[[str, str], str]


class PeopleRules(msgspec.Struct, frozen=True):
    """Which providers an app learns by. Their case does not count: they are folded.

    `keys` name one person each, in the order of their priority; `loose` come before
    sign-up, and none of them is a key. `remembers`: whether referrers are remembered.
    """

    keys: tuple[str, ...]
    loose: frozenset[str]
    remembers: bool = False


class Mention(msgspec.Struct, frozen=True):
    """An identity that a side carries. `hash` is the keyed hash by which it is known."""

    provider: str
    value: str
    hash: str

    def __repr__(self) -> str:
        """Show the provider alone: the rest names a person."""
        return f"Mention({self.provider!r})"


class Mentions(msgspec.Struct, frozen=True):
    """The usable identities of a side: keys by priority, and loose ones."""

    keys: tuple[Mention, ...] = ()
    loose: tuple[Mention, ...] = ()

    @property
    def all(self) -> tuple[Mention, ...]:
        """Keys first."""
        return self.keys + self.loose


NOBODY: Final = Mentions()


class LoggedSides(msgspec.Struct, frozen=True):
    """What of an event can be learned. `asks_last`: its referrer is `"last"`."""

    position: int
    received_at: datetime
    user: Mentions = NOBODY
    referrer: Mentions = NOBODY
    asks_last: bool = False
    teaches_referrer: bool = True


def make_rules(
    providers: Iterable[str], waited_for: Iterable[str], *, remembers: bool = False
) -> PeopleRules:
    """Return the rules of an app.

    `providers` are those by which its integrations know people, in the order in which they
    were added; `waited_for` what a person listed as IDs that come before sign-up. A key
    that stands there stays a key: it names one person, though another key may be waited for.
    """
    keys = order_keys(providers)
    listed = frozenset(map(str.casefold, waited_for))
    return PeopleRules(keys, listed.difference(keys), remembers)


def order_keys(providers: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of an app by priority.

    First is `custom_id`, last are e-mail address and phone number: with the address first,
    a changed one would make the ID of a person name nobody.
    """
    named = dict.fromkeys((_FIRST, *map(str.casefold, providers)))
    middle = [each for each in named if each != _FIRST and each not in _LAST]
    return (_FIRST, *middle, *_LAST)


def find_mentions(
    identities: Mapping[str, str], rules: PeopleRules, hash_identity: HashIdentity
) -> Mentions:
    """Return what of a side's identities can be learned; what names nobody is left out."""
    folded = _fold(identities)
    return Mentions(
        keys=_mention(rules.keys, folded, hash_identity),
        loose=_mention(sorted(rules.loose & folded.keys()), folded, hash_identity),
    )


def _fold(identities: Mapping[str, str]) -> dict[str, str]:
    """Return identities by folded provider. One that stands there twice says nothing."""
    folded = {provider.casefold(): value for provider, value in identities.items()}
    if len(folded) == len(identities):
        return folded
    names = [each.casefold() for each in identities]
    return {name: value for name, value in folded.items() if names.count(name) == 1}


def _mention(
    providers: Iterable[str], identities: Mapping[str, str], hash_identity: HashIdentity
) -> tuple[Mention, ...]:
    return tuple(
        Mention(provider, value, hash_identity(provider, value))
        for provider in providers
        if (value := identities.get(provider)) and not is_blocked(value)
    )
