"""What the calls that read have in common: their refusals, of which 403 is one of its own."""

from collections.abc import Sequence
from http import HTTPStatus

from clevertap_sync.clevertap.client.answer import HttpAnswer, read_number
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    RequestRejectedError,
    ResponseError,
)
from referrals.secret import Secret

# "to" lies in the future. Seen by https://github.com/leanderp/clevertap-mcp
_FUTURE_DAY = 4002


def is_reading_forbidden(error: CleverTapError) -> bool:
    """Return whether CleverTap knows the passcode and does not let it read.

    [doubt] That a passcode's role may upload and not read is a guess; 403 is documented
    as "operation not allowed": https://developer.clevertap.com/docs/api-errors
    """
    return (
        isinstance(error, AuthenticationError) and error.status == HTTPStatus.FORBIDDEN
    )


def make_read_error(
    answer: HttpAnswer, hidden: Sequence[Secret], otherwise: str
) -> ResponseError:
    """Return the error of an answer that has not got what was asked for.

    A `code` of 403 within a 200 is a 403, so that `is_reading_forbidden` sees it.
    """
    if answer.status != HTTPStatus.OK:
        return answer.make_error(hidden)
    error = answer.make_refusal_error(hidden, otherwise)
    code = read_number((answer.read_json_object() or {}).get("code"))
    if code == HTTPStatus.FORBIDDEN:
        error.status = code
    if code == _FUTURE_DAY:
        return RequestRejectedError(f"code {code}: {error.detail}", status=200)
    return error
