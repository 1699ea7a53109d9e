"""What `referrals` keeps: apps, keys, the log, people, counts, sources."""

from referrals.models.apps import App, Change, Membership, Role, validate_networks
from referrals.models.events import CustomName, ReferralEvent, Sighting
from referrals.models.hash_keys import HashKey
from referrals.models.ingest import IngestCount, IngestSample, RejectedEvent
from referrals.models.keys import ApiKey, ApiKeyQuerySet, is_working
from referrals.models.known_people import (
    KnownIdentity,
    KnownPerson,
    PeopleProgress,
    ReferrerDecision,
    SharedMark,
)
from referrals.models.people import ErasureRequest, Suppression
from referrals.models.sources import (
    WAY_OF_SOURCE,
    IdKey,
    Source,
    SourceCall,
    is_way_of_source,
    make_public_id,
    name_way,
    validate_platform,
)

__all__ = [
    "WAY_OF_SOURCE",
    "ApiKey",
    "ApiKeyQuerySet",
    "App",
    "Change",
    "CustomName",
    "ErasureRequest",
    "HashKey",
    "IdKey",
    "IngestCount",
    "IngestSample",
    "KnownIdentity",
    "KnownPerson",
    "Membership",
    "PeopleProgress",
    "ReferralEvent",
    "ReferrerDecision",
    "RejectedEvent",
    "Role",
    "SharedMark",
    "Sighting",
    "Source",
    "SourceCall",
    "Suppression",
    "is_way_of_source",
    "is_working",
    "make_public_id",
    "name_way",
    "validate_networks",
    "validate_platform",
]
