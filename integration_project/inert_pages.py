"""Pages on which no text can change the direction of the text after it.

Templates mark the texts of producers themselves. This middleware finds the others: names
that operators gave, and what Django shows. The value of a form's field stays as it was
typed: an identity is sent byte for byte.
"""

import re
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from referrals.words import TURNING, make_inert

_TURNING: Final = "".join(map(chr, TURNING))
_TYPED: Final = r'<textarea.*?</textarea>|\svalue="[^"]*"'
_TYPED_OR_TURNING: Final = re.compile(f"({_TYPED})|[{_TURNING}]", re.DOTALL)


class InertPagesMiddleware:
    """Puts a mark in the place of each character that turns a page's text around."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; a page without such a character goes as it is."""
        response = self._get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if isinstance(response, HttpResponse) and is_page:
            page = response.content.decode(response.charset)
            if not page.isascii() and any(each in page for each in _TURNING):
                response.content = _TYPED_OR_TURNING.sub(_marked, page)
        return response


def _marked(found: re.Match[str]) -> str:
    return found[1] or make_inert(found[0])
