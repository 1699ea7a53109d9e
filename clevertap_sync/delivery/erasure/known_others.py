"""What else a person is known by: identities that were tied to those that an operator named."""

from collections.abc import Sequence
from typing import NamedTuple

from referrals import people, suppression
from referrals.identity import Identity
from referrals.models import App


class KnownOther(NamedTuple):
    """Another identity of the person.

    Of an ID that comes before sign-up only the hash is known, and `identity` has no value.
    A shared one is others', too: an erasure never takes it along by itself.
    """

    identity: Identity
    hash: str
    is_shared: bool


def find_known_others(app: App, identities: Sequence[Identity]) -> list[KnownOther]:
    """Return what else the person of `identities` is known by, in the app that learns."""
    hashes = suppression.hash_identities(app.pk, identities)
    found = people.find_other_identities(app.pk, hashes)
    values = _read_values(app.pk, [each.hash for each in found])
    return [
        KnownOther(
            Identity(each.provider, values.get(each.hash, "")),
            each.hash,
            each.is_shared,
        )
        for each in found
    ]


def _read_values(app_id: int, hashes: list[str]) -> dict[str, str]:
    """Return hash → value, whether of a test event or of another."""
    known = (
        people.read_identities(app_id, hashes, test=False)
        | people.read_identities(app_id, hashes, test=True)
        if hashes
        else {}
    )
    return {hashed: each.value for hashed, each in known.items()}
