"""How long requests took, by labels of which no caller can make many."""

from http import HTTPStatus
from typing import Final

from clevertap_sync.process.duration_counts import count_duration
from clevertap_sync.process.durations import HTTP_REQUEST, OTHER

#: Stands for the route of a request that was refused before one was looked for.
NOT_SERVED: Final = "(not served)"

#: Those that an address of ours may take. Callers may send any other word.
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
_CLASSES: Final = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
_ADMIN: Final = "/admin/"
_API: Final = "/v1/"
#: How the pattern begins that takes every other address of the API.
_ANY_ADDRESS: Final = "/^"
_NO_ROUTE: Final = "(no route)"


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered. `route` is a template, never an address."""
    status_class = _CLASSES[status // 100]
    if method not in _METHODS or status == HTTPStatus.METHOD_NOT_ALLOWED:
        method = OTHER
    if route.startswith(_ADMIN) and status_class in {"3xx", "4xx"}:
        # All that strangers get of a hundred pages is the way to the login.
        route = _ADMIN
    elif route.startswith(_ANY_ADDRESS):
        route = _NO_ROUTE
    count_duration(HTTP_REQUEST, (route, method, status_class), seconds)


def count_refused_early(
    method: str, status: int, seconds: float, *, is_api: bool
) -> None:
    """Count a request that no thread took. One of the API is among the API's routes."""
    route = f"{_API}{NOT_SERVED}" if is_api else NOT_SERVED
    count_request(method, route, status, seconds)
