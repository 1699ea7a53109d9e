"""People's identities in the form in which fraud compares them. Pure."""

from referrals.schema import Person


def list_compared(person: Person) -> set[tuple[str, str]]:
    """Return the identities as they are compared: a provider's case does not count."""
    return {(k.casefold(), v) for k, v in person.identities.items() if v}


def share_identity(user: Person, referrer: Person) -> bool:
    """Return whether the two are one person."""
    others = referrer.identities.values()
    # Cheap and almost always final: with no equal value there is no equal identity.
    for value in user.identities.values():
        if value in others:
            return not list_compared(user).isdisjoint(list_compared(referrer))
    return False
