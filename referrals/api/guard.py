"""Between a view and its caller: every exception becomes a problem, never a page.

A log line from here names classes and places, not messages: a database's message may
quote the values that it refused.
"""

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Any, Final

from django.core.signals import got_request_exception
from django.db import DataError, Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from referrals.api.problems import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    UNSTORABLE,
    ProblemError,
    make_unavailable,
)

View = Callable[..., HttpResponse]

logger: Final = logging.getLogger(__name__)


def guard_view(*methods: str) -> Callable[[View], View]:
    """Let a view answer `methods` (none: all), and turn its exceptions into problems."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                _require_method(request, methods)
                response = view(request, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the edge: nothing may pass
                response = make_problem(error, request).response()
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    return decorate


def make_problem(error: Exception, request: HttpRequest) -> ProblemError:
    """Return the problem for the caller, and log the details for operators."""
    match error:
        case ProblemError():
            return error
        case DataError():
            # Not 503: the same bytes would be sent, and refused, for ever.
            _log(error, with_place=True)
            return ProblemError(
                UNSTORABLE,
                "The database refused a value that our validation let through. Nothing "
                "was stored. Send the events one by one to find the one it is.",
            )
        case Error():
            _log(error, with_place=False)
            return make_unavailable(
                "The database did not take the request. Nothing is lost and nothing is "
                "half stored: send the same request again in a few seconds."
            )
    _log(error, with_place=True)
    # As Django does for a view that raises: error trackers listen, and so do tests.
    got_request_exception.send(sender=None, request=request)
    return ProblemError(
        INTERNAL,
        "The request met a fault of ours, which has been logged. Send the same request "
        "again later: what is stored already comes back as a duplicate.",
    )


def _require_method(request: HttpRequest, methods: tuple[str, ...]) -> None:
    if methods and request.method not in methods:
        allowed = ", ".join(methods)
        raise ProblemError(
            METHOD_NOT_ALLOWED,
            f"This address answers {allowed} only.",
            headers={"Allow": allowed},
        )


def _log(error: Exception, *, with_place: bool) -> None:
    state = getattr(error.__cause__, "sqlstate", None) or "none"
    frames = traceback.format_tb(error.__traceback__) if with_place else ()
    logger.error(
        "The API met %s (SQLSTATE %s). %s",
        type(error).__name__,
        state,
        "".join(frames),
    )
