"""One log line per HTTP request, by which all its other lines are found, and its duration."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from integration_project.observability import context, request_durations
from integration_project.observability.filters import find_path_template

logger = logging.getLogger("integration_project.request")

# What `logging` refuses to have overwritten.
_TAKEN: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)


# What each record has.
_TEMPLATE: Final = vars(
    logger.makeRecord(logger.name, logging.INFO, __file__, 0, "request", (), None)
)


class RequestLogMiddleware:
    """Logs and times each request by its route: never its path, query, body or caller.

    A view adds fields by setting `request.log_fields`, a dict of plain values. Belongs
    right after the middleware that sets `request.request_id`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve the request, and log its status and duration."""
        # What several requests share was done before.
        began = getattr(request, "began", None) or time.perf_counter()
        token = context.request_id.set(getattr(request, "request_id", ""))
        try:
            response = self._get_response(request)
            seconds = time.perf_counter() - began
            fields = getattr(request, "log_fields", {})
            note_request(
                request.method, _path(request), response.status_code, seconds, fields
            )
        finally:
            context.request_id.reset(token)
        return response


def note_request(
    method: str | None,
    path: str,
    status: int,
    seconds: float,
    fields: Mapping[str, Any],
) -> None:
    """Count and log a request that was answered. `path` is a route, never an address."""
    request_durations.count_request(method or "", path, status, seconds)
    _log(
        {
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
            **fields,
        },
        status,
    )


def _log(fields: Mapping[str, Any], status: int) -> None:
    level = logging.INFO
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.WARNING
    if not logger.isEnabledFor(level):
        return
    extra = {name: value for name, value in fields.items() if name not in _TAKEN}
    logger.handle(_make_record(level, extra))


def _make_record(level: int, extra: Mapping[str, Any]) -> logging.LogRecord:
    """Return what `logger.log` makes, which looks for its caller and its file each time."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    now = time.time()
    vars(record).update(
        _TEMPLATE,
        levelno=level,
        levelname=logging.getLevelName(level),
        created=now,
        msecs=now % 1 * 1000 // 1,
        relativeCreated=_TEMPLATE["relativeCreated"]
        + (now - _TEMPLATE["created"]) * 1000,
        thread=threading.get_ident(),
        threadName=threading.current_thread().name,
        process=os.getpid(),
        **extra,
    )
    return record


def _path(request: HttpRequest) -> str:
    if request.path_info.startswith(settings.STATIC_URL):
        return f"{settings.STATIC_URL}<file>"
    return find_path_template(request)
