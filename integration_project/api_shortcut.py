"""A way past what only pages need: sessions, logins, messages, forms and their checks.

They have nothing to do for an API call, which has a key in a header and brings no cookie
and no form, and took it a fifteenth of its CPU (docs/performance.md).
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import get_resolver

from referrals.api.edge import (
    EVENTS_PATH,
    is_api_call,
    is_hook_path,
    require_our_address,
)
from referrals.api.problems import ProblemError
from referrals.hooks.edge import refuse_wrong_address

#: The addresses that it knows.
URLS: Final = "integration_project.program_urls"


class ApiShortcutMiddleware:
    """Answers `/v1/` by the API's views, which make an answer of any exception.

    Belongs below what every answer needs, and above what only pages do.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._resolver = get_resolver(URLS)
        # Nothing of this address varies, and nearly all calls are to it.
        self._events = self._resolver.resolve(EVENTS_PATH)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a call of the API; pass every other request on."""
        if not is_api_call(request):
            return self._get_response(request)
        response = self._answered(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response

    def _answered(self, request: HttpRequest) -> HttpResponse:
        refusal = _refuse_address(request)
        if refusal is not None:
            return refusal
        is_events = request.path_info == EVENTS_PATH
        match = self._events if is_events else self._resolver.resolve(request.path_info)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response


def _refuse_address(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a call by a wrong address, or None for a right one."""
    if is_hook_path(request.path_info):
        return refuse_wrong_address(request)
    try:
        require_our_address(request)
    except ProblemError as error:
        return error.response()
    return None
