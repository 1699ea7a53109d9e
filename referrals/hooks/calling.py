"""Call a hook as a platform does: within this process, or at a server."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from referrals.sources.call import Call

#: For an answer of another machine's.
TIMEOUT_SECONDS: Final = 10.0


class NoAnswerError(Exception):
    """The server did not answer; the text says why, and what to do."""


def write_path(public_id: str, call: Call) -> str:
    """Return the path and the query of the address that the platform calls."""
    path = f"/v1/hooks/{public_id}"
    if call.path_secret:
        path = f"{path}/{quote(call.path_secret, safe='')}"
    return f"{path}?{urlencode(call.query)}" if call.query else path


def call_within(path: str, call: Call) -> int:
    """Return the status of this process's own answer, through all of its middleware."""
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": find_host(),
        "CONTENT_LENGTH": str(len(call.body)),
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(call.body),
        **_read_proxy_header(),
        **{_name_in_environ(name): value for name, value in call.headers},
    }
    return _load_handler()(WSGIRequest(environ))


@cache
def _load_handler() -> Callable[[WSGIRequest], int]:
    handler = WSGIHandler()
    return lambda request: int(handler.get_response(request).status_code)


def find_host() -> str:
    """Return a host name that this installation answers to."""
    named = [urlsplit(settings.PUBLIC_URL).netloc, *settings.ALLOWED_HOSTS]
    known = [each.lstrip(".") for each in named if each.strip(".*")]
    return known[0] if known else "localhost"


def _read_proxy_header() -> dict[str, str]:
    """Return what a proxy adds where one ends HTTPS, which nobody has to end here."""
    header: tuple[str, str] | None = settings.SECURE_PROXY_SSL_HEADER
    return {header[0]: header[1]} if header else {}


def _name_in_environ(name: str) -> str:
    upper = name.upper().replace("-", "_")
    return upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{upper}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, as platforms do not either."""

    def redirect_request(self, *_: object) -> None:
        """Return no other request."""


def call_server(url: str, path: str, call: Call) -> int:
    """Return the status that the server at `url` answers. Raises `NoAnswerError`."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        message = "The address of the server begins with http:// or https://."
        raise NoAnswerError(message)
    request = urllib.request.Request(  # noqa: S310 - http or https
        url.rstrip("/") + path,
        data=call.body if call.has_body else None,
        headers=dict(call.headers),
        method=call.method,
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = (
            f"The server does not answer ({type(error).__name__}). See whether its "
            "address is right, and whether it runs."
        )
        raise NoAnswerError(message) from None
