"""The values that the log exchanges with its databases: rows, and the log's end."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec
from django.db.backends.utils import CursorWrapper

from referrals.fraud.memory import SeenAt
from referrals.json_lines import encode_each
from referrals.schema import Event

# The columns repeat what pages search by; the body has the whole text.
COLUMN_CHARACTERS = 255


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """An event's columns but for app, position and time of receipt.

    `fingerprint` is in hexadecimal. `body` is the event as JSON; inside the JSON of a
    row it stays as it is.
    """

    key: str
    fingerprint: str
    occurred_at: datetime
    type: str
    name: str
    channel: str
    status: str
    test: bool
    body: msgspec.Raw
    request_id: str


class FoundEvent(NamedTuple):
    """An event that has one of the sent keys. An erased one has no fingerprint."""

    position: int
    fingerprint: str | None


class LogTip(NamedTuple):
    """The head of the log, and those of the keys in question that are in it."""

    head: int
    found: dict[str, FoundEvent]


class LogEnd(NamedTuple):
    """The end of the log, read under the lock. `now` is never before the last row's time."""

    head: int
    now: datetime
    found: dict[str, FoundEvent]


#: Position, time of receipt, body and request of an event.
FoundRow = tuple[int, datetime, str, str]


class Dialect(Protocol):
    """The statements that differ between databases."""

    def lock_and_look_up(
        self, cursor: CursorWrapper, app_id: int, keys: list[str]
    ) -> LogEnd:
        """Wait until no other transaction appends to the app's log; look at it then.

        Returns its end, and those of `keys` that are in it.
        """

    def insert_rows(
        self, cursor: CursorWrapper, app_id: int, end: LogEnd, rows: list[LogRow]
    ) -> None:
        """Write `rows` after the end of the log, received at `end.now`."""

    def read_sightings(
        self, cursor: CursorWrapper, app_id: int, marks: list[str]
    ) -> list[SeenAt]:
        """Return the sightings at `marks`."""

    def write_sightings(
        self, cursor: CursorWrapper, app_id: int, seen: list[SeenAt]
    ) -> None:
        """Store the sightings, or that they were seen again."""

    def read_bodies(
        self, cursor: CursorWrapper, app_id: int, positions: list[int]
    ) -> list[FoundRow]:
        """Return the rows at `positions`, ascending."""


def build_row(event: Event, fingerprint: str, request_id: str) -> LogRow:
    """Return the row that keeps `event`, which a request brought, or none: `""`."""
    [row] = build_rows([event], [fingerprint], [request_id])
    return row


def build_rows(
    events: Sequence[Event], fingerprints: Sequence[str], request_ids: Sequence[str]
) -> list[LogRow]:
    """Return the rows that keep `events`, each with its fingerprint and its request."""
    bodies = encode_each(_encoder, events)
    return [
        LogRow(
            event.id,
            fingerprint,
            event.occurred_at,
            event.type,
            event.name,
            (event.channel or "")[:COLUMN_CHARACTERS],
            event.status,
            event.test,
            msgspec.Raw(body),
            request_id,
        )
        for event, fingerprint, request_id, body in zip(
            events, fingerprints, request_ids, bodies, strict=True
        )
    ]


def choose_time_of_receipt(last: datetime | None, clock: datetime) -> datetime:
    """Return the clock's time, unless it is behind the last row's: `received_at` never is."""
    return clock if last is None else max(last.astimezone(UTC), clock.astimezone(UTC))


_encoder = msgspec.json.Encoder()
