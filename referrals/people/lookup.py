"""Who is who: asked by destinations before they send, and by pages that may show it."""

from collections.abc import Collection
from typing import Final

import msgspec
from django.db import connection
from django.db.models import F, Q

from referrals.identity import mask_value
from referrals.learning.known import Identity
from referrals.models import PeopleProgress
from referrals.people import tables


class Resolved(msgspec.Struct, frozen=True):
    """Under which identity a person's records go out.

    `hash` is that of `person`'s present identity of the provider that was asked for; its
    value never changes. `learned_at` is the position at which it became known, where that was
    asked for; else the one at which the identity that was looked up was tied to the person.
    """

    hash: str
    person: int | None = None
    learned_at: int = 0
    is_shared: bool = False


# Part of each revival: the ORM would take two statements, each as long to compose as to answer.
_CURSOR: Final = """
    SELECT p.cursor FROM referrals_peopleprogress p JOIN referrals_app a ON a.id = p.app_id
    WHERE p.app_id = %s AND (a.remembers_referrers OR CAST(a.loose_ids AS text) <> '[]')
"""

#: In place of an identity that several people have: nobody is meant by it.
SHARED: Final = Resolved("", is_shared=True)


class KnownValue(msgspec.Struct, frozen=True):
    """An identity in plain text, as it is sent."""

    provider: str
    value: str

    def __repr__(self) -> str:
        """Show the provider alone: the rest names a person."""
        return f"KnownValue({self.provider!r})"


class OtherIdentity(msgspec.Struct, frozen=True):
    """A further identity of a person. `shown` is its masked value; empty: not kept."""

    provider: str
    shown: str
    hash: str
    is_shared: bool


def resolve(
    app_id: int,
    hashes: Collection[str],
    provider: str,
    *,
    test: bool,
    dated: bool = False,
) -> dict[str, Resolved]:
    """Return, by hash, the identity of `provider` of the person whom it names now.

    `SHARED` for those that several people have. Left out are those of which nobody is known,
    or nobody with such an identity. Nobody is known before learning is complete. `dated`:
    since when each is known by that identity is wanted, which costs a third more.
    """
    found: dict[str, Resolved] = {}
    for each in tables.read_owners(
        app_id, set(hashes), provider.casefold(), test=test, dated=dated
    ):
        if each.is_sent:
            # The side itself carries it: nothing is resolved through it.
            found[each.hash] = Resolved(each.hash, each.person, each.learned_at)
        elif each.is_shared:
            found[each.hash] = SHARED
        elif each.present is not None:
            learned_at = max(each.learned_at, each.present_learned_at or 0)
            found[each.hash] = Resolved(each.present, each.person, learned_at)
    return found


def find_decisions(app_id: int, positions: Collection[int]) -> dict[int, str | None]:
    """Return whom `"last"` stands for in events, by position: the hash of an identity.

    None where that is unknown yet. Left out are events that no step has passed, and all
    before learning is complete.
    """
    if not is_complete(app_id):
        return {}
    return tables.read_decisions(app_id, set(positions))


def read_identities(
    app_id: int, hashes: Collection[str], *, test: bool
) -> dict[str, KnownValue]:
    """Return identities in plain text, by hash. Left out are those that are not kept."""
    rows = _read_world(app_id, "hash", set(hashes), test=test)
    return {
        each.hash: KnownValue(each.provider, each.value)
        for each in rows.values()
        if each.value
    }


def find_other_identities(app_id: int, hashes: Collection[str]) -> list[OtherIdentity]:
    """Return what else the people are known by who have these identities.

    In production and in test, each once. Nobody is known by one that is shared.
    """
    given = set(hashes)
    owners = {
        each.person
        for _, each in tables.read_identities(app_id, "hash", given)
        if each.person is not None and each.shared_at is None
    }
    others = {
        OtherIdentity(
            each.provider,
            mask_value(each.value) if each.value else "",
            each.hash,
            each.shared_at is not None,
        )
        for _, each in tables.read_identities(app_id, "person", owners)
        if each.hash not in given
    }
    return sorted(others, key=lambda each: (each.provider, each.shown, each.hash))


def is_complete(app_id: int) -> bool:
    """Return whether the app has learned from all that its log had when it began, or anew.

    Before that an ID that two people claimed may look like the first one's.
    """
    progress = PeopleProgress.objects.filter(app=app_id)
    is_learning = Q(emptying=True) | Q(cursor__lt=F("complete_at"))
    return not progress.filter(is_learning).exists()


def find_cursor(app_id: int) -> int | None:
    """Return the last position that was learned from; None where the app does not learn.

    What lies beyond it has to stay in the log.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CURSOR, [app_id])
        row: tuple[int] | None = cursor.fetchone()
    return row and row[0]


def _read_world(
    app_id: int, by: str, values: Collection[str], *, test: bool
) -> dict[str, Identity]:
    rows = tables.read_identities(app_id, by, values)
    return {each.hash: each for of_test, each in rows if of_test is test}
