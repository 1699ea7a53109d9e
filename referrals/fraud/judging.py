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
    for meaning, limit in (
        (FraudReason.ADVERTISING_ID_RESET, rules.advertising_ids),
        (FraudReason.INSTALLS_FROM_SAME_IP, rules.installs),
    ):
        if limit.most is not None and any(
            earlier.count_others(seen, event.occurred_at, limit.window) >= limit.most
            for seen in sightings
            if seen.meaning is meaning
        ):
            yield meaning
