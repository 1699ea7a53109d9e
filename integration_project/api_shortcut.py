"""A way past what only pages need: sessions, logins, messages, forms and their checks.

They have nothing to do for an API call, which has a key in a header and brings no cookie
and no form, and took it a fifteenth of its CPU (docs/performance.md).
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
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers["Content-Length"] = str(len(response.content))
        return response
