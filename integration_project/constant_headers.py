"""Headers that some middleware gives each answer alike, found out once and not for each answer."""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Final

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string

Header = tuple[str, str]

#: Middleware that adds headers to the answer, and does nothing else for a call of the API.
LAYERS: Final = (
    "django.middleware.security.SecurityMiddleware",
    "integration_project.security_headers.SecurityHeadersMiddleware",
)
#: Never sent by plain HTTP (RFC 6797, 7.2).
HTTPS_ONLY: Final = "Strict-Transport-Security"


class ConstantHeaders:
    """What `LAYERS` add to an answer, by whether the request came by HTTPS."""

    def __init__(self, path: str) -> None:
        by_https = _find_headers(path)
        by_http = [header for header in by_https if header[0] != HTTPS_ONLY]
        self._headers = {True: by_https, False: by_http}

    def complete(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> list[Header]:
        """Return the headers of the response, and those that it lacks."""
        own = response.headers
        constant = self.list_headers(is_secure=request.is_secure())
        return [*own.items(), *(each for each in constant if each[0] not in own)]

    def list_headers(self, *, is_secure: bool) -> Sequence[Header]:
        """Return what an answer gets that has none of them, by HTTPS or not."""
        return self._headers[is_secure]


def _find_headers(path: str) -> Sequence[Header]:
    """Return what the layers add to the answer to a request for `path` by HTTPS."""
    answer: Callable[[HttpRequest], HttpResponseBase] = _answer
    for layer in reversed(LAYERS):
        answer = import_string(layer)(answer)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "wsgi.url_scheme": "https",
            "wsgi.input": BytesIO(),
        }
    )
    own = _answer().headers
    return [each for each in answer(request).headers.items() if each[0] not in own]


def _answer(_request: HttpRequest | None = None) -> HttpResponseBase:
    return HttpResponse()
