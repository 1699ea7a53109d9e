"""Judges fraud: from an event's hashed signals and earlier sightings to a fraud status.

Pure. An address, device or identity is compared by its keyed hash only, and a signal
that never counts (see `fraud_signals`) is not there at all.

    sightings  what an install leaves behind for judging later ones
    memory     the sightings so far
    judging    the verdict, by the app's rules
"""

from referrals.fraud.judging import NO_SIGHTINGS, judge_fraud
from referrals.fraud.memory import SightingMemory
from referrals.fraud.reasons import MEANINGS, FraudReason
from referrals.fraud.sightings import SightingKey, find_sightings

__all__ = [
    "MEANINGS",
    "NO_SIGHTINGS",
    "FraudReason",
    "SightingKey",
    "SightingMemory",
    "find_sightings",
    "judge_fraud",
]
