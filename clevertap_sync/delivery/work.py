"""The values that travel between the steps of a delivery."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import msgspec

from clevertap_sync.clevertap.limits import MAX_RECORDS
from clevertap_sync.clevertap.mapping import EventRecord
from clevertap_sync.clevertap.reasons import WAITING
from clevertap_sync.models import Attempt, Integration, Upload

# An event names at most two people, so whole events fill a request to its limit.
EVENTS_PER_UPLOAD = MAX_RECORDS // 2
# After so many claims that ended before a request, an upload is halved.
IDLE_CLAIMS = 3


class RowVersions(msgspec.Struct):
    """PostgreSQL's names for the versions of rows: another one has other values."""

    integration: str
    account: str
    app: str


@dataclass(slots=True)
class KnownIntegration:
    """What one thread knows of an integration since its last claim, to take the next range by.

    It holds for as long as the rows have these versions. `may_be_taken`: the last one was sent.
    """

    integration: Integration
    versions: RowVersions
    encoded_settings: str
    newest_suppression: int
    #: What its next upload and that one's attempt look like, but for what is their own.
    upload: Upload
    attempt: Attempt
    may_be_taken: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """An upload that this worker leased; `token` is the fencing token.

    `in_fault_share`: its slot counts among those of held and failing integrations.
    `ring_others`: another worker would find something to do at once.
    `left_some`: the next claim will most likely find something, too. `left_range`: a full range
    of the log.
    `is_busy`: the integration was served a moment ago, and this upload is a small one.
    `mapped`: it is mapped already. `sending`: its attempt is written already, too.
    `rows`: position, body and request of its events, which were read with the claim.
    `known`: by what the next claim may be taken.
    """

    upload: Upload
    integration: Integration
    token: int
    in_fault_share: bool = False
    ring_others: bool = False
    left_some: bool = True
    left_range: bool = False
    is_busy: bool = False
    mapped: "MappedUpload | None" = None
    sending: "Sending | None" = None
    rows: Sequence[tuple[int, str, str]] | None = None
    known: KnownIntegration | None = None

    @property
    def row_while_leased(self) -> dict[str, Any]:
        """Return the columns by which the upload's row is found while this lease lasts."""
        return {
            "id": self.upload.pk,
            "state": Upload.State.OPEN,
            "lease_token": self.token,
        }


@dataclass(frozen=True, slots=True)
class ProbeClaim:
    """The right to send one dry run for a held integration."""

    integration: Integration
    token: int
    in_fault_share: bool = True


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A record that falls out. `pick` is None where CleverTap's answer fits no record.

    One that waits for its user to be known has in `waits_by` the keyed hashes of the IDs by
    which that may happen; one whose referrer is "last" has none. `test`: its event is one.
    """

    pick: int | None
    name: str
    reason: str
    detail: str
    waits_by: tuple[str, ...] = ()
    test: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a person to be known, and is no dead letter in anybody's way."""
        return self.pick is not None and self.reason in WAITING


@dataclass(slots=True)
class MappedUpload:
    """The sides of an upload's events, mapped. `picks[i]` belongs to `records[i]`."""

    picks: list[int] = field(default_factory=list)
    records: list[EventRecord] = field(default_factory=list)
    undelivered: list[Undelivered] = field(default_factory=list)
    kept_back: list[int] = field(default_factory=list)
    #: Records that may have been sent before, and are not sent again.
    given_up: list[EventRecord] = field(default_factory=list)
    #: The requests that brought what `records` has, each once, in log order.
    requests: dict[str, None] = field(default_factory=dict)
    _encoded: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def add_record(self, pick: int, record: EventRecord, request_id: str = "") -> None:
        """Add a record to send. `request_id` names what brought its event."""
        self.picks.append(pick)
        self.records.append(record)
        if request_id:
            self.requests[request_id] = None

    @property
    def verdicts_due(self) -> int:
        """Return the number of records that need a verdict."""
        return len(self.records) + len(self.undelivered)

    @property
    def unsent(self) -> int:
        """Return the number of records that the settings keep back."""
        return len(self.kept_back)

    @property
    def picks_without_record(self) -> list[int]:
        """Return the picks of which nothing is sent: they fell out, or are kept back."""
        refused = [r.pick for r in self.undelivered if r.pick is not None]
        return [*refused, *self.kept_back]

    def refuse_all(self, reason: str, detail: str) -> None:
        """Let every record fall out, so that nothing is sent."""
        for pick, record in zip(self.picks, self.records, strict=True):
            self.undelivered.append(Undelivered(pick, record.name, reason, detail))
        self.given_up += self.records
        self.picks, self.records = [], []

    def list_picks(self) -> list[int]:
        """Return every pick, in log order."""
        return sorted([*self.picks, *self.picks_without_record])

    def encoded_records(self) -> Sequence[bytes]:
        """Return each record's JSON. Once all are there, it is always the same list."""
        if len(self._encoded) != len(self.records):
            self._encoded = [record.json for record in self.records]
        return self._encoded


@dataclass(frozen=True, slots=True)
class BodyFacts:
    """What is written down of a request's body, on its upload and on its attempt."""

    body_hash: str
    records: int
    unsent: int
    shortened: int
    sent_records: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A begun attempt: the body, and the start by the database's clock and by our own.

    `unwritten`: what is written of the body no sooner than its outcome.
    """

    attempt: Attempt
    body: bytes
    began: float
    unwritten: BodyFacts | None = None

    @classmethod
    def begin(cls, attempt: Attempt, body: bytes) -> Self:
        """Return the sending of an attempt that was just written down."""
        return cls(attempt, body, time.monotonic())

    @property
    def began_at(self) -> datetime:
        """Return the database's instant at which the attempt began."""
        return self.attempt.began_at
