"""Functions in the PostgreSQL database that lease, begin, take and settle an upload.

Each is a round trip, whose plans the database keeps; and, but for the lease, a transaction of
its own. Migrations 0020 and 0021 make them.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import connection

from clevertap_sync.delivery.sql import state_function
from clevertap_sync.delivery.work import KnownIntegration, RowVersions
from clevertap_sync.models import Upload
from referrals.database_call import call_function

_BEGIN: Final = "SELECT clevertap_sync_upload_begin_2($1, $2, $3, $4, $5, $6)"
_TAKE: Final = (
    "SELECT clevertap_sync_upload_take_1"
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
)
_LEASE: Final = "SELECT clevertap_sync_upload_lease_1(%s, %s, %s, %s, %s, %s, %s, %s)"
_BEGIN_LEASED: Final = "SELECT clevertap_sync_attempt_begin_1($1, $2, $3, $4)"
_SETTLE: Final = (
    "SELECT clevertap_sync_upload_settle_2"
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
)


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
    """The IDs of an upload and its attempt, when each of them begins, and by what."""

    upload: int
    attempt: int
    now: datetime
    began: datetime
    versions: RowVersions


class Taken(msgspec.Struct):
    """An upload that was taken, its attempt and its events, and when both begin."""

    upload: int
    attempt: int
    now: datetime
    last: int
    #: The integration's, from now on.
    version: str
    #: Position, body, and the request that brought it.
    events: list[tuple[int, str, str]]


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
    #: What is not written of the body yet; None where all is.
    body_hash: str | None = None
    unsent: int | None = None
    shortened: int | None = None
    body_bytes: int | None = None


_encode: Final = msgspec.json.Encoder().encode
_begun: Final = msgspec.json.Decoder(Begun)
_taken: Final = msgspec.json.Decoder(Taken)
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
    text = call_function(_BEGIN, [*about, str(fingerprint), lease, given])
    return None if text is None else _begun.decode(text)


def take_range(
    known: KnownIntegration, *, floor: int, most_events: int, worker: str
) -> Taken | None:
    """Write the next small range and its attempt, before it is mapped; None: nothing is written.

    That is where the integration is not as it is `known` any more, or has nothing to send, or
    more than one small range. `floor`: below this ID no upload of it is open.
    """
    integration, versions = known.integration, known.versions
    text = call_function(
        _TAKE,
        [
            *(integration.pk, versions.integration),
            *(integration.account_id, versions.account),
            *(integration.app_id, versions.app),
            *(integration.cursor, known.newest_suppression, floor, most_events),
            *(settings.LEASE_SECONDS, known.encoded_settings, worker),
        ],
    )
    return None if text is None else _taken.decode(text)


def encode_settings(stored: dict[str, Any]) -> str:
    """Return an upload's settings as `take_range` writes them."""
    return _encode(stored).decode()


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
    text = call_function(
        _BEGIN_LEASED, [upload_id, lease_token, settings.LEASE_SECONDS, given]
    )
    return None if text is None else _begun_attempt.decode(text)


def settle_upload(settled: SettledUpload) -> datetime | None:
    """Settle an upload and end its attempt; None where the lease was lost.

    The attempt ends in both cases.
    """
    text = call_function(_SETTLE, msgspec.structs.astuple(settled))
    return None if text is None else _instant.decode(text)


def are_there() -> bool:
    """Return whether the database has these functions."""
    return connection.vendor == "postgresql"
