"""Marks: an identity that is known to be shared names nobody, whatever is learned.

A person knows it, or it shows by how much waits for one identity.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from referrals import hashing
from referrals.learning.known import Identity
from referrals.models import SharedMark
from referrals.people import tables
from referrals.people.removal import lock_progress, raise_generation, remove_identities

_WORLDS = (False, True)


def mark_shared(app_id: int, provider: str, value: str, by: str) -> SharedMark:
    """Let an identity name nobody from now on, also when people are learned anew.

    Doing it twice changes nothing more. Records that wait for it go on waiting in vain.
    """
    digest = hashing.make_identity_hasher(app_id)(provider, value)
    return mark_hash(app_id, provider, digest, by)


def mark_hash(app_id: int, provider: str, digest: str, by: str) -> SharedMark:
    """Do the same for an identity of which only the keyed hash is known."""
    folded = provider.casefold()
    with transaction.atomic():
        lock_progress(app_id)
        mark, is_new = SharedMark.objects.get_or_create(
            app_id=app_id,
            hash=UUID(digest),
            defaults={"provider": folded, "created_by": by[:150]},
        )
        if is_new:
            known = dict(tables.read_identities(app_id, "hash", {digest}))
            tables.write_identities(
                app_id,
                [
                    (test, _share(known.get(test) or _make(digest, folded)))
                    for test in _WORLDS
                ],
            )
            raise_generation(app_id)
    return mark


def mark_crowded(app_id: int, hashes: Collection[str], *, by: str) -> list[SharedMark]:
    """Mark identities that are learned and for which too much waits; return the marks."""
    rows = tables.read_identities(app_id, "hash", hashes)
    providers = {identity.hash: identity.provider for _, identity in rows}
    return [mark_hash(app_id, providers[each], each, by) for each in sorted(providers)]


def lift_mark(app_id: int, mark: SharedMark) -> None:
    """Let the next event that ties a marked identity say whose it is.

    What two people had claimed before goes on to name nobody.
    """
    with transaction.atomic():
        lock_progress(app_id)
        rows = tables.read_identities(app_id, "hash", {mark.hash.hex})
        # A mark's own place is 0, which no event has.
        marked = [row for row in rows if not row[1].shared_at]
        remove_identities(app_id, marked)
        mark.delete()
        raise_generation(app_id)


def is_marked(app_id: int, identity_hash: str) -> bool:
    """Return whether a person marked an identity as shared."""
    return SharedMark.objects.filter(app=app_id, hash=identity_hash).exists()


def _make(digest: str, provider: str) -> Identity:
    return Identity(digest, provider, datetime.now(UTC))


def _share(identity: Identity) -> Identity:
    if identity.shared_at is None:
        identity.shared_at = 0
    return identity
