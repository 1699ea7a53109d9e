"""The verdict on one event, by the rules of its app. Pure."""

from collections.abc import Collection, Iterator
from typing import Final

from referrals.fraud.memory import SightingMemory
from referrals.fraud.people import share_identity
from referrals.fraud.reasons import FraudReason
from referrals.fraud.sightings import SightingKey
from referrals.fraud_rules import FraudRules
from referrals.schema import Event
from referrals.vocabulary import FraudStatus

#: What is known where nothing was looked up. Nobody adds to it.
NO_SIGHTINGS: Final = SightingMemory()


def judge_fraud(
    event: Event,
    rules: FraudRules,
    sightings: Collection[SightingKey] = (),
    earlier: SightingMemory = NO_SIGHTINGS,
) -> tuple[FraudStatus, tuple[FraudReason, ...]]:
    """Return whether `event` is suspected of fraud, and why.

    `sightings` are those of the event, and `earlier` what other installs left. We never
    reject: only the producer does, because it knows its users.
    """
    reasons = tuple(_compare_sides(event, rules))
    if sightings:
        reasons += tuple(_compare_with_earlier(event, rules, sightings, earlier))
    return FraudStatus.SUSPICIOUS if reasons else FraudStatus.VALID, reasons


def _compare_sides(event: Event, rules: FraudRules) -> Iterator[FraudReason]:
    user, referrer = event.user, event.referrer
    if user is None or referrer is None:
        return
    if rules.same_ip and user.ip and user.ip == referrer.ip:
        yield FraudReason.SAME_IP
    if share_identity(user, referrer):
        yield FraudReason.SAME_IDENTITY
    same_device = user.device_id and user.device_id == referrer.device_id
    same_advertising_id = (
        user.advertising_id and user.advertising_id == referrer.advertising_id
    )
    if same_device or same_advertising_id:
        yield FraudReason.SAME_DEVICE


def _compare_with_earlier(
    event: Event,
    rules: FraudRules,
    sightings: Collection[SightingKey],
    earlier: SightingMemory,
) -> Iterator[FraudReason]:
    told: FraudReason | None = None
    # A referrer has a mark for each identity: one of them is enough.
    for seen in sightings:
        meaning = seen.meaning
        is_device = meaning is FraudReason.ADVERTISING_ID_RESET
        limit = rules.advertising_ids if is_device else rules.installs
        if meaning is not told and earlier.is_reached(limit, seen, event.occurred_at):
            told = meaning
            yield meaning
