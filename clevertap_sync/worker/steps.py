"""The steps of a sweep: carried out again and again, each independent of the others.

`SweepSteps` knows which steps fail. A failure is logged with its traceback, and so reported,
when it begins: of deliveries, once for each integration. While it lasts, each further
failure is a warning.
"""

import logging
import threading
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from clevertap_sync.process.delivery_faults import find_integration
from clevertap_sync.process.error_names import name_error

logger = logging.getLogger(__name__)


class SweepSteps:
    """Carries out steps by their names. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Step → integration, if its exception names one → what failed.
        self._failing: dict[str, dict[int | None, str]] = {}

    def carry_out(self, name: str, step: Callable[[], object]) -> None:
        """Carry out a step. Its exception is logged and not raised."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the next step does not depend on this one
            self._fail(name, error)
            # A broken connection or transaction would make the next step fail, too.
            connection.close()
        else:
            self._succeed(name)

    def pass_over(self, name: str) -> None:
        """Note that there is nothing to do for a step now: it does not fail any more."""
        self._succeed(name)

    def describe_failing(self) -> str:
        """Return which steps failed when they were last carried out.

        `alerts (KeyError), delivery (OperationalError: SQLITE_FULL)`
        """
        with self._lock:
            failing = {name: set(of.values()) for name, of in self._failing.items()}
        return ", ".join(
            f"{name} ({', '.join(sorted(kinds))})"
            for name, kinds in sorted(failing.items())
        )

    def _fail(self, name: str, error: Exception) -> None:
        kind, integration_id = name_error(error), find_integration(error)
        with self._lock:
            known = self._failing.setdefault(name, {})
            is_new = known.get(integration_id) != kind
            known[integration_id] = kind
        # A database that is away is no defect: its code is enough.
        if is_new and not isinstance(error, OperationalError | InterfaceError):
            logger.error(
                "The step %s of the sweep failed; it is tried again",
                name,
                exc_info=error,
            )
        else:
            logger.warning("The step %s of the sweep failed (%s)", name, kind)

    def _succeed(self, name: str) -> None:
        with self._lock:
            was_failing = self._failing.pop(name, None)
        if was_failing:
            logger.info("The step %s of the sweep works again", name)
