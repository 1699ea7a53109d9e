"""The edge of the API: problem documents for requests that no view answers.

Middlewares and Django's own handlers answer with pages or redirects. A caller of the API
is a program, and reads one form of refusal only.
"""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from referrals.api.problems import (
    BAD_REQUEST,
    CONTENT_TYPE,
    HTTPS_REQUIRED,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NO_SUCH_ADDRESS,
    NOT_FOUND,
    RETRY_SECONDS,
    TOO_LARGE,
    UNAVAILABLE,
    UNKNOWN_HOST,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
    ProblemKind,
)

logger: Final = logging.getLogger(__name__)

EVENTS_PATH: Final = "/v1/events"

#: Also with more than one slash in front: the API then explains the fault.
_CALL: Final = re.compile(r"/+v1(?:/|\Z)")
_HOOK: Final = re.compile(r"/+v1/+hooks(?:/|\Z)")
_NAME: Final = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,100}")
_KINDS: Final = {
    kind.status: kind
    for kind in (
        *(BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE),
        *(UNSUPPORTED_MEDIA_TYPE, INTERNAL, UNAVAILABLE),
    )
}
_DETAILS: Final = {
    HTTPStatus.NOT_FOUND: NO_SUCH_ADDRESS,
    HTTPStatus.INTERNAL_SERVER_ERROR: "The request met a fault of ours, which has been "
    "logged. Send the same request again later: what is stored already comes back as a "
    "duplicate.",
}


class ProblemsMiddleware:
    """Replaces every refusal of an API call by a problem document.

    Belongs above every middleware that could refuse. Known statuses and headers stay.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; responses to other requests stay as they are."""
        response = self._get_response(request)
        if is_api_call(request) and not _is_fit(response):
            return _replace_by_problem(request, response)
        return response


def is_api_call(request: HttpRequest) -> bool:
    """Return whether the address is one of the API's, right or nearly right."""
    return is_api_path(request.path_info)


def is_api_path(path: str) -> bool:
    """Return whether the path is one of the API's, right or nearly right."""
    return _CALL.match(path) is not None


def is_hook_path(path: str) -> bool:
    """Return whether the path is a hook's, right or nearly right: a secret may be in it."""
    return _HOOK.match(path) is not None


def require_our_address(request: HttpRequest) -> None:
    """Raise `ProblemError`: 400 for an unknown host, 403 for HTTP where HTTPS is due."""
    problem = find_fault_of_address(request)
    if problem is None:
        return
    if problem.kind is UNKNOWN_HOST:
        logger.warning("A call was refused: its host is not in ALLOWED_HOSTS")
    raise problem


def find_fault_of_address(request: HttpRequest) -> ProblemError | None:
    """Return what `require_our_address` raises."""
    told = explain_unknown_host(request)
    if told:
        return ProblemError(UNKNOWN_HOST, told)
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return ProblemError(
            HTTPS_REQUIRED,
            "The request came over plain HTTP, and nothing of it was stored. Send it to "
            "the same address by HTTPS. An API key that it showed has travelled "
            "unencrypted: replace it.",
        )
    return None


def explain_unknown_host(request: HttpRequest) -> str:
    """Return the sentence about an unknown host name; empty for a known one."""
    try:
        request.get_host()
    except DisallowedHost:
        sent = request.headers.get("Host", "")
        name = f'the host name "{sent}"' if _NAME.fullmatch(sent) else "that host name"
        return (
            f"This server does not answer to {name}. Whoever runs it adds the name, "
            "without a port, to the setting ALLOWED_HOSTS."
        )
    return ""


def _is_fit(response: HttpResponseBase) -> bool:
    is_success = HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES
    # A hook's answer is for its platform, which reads the status alone.
    is_final = getattr(response, "is_final", False)
    return (
        is_success or is_final or response.headers.get("Content-Type") == CONTENT_TYPE
    )


def _replace_by_problem(
    request: HttpRequest, response: HttpResponseBase
) -> HttpResponse:
    problem = _make_problem_for(request, response.status_code).response()
    for name, value in response.headers.items():
        if not name.lower().startswith("content-") or name.startswith("Content-Sec"):
            problem.headers.setdefault(name, value)
    problem.headers["Content-Length"] = str(len(problem.content))
    problem.cookies = response.cookies
    return problem


def _make_problem_for(request: HttpRequest, status: int) -> ProblemError:
    told = explain_unknown_host(request) if status == HTTPStatus.BAD_REQUEST else ""
    if told:
        return ProblemError(UNKNOWN_HOST, told)
    known = _known(status)
    kind = _KINDS.get(known) or ProblemKind(
        "", known, known.phrase, "Something in front of the API refused this."
    )
    again = {"Retry-After": str(RETRY_SECONDS)} if kind is UNAVAILABLE else None
    return ProblemError(kind, _DETAILS.get(kind.status, kind.remedy), headers=again)


def _known(status: int) -> HTTPStatus:
    """Return the status; for an unregistered one, the first of its class (RFC 9110, 15)."""
    try:
        return HTTPStatus(status)
    except ValueError:
        return HTTPStatus(status // 100 * 100)
