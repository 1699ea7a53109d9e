"""`GET /v1/status`: what everybody may know of this installation.

One look serves every caller of a process for some seconds: strangers cannot make the
database work. While the database is away, the page says so and is answered all the same.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import msgspec
from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse

from clevertap_sync.insight.service_state import read_service_states
from referrals.api.public_status import (
    ServiceComponents,
    ServiceState,
    summarise,
)

logger = logging.getLogger(__name__)

#: So long a look is good for, here and in whatever caches between here and the caller.
LOOK_SECONDS: Final = 5
_HEADERS: Final = {
    "Cache-Control": f"public, max-age={LOOK_SECONDS}",
    # A status page elsewhere may read it: nothing in it depends on who asks.
    "Access-Control-Allow-Origin": "*",
}
_DOWN: Final = ServiceComponents(
    ingest=ServiceState.DOWN, delivery=ServiceState.DOWN, workers=ServiceState.DOWN
)


def answer_down() -> HttpResponse:
    """Return what is told where the database does not answer."""
    # No worker can take or settle anything without it.
    return _make_answer(_encode(_DOWN))


class PublicStatus:
    """Looks at most once in `LOOK_SECONDS`. Safe in threads.

    `find_fault` says why no event can be accepted, or nothing where it can.
    """

    def __init__(self, find_fault: Callable[[], str]) -> None:
        self._find_fault = find_fault
        self._mutex = threading.Lock()
        self._body = b""
        self._until = 0.0

    def answer(self) -> HttpResponse:
        """Return the status as of the last look. It is 200, also where all is down."""
        return _make_answer(self._look())

    def _look(self) -> bytes:
        with self._mutex:
            if not self._body or monotonic() >= self._until:
                self._body = _encode(self._read())
                self._until = monotonic() + LOOK_SECONDS
            return self._body

    def _read(self) -> ServiceComponents:
        try:
            return self._read_components()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The database failed: %s", type(error).__name__)
            return _DOWN

    def _read_components(self) -> ServiceComponents:
        ingest = ServiceState.DOWN if self._find_fault() else ServiceState.OK
        delivery, workers = read_service_states()
        return ServiceComponents(ingest=ingest, delivery=delivery, workers=workers)


def _encode(components: ServiceComponents) -> bytes:
    at = datetime.now(UTC).replace(microsecond=0)
    return msgspec.json.encode(summarise(components, at))


def _make_answer(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers=_HEADERS)
