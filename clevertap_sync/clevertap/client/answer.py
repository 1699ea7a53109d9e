"""An HTTP answer: from CleverTap, or from a proxy or server in its place."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from clevertap_sync.clevertap.client.echo_redaction import redact_echo
from clevertap_sync.clevertap.errors import (
    MalformedResponseError,
    ResponseError,
    make_error_for_status,
)
from referrals.secret import Secret

LONGEST_RETRY_AFTER_SECONDS = 3600.0
_LONGEST_EXCERPT = 200
_DIGITS = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer, read whole and decompressed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def read_json_object(self) -> dict[str, Any] | None:
        """Return the body's JSON object; None if the body holds anything else."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def make_error(self, hidden: Iterable[Secret]) -> ResponseError:
        """Return the error of a status other than 200. Its detail masks `hidden`."""
        wait = read_retry_after(self.headers, datetime.now(UTC))
        return make_error_for_status(
            self.status, self._read_error_text(hidden), retry_after=wait
        )

    def make_refusal_error(
        self, hidden: Iterable[Secret], otherwise: str
    ) -> ResponseError:
        """Return the error of a 200 whose JSON reports only a failure.

        A `code` that is an HTTP error's decides its class. A record's code (509 to 555)
        does not: it does not say which record was refused.
        """
        envelope = self.read_json_object() or {}
        code = read_number(envelope.get("code"))
        said = cut_excerpt(envelope.get("error"), hidden)
        if code not in set(HTTPStatus) or code < HTTPStatus.BAD_REQUEST:
            return MalformedResponseError(said or otherwise, status=self.status)
        error = make_error_for_status(
            code, f"code {code}: {said}" if said else f"code {code}"
        )
        error.status = self.status
        return error

    def _read_error_text(self, hidden: Iterable[Secret]) -> str:
        envelope = self.read_json_object()
        if envelope is not None:
            return cut_excerpt(envelope.get("error"), hidden)
        content_type = self.headers.get("Content-Type", "").lower()
        if "html" in content_type or b"<html" in self.body[:1000].lower():
            return "HTML page"
        return "no JSON" if self.body.strip() else ""


def cut_excerpt(text: object, hidden: Iterable[Secret]) -> str:
    """Return the start of CleverTap's error text, without an echo of a record."""
    if not isinstance(text, str):
        return ""
    before_echo = re.split("record", text, maxsplit=1, flags=re.IGNORECASE)[0]
    return redact_echo(before_echo, hidden, limit=_LONGEST_EXCERPT)


def read_number(value: object) -> int | None:
    """Return a whole number that JSON holds as a number or as a text of digits."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if type(value) is int else None


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that the answer asks us to wait, from 0 to an hour.

    A date counts from the answer's own Date, because the two clocks may differ, and
    from `now` without one. None without a readable Retry-After.

    Reference: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    asked = headers.get("Retry-After", "")
    seconds = _SECONDS.fullmatch(asked)
    if seconds:
        return _clamp_wait(float(seconds[1]))
    until = _parse_date(asked)
    if until is None:
        return None
    return _clamp_wait(
        (until - (_parse_date(headers.get("Date", "")) or now)).total_seconds()
    )


def _clamp_wait(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _parse_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
