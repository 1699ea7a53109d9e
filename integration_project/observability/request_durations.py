"""How long requests took, by labels of which no caller can make many."""

from http import HTTPStatus
from typing import Final

from clevertap_sync.process.duration_counts import count_duration
from clevertap_sync.process.durations import HTTP_REQUEST, OTHER

#: Those that an address of ours takes. Callers may send any other word.
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_CLASSES: Final = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
_ADMIN: Final = "/admin/"


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered. `route` is a template, never an address."""
    status_class = _CLASSES[status // 100]
    if method not in _METHODS or status == HTTPStatus.METHOD_NOT_ALLOWED:
        method = OTHER
    if route.startswith(_ADMIN) and status_class in {"3xx", "4xx"}:
        # All that strangers get of a hundred pages is the way to the login.
        route = _ADMIN
    count_duration(HTTP_REQUEST, (route, method, status_class), seconds)
