"""The name of a request, by which caller, answer and log lines find each other."""

import re
import secrets
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from referrals.api.edge import is_hook_path
from referrals.keys import MORE_THAN_PREFIX

HEADER: Final = "X-Request-Id"
#: Sixteen of 32 characters: eighty bits never repeat. The log keeps a name with each event, so
#: that it is no longer than it has to be.
_LENGTH: Final = 16
_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz234567"
#: Any byte → one of them, each as likely. Python's base32 takes five times as long.
_NAMING: Final = bytes(_CHARACTERS[byte % len(_CHARACTERS)] for byte in range(256))
# Visible ASCII only: the name goes into log lines and back into a header.
ACCEPTABLE: Final = re.compile(r"[\x21-\x7e]{1,128}")


class RequestIdMiddleware:
    """Sets `request.request_id` to the caller's X-Request-Id, and sends it back.

    A request without one, or with one that cannot be trusted in a log line, gets a new
    one, and so does each call of a hook: a platform's secret may stand in any header, and
    in the address, which the routers that name requests log. Belongs first in MIDDLEWARE,
    so that every answer has the header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request under its name."""
        request_id = name_request(request)
        response = self.get_response(request)
        response.headers[HEADER] = request_id
        return response


def name_request(request: HttpRequest) -> str:
    """Give the request its name, unless it has one, and return it."""
    request_id = read_request_id(request)
    if not request_id:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = choose_request_id(sent, request.path_info)
        # Django's class declares no such attribute; the log line reads it by this name.
        request.request_id = request_id  # type: ignore[attr-defined]
    return request_id


def read_request_id(request: HttpRequest) -> str:
    """Return the name that the middleware gave `request`; empty where it did not pass it."""
    return getattr(request, "request_id", "")


def choose_request_id(sent: str, path: str) -> str:
    """Return `sent` as the name of a request to `path` if it may be, else a new name."""
    is_taken = _is_acceptable(sent) and not is_hook_path(path)
    return sent if is_taken else _make_name()


def _make_name() -> str:
    """Return a new name: sixteen letters and digits."""
    return secrets.token_bytes(_LENGTH).translate(_NAMING).decode()


def _is_acceptable(name: str) -> bool:
    """Return whether a name may go into log lines. Most of an API key may not."""
    return bool(ACCEPTABLE.fullmatch(name)) and not MORE_THAN_PREFIX.search(name)
