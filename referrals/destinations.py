"""The registry through which destinations preview and explain, unknown to the log."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol

import msgspec

from referrals.schema import Event
from referrals.vocabulary import Side

#: A time with its offset, so that its schema says `date-time`.
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class PreviewStatus(StrEnum):
    """What one side of an event would become."""

    RECORD = "record"
    WAITING = "waiting"
    DEAD_LETTER = "dead_letter"
    NOT_SENT = "not_sent"


class OutcomeStatus(StrEnum):
    """Where one side of a stored event stands."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    WAITING = "waiting"
    EXPIRED = "expired"
    DEAD_LETTER = "dead_letter"
    NOT_SENT = "not_sent"
    SKIPPED = "skipped"


class Preview(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one integration would send of one side: the exact record, or why there is none.

    `event_name` is the name that a dead letter's record would have had, or that one has
    that would wait for a person to be known. `waits_for` has the providers by which that
    may happen, or "referrer" where the event names the referrer as "last".
    """

    integration: str
    side: Side
    status: PreviewStatus
    record: dict[str, Any] | None = None
    event_name: str | None = None
    reason: str | None = None
    detail: str | None = None
    meaning: str | None = None
    remedy: str | None = None
    waits_for: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one side of a stored event at one integration.

    `state` tells whether a dead letter is open, in replay or delivered; on what was
    delivered, it is of the dead letter that a later replay left. `upload` is the number of
    the upload that has the record. What is waiting `waits_for` a person to be known by one
    of these providers, or for the "referrer", `until` it is expired: it waited in vain.
    """

    integration: str
    side: Side
    status: OutcomeStatus
    state: str | None = None
    reason: str | None = None
    detail: str | None = None
    meaning: str | None = None
    remedy: str | None = None
    upload: int | None = None
    delivered_at: Instant | None = None
    waits_for: tuple[str, ...] = ()
    until: Instant | None = None


class Destination(Protocol):
    """What a destination can say about events."""

    def preview(self, app_id: int, events: Sequence[Event]) -> list[list[Preview]]:
        """Return, per event, what each integration would send, without sending it."""

    def explain(self, app_id: int, position: int, event: Event) -> list[Outcome]:
        """Return the outcomes of one stored event, per integration and side."""

    def list_identity_providers(self, app_id: int) -> list[str]:
        """Return by which provider each integration knows people, as they were added."""

    def find_pinned_identities(self, app_id: int) -> set[str]:
        """Return the hashes of identities under which something is on its way."""


_destinations: list[Destination] = []


def register_destination(destination: Destination) -> None:
    """Add a destination. Called once per process, when its app is ready."""
    if destination not in _destinations:
        _destinations.append(destination)


def list_destinations() -> tuple[Destination, ...]:
    """Return the destinations of this process."""
    return tuple(_destinations)
