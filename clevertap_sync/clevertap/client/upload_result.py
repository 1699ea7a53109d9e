"""A 200, read record by record.

CleverTap answers 200 and lists the refused records under `unprocessed`. That list
decides: `status` has been "success" although every record was refused, and `processed`
has counted skipped records.

Reference: https://developer.clevertap.com/docs/upload-events-api
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clevertap_sync.clevertap.client.answer import HttpAnswer, read_number
from clevertap_sync.clevertap.client.echo_redaction import (
    find_identities,
    find_personal_texts,
    redact_echo,
)
from clevertap_sync.clevertap.client.record_matching import (
    REPEATED,
    cut_record_number,
    match_records,
    read_error_text,
)
from clevertap_sync.clevertap.errors import MalformedResponseError, ResponseError
from referrals.secret import Secret

_LONGEST_MESSAGE = 300
_CODE = re.compile(r"ErrorCode\s*:\s*([0-9]{3,4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that CleverTap refused in a request whose other records it took.

    `index` counts from 0 in the request; None where CleverTap did not say which record
    it refused. `message` is CleverTap's wording, without anything of the record.
    """

    index: int | None
    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The outcome of each record of an upload.

    `accepted` and `refused` together are the records that were sent. `miscounted`
    says that CleverTap's own count does not agree with its list.
    """

    accepted: int
    refused: tuple[RefusedRecord, ...]
    miscounted: bool
    status: int


def read_result(
    answer: HttpAnswer, records: Sequence[bytes], hidden: Sequence[Secret] = ()
) -> UploadResult | ResponseError:
    """Return the outcome of `records`, or an error. Its texts mask `hidden`.

    The error is a `MalformedResponseError` where the answer does not say which records
    were stored, and the error of its `code` where a 200 refuses the whole request. It is
    returned, not raised, because a traceback would hold this function's variables, in
    which the answer echoes records.
    """
    envelope = answer.read_json_object()
    if envelope is None:
        return _unreadable(answer, "it is no JSON object")
    entries = envelope.get("unprocessed")
    processed = _read_count(envelope.get("processed"))
    if not isinstance(entries, list | None):
        return _unreadable(answer, "its unprocessed is no list")
    if _tells_nothing(envelope, entries, processed, records):
        return answer.make_refusal_error(
            hidden, "it does not say which records were stored"
        )
    try:
        refused = _read_refused(entries or [], records, hidden)
    except RecursionError:
        return _unreadable(answer, "it is nested too deeply")
    return UploadResult(
        accepted=len(records) - len(refused),
        refused=refused,
        miscounted=processed is None or processed + len(entries or []) != len(records),
        status=answer.status,
    )


def _tells_nothing(
    envelope: dict[str, Any],
    entries: list[object] | None,
    processed: int | None,
    records: Sequence[bytes],
) -> bool:
    """Return whether the answer leaves open which of `records` were stored."""
    if entries:
        return False
    if entries is None and processed is None:
        return True
    failed = processed == 0 or envelope.get("status") == "fail"
    return failed and len(records) > 0


def _unreadable(answer: HttpAnswer, why: str) -> MalformedResponseError:
    return MalformedResponseError(why, status=answer.status)


def _read_refused(
    entries: Sequence[object], records: Sequence[bytes], hidden: Sequence[Secret]
) -> tuple[RefusedRecord, ...]:
    indexes = match_records(entries, records)
    everyone: list[Secret] = []
    if None in indexes:
        everyone = [
            identity for record in records for identity in find_identities(record)
        ]
    return tuple(
        RefusedRecord(
            index=index,
            code=_read_code(entry),
            message=_redact_message(
                entry,
                [*hidden, *everyone]
                if index is None
                else [*hidden, *find_personal_texts(records[index])],
            ),
        )
        for entry, index in zip(entries, indexes, strict=True)
        if index != REPEATED
    )


def _read_code(entry: object) -> int | None:
    """Return the record's error code, from its field or else from its text."""
    code = read_number(entry.get("code")) if isinstance(entry, dict) else None
    in_text = _CODE.search(read_error_text(entry))
    return code if code is not None or not in_text else int(in_text[1])


def _redact_message(entry: object, hidden: Sequence[Secret]) -> str:
    text = cut_record_number(read_error_text(entry))
    return redact_echo(text, hidden, limit=_LONGEST_MESSAGE)


def _read_count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
