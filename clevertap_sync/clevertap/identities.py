"""By which of their identities people are sent; or why they cannot be, or wait.

Pure: imports msgspec and no framework.
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.properties import MappingRefusal, make_printable
from clevertap_sync.clevertap.reasons import (
    NO_IDENTITY,
    NO_REFERRER_KNOWN,
    WAITING_FOR_IDENTITY,
    WAITING_FOR_REFERRER,
)
from referrals.identity import Identity
from referrals.learning.blocklist import is_blocked
from referrals.schema import Person

CLEVERTAP_ID = "clevertap_id"


class IdentityRules(msgspec.Struct, frozen=True):
    """What an integration's settings say about the identity of a record's user."""

    provider: str
    falls_back: bool = False
    waits_for: frozenset[str] = frozenset()
    remembers_referrers: bool = False

    @property
    def folded_provider(self) -> str:
        """The provider, as names of providers are compared."""
        return self.provider.casefold()

    @property
    def by_object_id(self) -> bool:
        """Whether users are known by CleverTap's own ID."""
        return self.folded_provider == CLEVERTAP_ID

    @property
    def start(self) -> bytes:
        """How records begin."""
        return limits.OBJECT_ID_START if self.by_object_id else limits.IDENTITY_START


def find_identity(person: Person, provider: str) -> str | None:
    """Return the identity that would be sent for `person`; None if none can be."""
    identity = _check_identity(person, _make_rules(provider))
    return identity if isinstance(identity, str) else None


def list_awaited_identities(person: Person, waits_for: Iterable[str]) -> list[Identity]:
    """Return the identities by which `person` may become known, sorted.

    They are of the providers that the app waits for, whose case does not count. A value
    that names nobody, such as null, is none of them.
    """
    folded = frozenset(map(str.casefold, waits_for))
    return sorted(
        Identity(provider, value)
        for provider, value in person.identities.items()
        if provider.casefold() in folded and not is_blocked(value)
    )


def list_awaited_providers(person: Person, waits_for: Iterable[str]) -> list[str]:
    """Return the providers of these identities, folded: a producer's spelling may be any."""
    awaited = list_awaited_identities(person, waits_for)
    return sorted({each.provider.casefold() for each in awaited})


@lru_cache(maxsize=64)
def _make_rules(provider: str) -> IdentityRules:
    return IdentityRules(provider)


def choose_identity(
    person: Person, rules: IdentityRules
) -> tuple[bytes, str] | MappingRefusal:
    """Return how the person's record begins, and the identity there; or why there is no record.

    Only an identity that is missing is waited for: one that cannot be sent is a mistake,
    and so is an identity provider that nobody carries.
    """
    if person.last:
        return _refuse_last_referrer(rules)
    checked = _check_identity(person, rules)
    if isinstance(checked, str):
        return rules.start, checked
    if checked.reason != NO_IDENTITY:
        return checked
    if rules.falls_back and (object_id := find_identity(person, CLEVERTAP_ID)):
        return limits.OBJECT_ID_START, object_id
    if rules.waits_for and (named := list_awaited_providers(person, rules.waits_for)):
        detail = f"Nobody is known yet by {', '.join(named)}."
        return MappingRefusal(WAITING_FOR_IDENTITY, detail)
    return checked


def _refuse_last_referrer(rules: IdentityRules) -> MappingRefusal:
    if rules.remembers_referrers:
        return MappingRefusal(WAITING_FOR_REFERRER, "")
    return MappingRefusal(
        NO_REFERRER_KNOWN,
        "The app does not remember referrers. Its settings in the admin have a switch.",
    )


def _check_identity(person: Person, rules: IdentityRules) -> str | MappingRefusal:
    """Return the identity as the producer sent it, byte for byte, or why it cannot go.

    Provider names are compared without regard to case; where two of a user's differ in
    nothing else, the exact one counts, then the first in sorted order.
    """
    identities = person.identities
    identity = identities.get(rules.provider)
    if identity is None:
        alike = [p for p in identities if p.casefold() == rules.folded_provider]
        if not alike:
            return MappingRefusal(
                NO_IDENTITY,
                _describe_missing_identity(rules.provider, len(identities)),
            )
        identity = identities[min(alike)]
    return _refuse_identity(identity, rules) or identity


def _describe_missing_identity(provider: str, others: int) -> str:
    wanted = f'"{make_printable(provider[:100])}"'
    if others == 1:
        return f"The user's only identity is not {wanted}."
    return f"There is no {wanted} among the user's {others} identities."


def _refuse_identity(identity: str, rules: IdentityRules) -> MappingRefusal | None:
    reason = None
    if not identity or identity.isspace():
        reason = "identity_empty"
    elif limits.is_forbidden_identity(identity):
        reason = "identity_forbidden"
    elif rules.by_object_id:
        if not limits.is_object_id(identity):
            reason = "clevertap_id_invalid"
    elif len(identity) > limits.MAX_IDENTITY:
        reason = "identity_too_long"
    elif limits.has_control_characters(identity):
        reason = "identity_characters"
    return (
        MappingRefusal(reason, f"It has {len(identity)} characters.")
        if reason
        else None
    )
