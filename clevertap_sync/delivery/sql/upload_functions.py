"""Functions in the PostgreSQL database that begin and settle an upload: a round trip each.

Each is a transaction of its own, whose plans the database keeps. Migration 0018 makes them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import connection

from clevertap_sync.delivery.sql import state_function

_BEGIN: Final = "SELECT clevertap_sync_upload_begin_1(%s, %s, %s, %s, %s, %s)"
_SETTLE: Final = "SELECT clevertap_sync_upload_settle_1(%s, %s, %s, %s, %s, %s, %s)"


class NewUpload(msgspec.Struct):
    """What is written of a new range that is begun with its claim."""

    first: int
    last: int
    settings: dict[str, Any]
    body_hash: str
    records: int
    unsent: int
    shortened: int
    lease_token: int
    worker: str
    sent_records: int
    body_bytes: int


class Begun(msgspec.Struct):
    """The IDs of an upload and its attempt, and when each of them begins."""

    upload: int
    attempt: int
    now: datetime
    began: datetime


class SettledUpload(msgspec.Struct):
    """An upload of which CleverTap took every record."""

    upload_id: int
    lease_token: int
    records: int
    attempt_id: int
    status: int
    duration_ms: int
    accepted: int


_encode: Final = msgspec.json.Encoder().encode
_begun: Final = msgspec.json.Decoder(Begun)
_instant: Final = msgspec.json.Decoder(datetime)


def begin_upload(
    integration_id: int, fingerprint: object, new: NewUpload
) -> Begun | None:
    """Write a new range and its attempt under the account's lock; None: the state has changed.

    That is where the account's state has another fingerprint by now.
    """
    lease, given = settings.LEASE_SECONDS, _encode(new).decode()
    about = state_function.list_arguments(integration_id)
    text = _call(_BEGIN, [*about, fingerprint, lease, given])
    return None if text is None else _begun.decode(text)


def settle_upload(settled: SettledUpload) -> datetime | None:
    """Settle an upload and end its attempt; None where the lease was lost.

    The attempt ends in both cases.
    """
    text = _call(_SETTLE, msgspec.structs.astuple(settled))
    return None if text is None else _instant.decode(text)


def are_there() -> bool:
    """Return whether the database has these functions."""
    return connection.vendor == "postgresql"


def _call(statement: str, given: Sequence[Any]) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        found: str | None = cursor.fetchone()[0]
    return found
