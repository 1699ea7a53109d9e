"""Signs of fraud: an event's hashed signals and what was seen before, in; a verdict, out.

Pure. An address, device or identity is compared by its keyed hash only, and a signal
that never counts (see `traces`) is not there at all.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from referrals.schema import Event, Person
from referrals.vocabulary import EventType, FraudStatus


class FraudReason(StrEnum):
    """Why an event is suspicious. Kept with the event."""

    SAME_IP = "same_ip"
    SAME_IDENTITY = "same_identity"
    SAME_DEVICE = "same_device"
    ADVERTISING_ID_RESET = "advertising_id_reset"
    INSTALLS_FROM_SAME_IP = "installs_from_same_ip"


MEANINGS = {
    FraudReason.SAME_IP: "Referrer and user have the same IP address.",
    FraudReason.SAME_IDENTITY: "Referrer and user share an identity: they are one person.",
    FraudReason.SAME_DEVICE: "Referrer and user have the same device.",
    FraudReason.ADVERTISING_ID_RESET: (
        "The user's device had another advertising ID at an earlier install: it was reset."
    ),
    FraudReason.INSTALLS_FROM_SAME_IP: (
        "An earlier install for the same referrer came from the user's IP address."
    ),
}

_INSTALLS = {EventType.APP_INSTALL, EventType.APP_REINSTALL}


class Sighting(NamedTuple):
    """What an install leaves behind for later ones: a mark, and what was seen there.

    Both are keyed hashes. The mark of a device carries its advertising IDs; the mark of
    an IP address together with a referrer carries nothing but itself.
    """

    mark: str
    value: str


Earlier = Mapping[str, Collection[str]]


def find_sightings(
    event: Event, hash_signal: Callable[[str], str]
) -> tuple[Sighting, ...]:
    """Return what to look up before judging `event`, and to remember afterwards.

    Only installs that carry signals leave anything. Test events meet only test events.
    """
    user = event.user
    if user is None or event.type not in _INSTALLS:
        return ()
    kind = "test" if event.test else "production"
    found = []
    if user.device_id and user.advertising_id:
        mark = hash_signal(f"{kind} device:{user.device_id}")
        found.append(Sighting(mark, user.advertising_id))
    if user.ip and event.referrer and event.type is EventType.APP_INSTALL:
        for identity in sorted(_identities(event.referrer)):
            mark = hash_signal(f"{kind} install:{user.ip}:{':'.join(identity)}")
            found.append(Sighting(mark, mark))
    return tuple(found)


def judge_fraud(
    event: Event, own: Collection[Sighting], earlier: Earlier
) -> tuple[FraudStatus, tuple[str, ...]]:
    """Return whether `event` is suspected of fraud, and why.

    `own` are its sightings, `earlier` the values that its marks carry already. We never
    reject: only a producer, who knows its users, does.
    """
    reasons = tuple(_of_both_sides(event))
    if own:
        reasons += tuple(_of_history(own, earlier))
    return FraudStatus.SUSPICIOUS if reasons else FraudStatus.VALID, reasons


def _of_both_sides(event: Event) -> Iterator[FraudReason]:
    user, referrer = event.user, event.referrer
    if user is None or referrer is None:
        return
    if user.ip and user.ip == referrer.ip:
        yield FraudReason.SAME_IP
    if _share_identity(user, referrer):
        yield FraudReason.SAME_IDENTITY
    same_device = user.device_id and user.device_id == referrer.device_id
    same_advertising_id = (
        user.advertising_id and user.advertising_id == referrer.advertising_id
    )
    if same_device or same_advertising_id:
        yield FraudReason.SAME_DEVICE


def _of_history(own: Collection[Sighting], earlier: Earlier) -> Iterator[FraudReason]:
    if any(seen.value != seen.mark and _others(seen, earlier) for seen in own):
        yield FraudReason.ADVERTISING_ID_RESET
    if any(seen.value == seen.mark and seen.mark in earlier for seen in own):
        yield FraudReason.INSTALLS_FROM_SAME_IP


def _others(seen: Sighting, earlier: Earlier) -> bool:
    return any(value != seen.value for value in earlier.get(seen.mark, ()))


def _share_identity(user: Person, referrer: Person) -> bool:
    others = referrer.identities.values()
    # Cheap and almost always final: with no equal value there is no equal identity.
    for value in user.identities.values():
        if value in others:
            return not _identities(user).isdisjoint(_identities(referrer))
    return False


def _identities(person: Person) -> set[tuple[str, str]]:
    """Return the identities as they are compared: a provider's case does not count."""
    return {(k.casefold(), v) for k, v in person.identities.items() if v}
