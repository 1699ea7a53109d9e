"""Reads an HTTP response as the API's answer, or says what else it is."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests

from referral_events.errors import RequestRefusedError

#: No answer of the API comes near. What is longer has no end, or is not the API's.
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_REDIRECTS: Final = range(300, 400)
_TOO_LARGE: Final = 413
_REFUSED: Final = 422
_NOT_THE_API: Final = "what answers is not the API. Check the address."
_LONGEST_ADDRESS: Final = 200
#: Errors within errors that are looked through.
_DEEPEST: Final = 8


class Answer(NamedTuple):
    """An answer that is worth reading. `body` is its JSON, or empty."""

    status: int
    body: Mapping[str, Any]

    @property
    def problem(self) -> str:
        """The API's name for what is wrong, such as `too-large`, or ""."""
        return str(self.body.get("type", "")).rpartition("#problem-")[2]


def read_text(response: requests.Response) -> bytes:
    """Return what a response has. Raises `ValueError` where it has no end."""
    text = bytearray()
    for chunk in response.iter_content(65_536):
        text += chunk
        if len(text) > MOST_ANSWER_BYTES:
            message = "The answer has no end."
            raise ValueError(message)
    return bytes(text)


def parse_object(text: bytes) -> Mapping[str, Any]:
    """Return the JSON object that a text is, or an empty one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_response(response: requests.Response, body: Mapping[str, Any]) -> Answer:
    """Return an answer that says what became of events; raise `RequestRefusedError` for others."""
    status, answer = response.status_code, Answer(response.status_code, body)
    if status in _REDIRECTS:
        detail = (
            f"the server answers from another address: {_name_target(response)}. "
            "Give the client that one."
        )
        raise RequestRefusedError(status, "", detail)
    if response.ok and body:
        return answer
    if status == _TOO_LARGE or (status == _REFUSED and body.get("type")):
        return answer
    raise refuse(answer)


def refuse(answer: Answer) -> RequestRefusedError:
    """Return the error for an answer that tells nothing of single events."""
    body = answer.body
    title, detail = body.get("title") or "", body.get("detail") or _NOT_THE_API
    return RequestRefusedError(
        answer.status, str(title), str(detail), problem=answer.problem
    )


def read_problem(
    response: requests.Response, body: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the body where it is said to be a problem of the API, or nothing."""
    return body if "problem+json" in response.headers.get("Content-Type", "") else {}


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date.

    A date counts from the server's own, so that a wrong clock on this side does not matter.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        until = _read_date(value)
        if until is None:
            return None
        now = _read_date(headers.get("Date", "")) or datetime.now(timezone.utc)  # noqa: UP017 - Python 3.10
        seconds = (until - now).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - NaN


def name_cause(error: BaseException) -> str:
    """Return the name of the error at the bottom, which says most, without what it says."""
    for _ in range(_DEEPEST):
        inner = _find_cause(error)
        if inner is None:
            break
        error = inner
    return type(error).__name__


def _find_cause(error: BaseException) -> Exception | None:
    given = (getattr(error, "reason", None), *error.args[::-1], error.__context__)
    return next((each for each in given if isinstance(each, Exception)), None)


def _read_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    return found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found  # noqa: UP017 - Python 3.10


def _name_target(response: requests.Response) -> str:
    """Return where a redirect leads, without a query, which may have a token."""
    try:
        parts = urlsplit(response.headers.get("Location", ""))
    except ValueError:
        return "one that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()[
        :_LONGEST_ADDRESS
    ]
