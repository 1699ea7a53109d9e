"""Whether a server on this machine answers yet."""

import http.client
from http import HTTPStatus
from urllib.parse import urlsplit

PATIENCE_SECONDS = 0.3


def is_answered(url: str) -> bool:
    """Return whether a GET of `url` is answered, and not with a server's error."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS
    )
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
