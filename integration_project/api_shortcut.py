"""A way past what only pages need: sessions, logins, messages, forms and their checks.

A third of the CPU of a request that brings one event went into middleware that has nothing
to do there: an API call has a key in a header, and brings no cookie and no form.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import get_resolver

_PREFIX: Final = "/v1/"
_URLS: Final = "referrals.api.urls"


class ApiShortcutMiddleware:
    """Answers `/v1/` by the API's views, which make an answer of any exception.

    Belongs below what every answer needs, and above what only pages do.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._resolver = get_resolver(_URLS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a call of the API; pass every other request on."""
        if not request.path_info.startswith(_PREFIX):
            return self._get_response(request)
        request.get_host()  # refuses an unknown one
        match = self._resolver.resolve(request.path_info)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, HttpResponse):
            length = str(len(response.content))
            response.headers.setdefault("Content-Length", length)
        return response
