"""The name of a request, by which caller, answer and log lines find each other."""

import re
import uuid
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from referrals.keys import MORE_THAN_PREFIX

HEADER: Final = "X-Request-Id"
# Visible ASCII only: the name goes into log lines and back into a header.
ACCEPTABLE: Final = re.compile(r"[\x21-\x7e]{1,128}")


class RequestIdMiddleware:
    """Sets `request.request_id` to the caller's X-Request-Id, and sends it back.

    A request without one, or with one that cannot be trusted in a log line, gets a new
    one. Belongs first in MIDDLEWARE, so that every answer has the header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request under its name."""
        request_id = choose_request_id(request.headers.get(HEADER, ""))
        # Django's class declares no such attribute; the log line reads it by this name.
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers[HEADER] = request_id
        return response


def choose_request_id(sent: str) -> str:
    """Return `sent` as the request's name if that is acceptable, else a new name."""
    return sent if _is_acceptable(sent) else uuid.uuid4().hex


def _is_acceptable(name: str) -> bool:
    """Return whether a name may go into log lines. Most of an API key may not."""
    return bool(ACCEPTABLE.fullmatch(name)) and not MORE_THAN_PREFIX.search(name)
