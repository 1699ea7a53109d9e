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
    ServiceStatus,
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
        return HttpResponse(
            self._look(), content_type="application/json", headers=_HEADERS
        )

    def _look(self) -> bytes:
        with self._mutex:
            if not self._body or monotonic() >= self._until:
                self._body = msgspec.json.encode(self._read())
                self._until = monotonic() + LOOK_SECONDS
            return self._body

    def _read(self) -> ServiceStatus:
        try:
            components = self._read_components()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The database failed: %s", type(error).__name__)
            # No worker can take or settle anything without it.
            components = _DOWN
        return summarise(components, datetime.now(UTC).replace(microsecond=0))

    def _read_components(self) -> ServiceComponents:
        ingest = ServiceState.DOWN if self._find_fault() else ServiceState.OK
        delivery, workers = read_service_states()
        return ServiceComponents(ingest=ingest, delivery=delivery, workers=workers)
