"""Judges fraud: from an event's hashed signals and earlier sightings to a fraud status.

Pure. An address, device or identity is compared by its keyed hash only, and a signal
that never counts (see `fraud_signals`) is not there at all.
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


class SightingKey(NamedTuple):
    """A sighting that an install leaves for judging later ones: a mark and a value.

    Both are keyed hashes. The mark of a device carries its advertising IDs; the mark of
    an IP address together with a referrer carries nothing but itself.
    """

    mark: str
    value: str


ValuesByMark = Mapping[str, Collection[str]]


def find_sightings(
    event: Event, hash_signal: Callable[[str], str]
) -> tuple[SightingKey, ...]:
    """Return the sightings to look up before judging `event`, and to store afterwards.

    Only installs that carry signals leave anything. Test events meet only test events.
    """
    user = event.user
    if user is None or event.type not in _INSTALLS:
        return ()
    kind = "test" if event.test else "production"
    found = []
    if user.device_id and user.advertising_id:
        mark = hash_signal(f"{kind} device:{user.device_id}")
        found.append(SightingKey(mark, user.advertising_id))
    if user.ip and event.referrer and event.type is EventType.APP_INSTALL:
        for identity in sorted(_identities(event.referrer)):
            mark = hash_signal(f"{kind} install:{user.ip}:{':'.join(identity)}")
            found.append(SightingKey(mark, mark))
    return tuple(found)


def judge_fraud(
    event: Event, sightings: Collection[SightingKey], values_by_mark: ValuesByMark
) -> tuple[FraudStatus, tuple[str, ...]]:
    """Return whether `event` is suspected of fraud, and why.

    `sightings` are those of the event; `values_by_mark` are the values that earlier installs left at their marks. We never
    reject: only the producer does, because it knows its users.
    """
    reasons = tuple(_compare_sides(event))
    if sightings:
        reasons += tuple(_compare_with_earlier(sightings, values_by_mark))
    return FraudStatus.SUSPICIOUS if reasons else FraudStatus.VALID, reasons


def _compare_sides(event: Event) -> Iterator[FraudReason]:
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


def _compare_with_earlier(
    sightings: Collection[SightingKey], values_by_mark: ValuesByMark
) -> Iterator[FraudReason]:
    for sighting in sightings:
        values = values_by_mark.get(sighting.mark, ())
        if sighting.value != sighting.mark and set(values) - {sighting.value}:
            yield FraudReason.ADVERTISING_ID_RESET
            break
    if any(
        each.value == each.mark and each.mark in values_by_mark for each in sightings
    ):
        yield FraudReason.INSTALLS_FROM_SAME_IP


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
