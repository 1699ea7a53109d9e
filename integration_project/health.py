"""What a platform asks: is this process alive, and can it do its work?

A health check has no known host name, no HTTPS and no session, so this middleware
stands before all that require one. `/healthz` does without the database, too. The public
status page is answered here as well: it is the same for everybody, and works as long.
"""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from clevertap_sync.process import worker_presence
from integration_project.public_status import PublicStatus
from referrals import hashing
from referrals.api.public_status import is_status_request

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5
_NO_DATABASE: Final = (
    "The database does not answer. Events are refused with 503 until it does. Check "
    "DATABASE_URL, the server, and its number of connections."
)


def answer_not_ready() -> HttpResponse:
    """Return what `/readyz` says where the database does not answer."""
    return _problem(_NO_DATABASE)


class HealthMiddleware:
    """Answers the health checks `/healthz` and `/readyz`, and `/v1/status`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._readiness = ReadinessCheck()
        self._status = PublicStatus(self._readiness.find_fault)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a health check; pass every other request on."""
        match request.path_info:
            case "/healthz":
                return _answer(HTTPStatus.OK, {"status": "alive"})
            case "/readyz":
                return self._readiness.answer()
            case _ if is_status_request(request.method, request.path_info):
                return self._status.answer()
        return self._get_response(request)


class ReadinessCheck:
    """Checks whether events can be accepted, and whether workers deliver them."""

    def __init__(self) -> None:
        self._migrated = False

    def answer(self) -> HttpResponse:
        """Return 200 if events can be accepted, otherwise 503 with the reason."""
        try:
            reason = self.find_fault()
            degraded = "" if reason else _find_worker_fault()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The database failed: %s", type(error).__name__)
            reason = _NO_DATABASE
        if reason:
            logger.warning("Not ready. %s", reason)
            return _problem(reason)
        if degraded:
            return _answer(HTTPStatus.OK, {"status": "degraded", "detail": degraded})
        return _answer(HTTPStatus.OK, {"status": "ready"})

    def find_fault(self) -> str:
        """Return why no event can be accepted, or nothing. Raises the database's errors."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        # Once they are applied, they stay applied for this process's code.
        self._migrated = self._migrated or not _missing_migrations()
        if not self._migrated:
            return "Migrations are not applied: run `python manage.py migrate`."
        try:
            hashing.load_keys()
        except hashing.HashKeyError as error:
            return f"Events are refused with 503. {error}"
        return ""


def _missing_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _find_worker_fault() -> str:
    silence = worker_presence.read_worker_silence()
    if silence is None:
        seen = "No worker has ever been seen"
    elif silence.is_too_long:
        seen = f"No worker has been seen for {silence.seconds:.0f} seconds"
    else:
        failing = worker_presence.list_failing_sweeps()
        return f"{failing[0].clause}. Its log has the reason." if failing else ""
    return (
        f"{seen}. Events are accepted and kept, but not delivered: start a worker "
        "(the line `worker` of the Procfile)."
    )


def _problem(reason: str) -> HttpResponse:
    # Reference: https://www.rfc-editor.org/rfc/rfc9457
    body = {
        "type": "about:blank",
        "title": "Not ready",
        "status": HTTPStatus.SERVICE_UNAVAILABLE.value,
        "detail": reason,
    }
    response = _answer(HTTPStatus.SERVICE_UNAVAILABLE, body, "application/problem+json")
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _answer(
    status: HTTPStatus, body: dict[str, Any], content_type: str = "application/json"
) -> HttpResponse:
    return HttpResponse(
        json.dumps(body),
        status=status,
        content_type=content_type,
        headers={"Cache-Control": "no-store"},
    )
