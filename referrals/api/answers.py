"""The API's answers to requests that succeed, as msgspec Structs.

`openapi` describes these same classes, so that document and answers cannot drift apart.
"""

from collections.abc import Sequence
from http import HTTPStatus
from io import BytesIO
from typing import Final

import msgspec
from django.http import HttpResponse

from referrals.api.body_pieces import MAX_EVENTS
from referrals.decoding import prepare_type
from referrals.destinations import Instant, Outcome, Preview
from referrals.json_lines import encode_each
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


class DryRunDocument:
    """A `DryRun` as JSON that is written trial by trial, and there once only.

    It begins with blanks where it is long: to remove them would be to copy it.
    """

    def __init__(self) -> None:
        self._written = BytesIO()
        self._written.write(b" " * _HEAD_BYTES)
        self._number = 0

    def add_trials(self, trials: Sequence[Trial]) -> None:
        """Write the next trials."""
        for trial in encode_each(_encoder, trials):
            self._written.write(b"," if self._number else b"")
            self._written.write(trial)
            self._number += 1

    def finish(self, accepted: int) -> bytes:
        """Return the document, in which so many of the events are accepted."""
        self._written.write(_END)
        head = _write_head(accepted, self._number - accepted)
        self._written.seek(_HEAD_BYTES - len(head))
        self._written.write(head)
        document = self._written.getvalue()
        return document if len(document) > _LONG else document.lstrip()


def _write_head(accepted: int, rejected: int) -> bytes:
    empty = DryRun(dry_run=True, accepted=accepted, rejected=rejected, results=())
    return msgspec.json.encode(empty).removesuffix(_END)


_encoder: Final = msgspec.json.Encoder()
#: `results` are its last field.
_END: Final = b"]}"
_HEAD_BYTES: Final = len(_write_head(MAX_EVENTS, MAX_EVENTS))
_LONG: Final = 1024 * 1024
