"""The answer to events that the log has taken, made without Django's layers.

Nearly every call of the API ends so. What each layer does with such an answer is known
beforehand: it adds a header, or writes the log line. Any other answer goes its way through them.
"""

from time import perf_counter
from typing import Final

import msgspec
from django.http import HttpRequest

from integration_project.constant_headers import ConstantHeaders
from integration_project.observability import context
from integration_project.observability.request_log import note_request
from integration_project.web.responses import WebAnswer, encode_headers
from referrals.api.edge import EVENTS_PATH
from referrals.api.events_read import EventsRead
from referrals.api.receipts import (
    is_nothing_stored,
    list_log_fields,
    make_receipt,
)
from referrals.api.request_id import read_request_id
from referrals.log import count_statuses

#: Middleware whose part is done here. With any other, each answer takes Django's way.
LAYERS_OF_RECEIPTS: Final = (
    "referrals.api.request_id.RequestIdMiddleware",
    "referrals.api.edge.ProblemsMiddleware",
    "integration_project.health.HealthMiddleware",
    "integration_project.observability.request_log.RequestLogMiddleware",
)
_ACCEPTED: Final = 202
_encode: Final = msgspec.json.Encoder().encode


class QuickReceipts:
    """Answers requests whose events are in the log; `headers` are those of each answer."""

    def __init__(self, headers: ConstantHeaders) -> None:
        self._headers = {
            is_secure: encode_headers(headers.list_headers(is_secure=is_secure))
            for is_secure in (False, True)
        }

    def answer(
        self, request: HttpRequest, read: EventsRead, began: float
    ) -> WebAnswer | None:
        """Return the answer to a request that was `read`, and log it.

        It began at `began`, by `perf_counter`. Returns None where it takes Django.
        """
        results = read.appended
        if not isinstance(results, list):
            return None
        counts = count_statuses(results)
        if is_nothing_stored(counts, len(results)):
            return None
        body = _encode(make_receipt(counts, results))
        request_id = read_request_id(request)
        answer = WebAnswer(
            _ACCEPTED,
            [
                (b"content-type", b"application/json"),
                (b"cache-control", b"no-store"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", request_id.encode()),
                *self._headers[request.is_secure()],
            ],
            body,
        )
        token = context.request_id.set(request_id)
        try:
            fields = list_log_fields(read.key.app, counts)
            seconds = perf_counter() - began
            note_request("POST", EVENTS_PATH, _ACCEPTED, seconds, fields)
        finally:
            context.request_id.reset(token)
        return answer
