"""What was learned of an identity, of the person it is tied to, and of conflicts.

Values are masked, and those of IDs that come before sign-up are not kept at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from referrals import log
from referrals.identity import mask_value
from referrals.models import App, KnownIdentity, KnownPerson, PeopleProgress, SharedMark

#: More than a person may have, so that a page shows all of them.
MOST_IDENTITIES: Final = 500
MOST_CONFLICTS: Final = 100
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Source:
    """The event that said something. `is_kept`: whether the log still has it."""

    position: int
    is_kept: bool


@dataclass(frozen=True, slots=True)
class ShownIdentity:
    """An identity: its provider and masked value, who tied it, and whether it is shared.

    `shared_by` is empty where a person marked it, which `mark` says.
    """

    hash: str
    provider: str
    value: str
    is_current: bool
    is_shared: bool
    tied_by: Source | None
    shared_by: Source | None
    mark: SharedMark | None


@dataclass(frozen=True, slots=True)
class ShownPerson:
    """Everything that is known of a person: identities, and who invited them last."""

    first_seen: Source
    identities: Sequence[ShownIdentity]
    referrer: ShownIdentity | None
    referred_by: Source | None


@dataclass(frozen=True, slots=True)
class KnownBy:
    """An identity in one world, production or test, and the person it is tied to."""

    test: bool
    identity: ShownIdentity
    person: ShownPerson | None


def find_by_hash(app: App, digest: UUID) -> list[KnownBy]:
    """Return what is known of an identity: in production, and in test events apart."""
    rows = KnownIdentity.objects.filter(app=app, hash=digest).order_by("test")
    return [_describe(app, row) for row in rows]


def list_conflicts(app: App, limit: int = MOST_CONFLICTS) -> list[KnownBy]:
    """Return the identities that name nobody, the latest first, and the marked ones last."""
    rows = KnownIdentity.objects.filter(app=app, shared_at__isnull=False)
    found = list(rows.order_by("-shared_at")[:limit])
    shown = _show(app, found, set())
    return [
        KnownBy(row.test, each, None) for row, each in zip(found, shown, strict=True)
    ]


def find_mark(app: App, digest: UUID) -> SharedMark | None:
    """Return the mark of an identity that a person made."""
    return SharedMark.objects.filter(app=app, hash=digest).first()


def read_progress(app: App) -> PeopleProgress | None:
    """Return how far the app's log was learned from; None before it began."""
    return PeopleProgress.objects.filter(app=app).first()


def _describe(app: App, row: KnownIdentity) -> KnownBy:
    person = (
        None
        if row.person is None
        else KnownPerson.objects.filter(app=app, number=row.person).first()
    )
    if person is None:
        (identity,) = _show(app, [row], set())
        return KnownBy(row.test, identity, None)
    shown = _describe_person(app, person)
    identity = (
        next(
            (each for each in shown.identities if each.hash == row.hash.hex),
            None,
        )
        or _show(app, [row], set())[0]
    )
    return KnownBy(row.test, identity, shown)


def _describe_person(app: App, person: KnownPerson) -> ShownPerson:
    tied = KnownIdentity.objects.filter(
        app=app, person=person.number, test=person.test
    ).order_by("learned_at", "provider")
    rows = list(tied[:MOST_IDENTITIES])
    named = KnownIdentity.objects.filter(
        app=app, hash__in=[person.referrer or _NOBODY], test=person.test
    )
    current = {UUID(str(each)).hex for each in person.keys.values()}
    first = person.number // 2
    sources = _find_sources(app, [first, person.referrer_at])
    return ShownPerson(
        first_seen=sources[first],
        identities=_show(app, rows, current),
        referrer=next(iter(_show(app, named, set())), None),
        referred_by=sources.get(person.referrer_at),
    )


def _show(
    app: App, rows: Iterable[KnownIdentity], current: set[str]
) -> list[ShownIdentity]:
    rows = list(rows)
    marks = {
        mark.hash: mark
        for mark in SharedMark.objects.filter(
            app=app, hash__in={row.hash for row in rows}
        )
    }
    places = [place for row in rows for place in (row.learned_at, row.shared_at)]
    sources = _find_sources(app, places)
    return [
        ShownIdentity(
            hash=row.hash.hex,
            provider=row.provider,
            value=mask_value(row.value) if row.value else "",
            is_current=row.hash.hex in current,
            is_shared=row.shared_at is not None,
            tied_by=None if row.person is None else sources.get(row.learned_at),
            shared_by=sources.get(row.shared_at or 0),
            mark=marks.get(row.hash),
        )
        for row in rows
    ]


def _find_sources(app: App, positions: Iterable[int | None]) -> dict[int, Source]:
    """Return the events at the positions; 0 and None are none."""
    wanted = {position for position in positions if position}
    kept = log.read_received_at([(app.pk, position) for position in wanted])
    return {
        position: Source(position, (app.pk, position) in kept) for position in wanted
    }
