"""Functions in the PostgreSQL database that lease, begin and settle an upload.

Each is a round trip, whose plans the database keeps; and, but for the lease, a transaction of
its own. Migrations 0018 and 0020 make them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import connection

from clevertap_sync.delivery.sql import state_function
from clevertap_sync.models import Upload

_BEGIN: Final = "SELECT clevertap_sync_upload_begin_1(%s, %s, %s, %s, %s, %s)"
_LEASE: Final = "SELECT clevertap_sync_upload_lease_1(%s, %s, %s, %s, %s, %s, %s, %s)"
_BEGIN_LEASED: Final = "SELECT clevertap_sync_attempt_begin_1(%s, %s, %s, %s)"
_SETTLE: Final = "SELECT clevertap_sync_upload_settle_1(%s, %s, %s, %s, %s, %s, %s)"


class _UploadToBegin(msgspec.Struct, kw_only=True):
    """What is written of any upload that begins, and of its attempt."""

    body_hash: str
    records: int
    unsent: int
    shortened: int
    worker: str
    sent_records: int
    body_bytes: int


class NewUpload(_UploadToBegin, kw_only=True):
    """What is written of a new range that is begun with its claim."""

    first: int
    last: int
    settings: dict[str, Any]
    lease_token: int


class Begun(msgspec.Struct):
    """The IDs of an upload and its attempt, and when each of them begins."""

    upload: int
    attempt: int
    now: datetime
    began: datetime


class BegunAttempt(msgspec.Struct):
    """The ID of an attempt, and when it begins."""

    attempt: int
    began: datetime


class LeasedUpload(_UploadToBegin, kw_only=True):
    """What is written of an upload that was leased before."""

    body_changed: bool
    attempt_count: int


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
_begun_attempt: Final = msgspec.json.Decoder(BegunAttempt)
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


def lease_range(upload: Upload) -> None:
    """Write a new range as leased, and move its integration's cursor behind it.

    In the caller's transaction, which has locked the account. It gets its ID.
    """
    given = _encode(upload.settings).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            _LEASE,
            [
                *(upload.integration_id, upload.created_at, settings.LEASE_SECONDS),
                *(upload.first, upload.last, given),
                *(upload.lease_token, upload.idle_claims),
            ],
        )
        upload.pk = cursor.fetchone()[0]
    upload._state.adding, upload._state.db = False, connection.alias


def begin_leased_upload(
    upload_id: int, lease_token: int, leased: LeasedUpload
) -> BegunAttempt | None:
    """Write a leased upload as begun, with its attempt; None where the lease was lost."""
    given = _encode(leased).decode()
    about = [upload_id, lease_token, settings.LEASE_SECONDS, given]
    text = _call(_BEGIN_LEASED, about)
    return None if text is None else _begun_attempt.decode(text)


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
