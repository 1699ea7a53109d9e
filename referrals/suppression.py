"""An app's suppressed people, known by keyed hashes of their identities only.

A person is suppressed if any of their identities is. Destinations ask before they send.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from uuid import UUID

from django.db import connection

from referrals import hashing
from referrals.identity import Identity
from referrals.models import Suppression
from referrals.schema import Event, Person
from referrals.vocabulary import Side

_CHUNK = 500
_NEWEST = "SELECT max(id) FROM referrals_suppression WHERE app_id = {app}"
_NO_SIDE: frozenset[Side] = frozenset()


def hash_identities(app_id: int, identities: Iterable[Identity]) -> list[str]:
    """Return the keyed hashes by which these identities are recognised, sorted."""
    digest = hashing.make_identity_hasher(app_id)
    return sorted({digest(*identity) for identity in identities})


def suppress_hashes(app_id: int, hashes: Collection[str]) -> int:
    """Store the hashes; return the number of the last of them.

    The caller holds a lock of the app, so that no smaller number appears after one that
    was read. Doing it twice changes nothing more.
    """
    Suppression.objects.bulk_create(
        [Suppression(app_id=app_id, identity_hash=UUID(each)) for each in hashes],
        ignore_conflicts=True,
    )
    remembered = Suppression.objects.filter(app=app_id, identity_hash__in=hashes)
    return max(remembered.values_list("pk", flat=True))


def lift_suppression(app_id: int, hashes: Collection[str]) -> int:
    """Delete the hashes: the person agrees again. Return how many there were."""
    found = Suppression.objects.filter(app=app_id, identity_hash__in=hashes)
    lifted, _ = found.delete()
    return lifted


def count_suppressed(app_id: int, hashes: Collection[str]) -> int:
    """Return how many of the hashes are suppressed."""
    return Suppression.objects.filter(app=app_id, identity_hash__in=hashes).count()


def find_suppressed_until(app_id: int, hashes: Sequence[str], until: int) -> set[str]:
    """Return those of `hashes` that are suppressed.

    Suppressions numbered above `until` do not count; with 0 there is no query.
    """
    return _find_suppressed(app_id, hashes, until) if until else set()


def find_newest_suppression(app_id: int) -> int:
    """Return the number of the app's last suppression; 0 where it has none."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST.format(app="%s"), [app_id])
        number: int | None = cursor.fetchone()[0]
    return number or 0


def build_newest_suppression_sql(app: str) -> str:
    """Return the same number as an SQL expression, NULL where the app has no suppression.

    For use inside a larger statement. `app` is a column of that, never a caller's text.
    """
    return f"({_NEWEST.format(app=app)})"


def make_person_matcher(
    app_id: int, hashes: Collection[str]
) -> Callable[[Person], bool]:
    """Return a function that says whether a person has an identity with one of `hashes`."""
    digest = hashing.make_identity_hasher(app_id)
    wanted = frozenset(hashes)

    def is_meant(person: Person) -> bool:
        return any(digest(*pair) in wanted for pair in person.identities.items())

    return is_meant


def find_sides_meant(
    event: Event, is_meant: Callable[[Person], bool]
) -> frozenset[Side]:
    """Return the sides of the event whose person `is_meant` accepts."""
    people = ((Side.REFERRED, event.user), (Side.GENERATED, event.referrer))
    found = [side for side, person in people if person and is_meant(person)]
    return frozenset(found) if found else _NO_SIDE


def find_suppressed_sides(
    app_id: int, events: Sequence[Event], until: int
) -> list[frozenset[Side]]:
    """Return, per event, the sides of suppressed people.

    Suppressions numbered above `until` do not count; with 0 there is no query.
    """
    if not until:
        return [_NO_SIDE] * len(events)
    digest = hashing.make_identity_hasher(app_id)
    present = {
        digest(*pair)
        for event in events
        for person in (event.user, event.referrer)
        if person
        for pair in person.identities.items()
    }
    found = _find_suppressed(app_id, list(present), until)
    if not found:
        return [_NO_SIDE] * len(events)
    is_meant = make_person_matcher(app_id, found)
    return [find_sides_meant(event, is_meant) for event in events]


def find_suppressed_hashes(app_id: int, hashes: Sequence[str]) -> set[str]:
    """Return those of `hashes` that are suppressed now."""
    return _find_suppressed(app_id, hashes, find_newest_suppression(app_id))


def _find_suppressed(app_id: int, hashes: Sequence[str], until: int) -> set[str]:
    """Return those of `hashes` that are suppressed, however long the list is."""
    rows = Suppression.objects.filter(app=app_id, id__lte=until)
    found: set[str] = set()
    for start in range(0, len(hashes), _CHUNK):
        chunk = rows.filter(identity_hash__in=hashes[start : start + _CHUNK])
        found.update(each.hex for each in chunk.values_list("identity_hash", flat=True))
    return found
