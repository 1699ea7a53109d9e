"""Answers that make each SDK of Segment's kind do the right thing.

RudderStack's takes exactly 200 for success, and reads `code` and `message` of an error: it
repeats an error without them, even a 401. Segment's drop a batch after 400, 401, 403, 404 and
413. To be asked again, `busy` is 429 and not 503: Segment's for Node honours Retry-After with
429 alone, and gives up after some five minutes of 503.

References: https://github.com/segmentio/analytics-python (consumer.py),
https://github.com/segmentio/analytics-next (packages/node, publisher.ts),
https://github.com/rudderlabs/rudder-sdk-python (request.py)
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec

from referrals.hooks.answers import HookResponse

#: Segment's SDK for Node repeats a batch thirty times: so it keeps it for half an hour.
RETRY_SECONDS: Final = 60
_JSON: Final = "application/json"


class SegmentAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an SDK reads. `code` and `message` stand in a refusal only."""

    success: bool
    code: str = ""
    message: str = ""


def answer_success() -> HookResponse:
    """Return the answer to a call whose good events are stored, also if some were not good."""
    return _answer(HTTPStatus.OK, SegmentAnswer(success=True))


def answer_refusal(
    status: HTTPStatus,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> HookResponse:
    """Return the answer to a call of which nothing was stored."""
    answer = SegmentAnswer(success=False, code=code, message=message)
    return _answer(status, answer, headers)


def answer_busy() -> HookResponse:
    """Return the answer that asks the SDK to send the same batch again."""
    return answer_refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "busy",
        "The events could not be stored just now. Send the same batch again after the "
        "seconds in Retry-After: what is stored already comes to nothing.",
        {"Retry-After": str(RETRY_SECONDS)},
    )


def answer_wrong_method() -> HookResponse:
    """Return the answer to another method than POST, the OPTIONS of browsers among them."""
    return answer_refusal(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address answers POST only. It is for SDKs on servers: browsers get no CORS.",
        {"Allow": "POST"},
    )


def answer_no_address() -> HookResponse:
    """Return the answer to an address that no SDK calls when its host is set right."""
    return answer_refusal(
        HTTPStatus.NOT_FOUND,
        "not_found",
        "There is no such address. Let the SDK's host end with /v1/segment: the SDK adds "
        "/v1/batch by itself. One whose host drops a path needs the path "
        "/v1/segment/v1/batch.",
    )


def _answer(
    status: HTTPStatus, answer: SegmentAnswer, headers: Mapping[str, str] | None = None
) -> HookResponse:
    return HookResponse(
        msgspec.json.encode(answer),
        status=status,
        content_type=_JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
