"""The API's answers to requests that succeed, as msgspec Structs.

`openapi` describes these same classes, so that document and answers cannot drift apart.
"""

from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from django.http import HttpResponse

from referrals.decoding import prepare_type
from referrals.destinations import Instant, Outcome, Preview
from referrals.log import Result, Status
from referrals.vocabulary import EventType, FraudStatus


class Receipt(msgspec.Struct, frozen=True):
    """What became of a request's events: counts, and a result for each, in order."""

    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    results: Sequence[Result]


@prepare_type
class Trial(msgspec.Struct, frozen=True, omit_defaults=True):
    """What would become of one event, and the records that destinations would get."""

    index: int
    id: str | None
    status: Status
    pointer: str | None = None
    detail: str | None = None
    warnings: tuple[str, ...] = ()
    code: str | None = None
    records: Sequence[Preview] | None = None


class DryRun(msgspec.Struct, frozen=True):
    """The answer to `dry_run=1`: nothing was stored."""

    dry_run: bool
    accepted: int
    rejected: int
    results: Sequence[Trial]


class StoredEvent(msgspec.Struct, frozen=True):
    """Where an event stands in the log, and what became of it. Shows no identity."""

    id: str
    position: int
    received_at: Instant
    occurred_at: Instant
    type: EventType
    name: str | None
    status: FraudStatus
    reasons: tuple[str, ...]
    test: bool
    request_id: str | None
    outcomes: Sequence[Outcome]


def make_json_answer(
    body: msgspec.Struct, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    """Return `body` as JSON."""
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type="application/json"
    )
