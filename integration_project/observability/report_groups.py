"""Which reports are one issue, and how many of one are sent.

The faults of one class that one integration's delivery met are one issue. Sentry groups by
stack frames, and so puts the integrations together and each place apart; whoever looks
after an integration asks whether it has a fault, and of which kind. All other reports are
grouped as Sentry does it.
"""

import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from time import monotonic
from typing import Any, Final, NamedTuple

from clevertap_sync.process.delivery_faults import (
    find_fault_in_error,
    find_fault_in_line,
)

#: A fault may befall each event of a long log, or each request while the database is away,
#: and an issue needs no report of each.
SECONDS_BETWEEN: Final = 60.0
_MOST_GROUPS: Final = 1_000


class DeliveryFault(NamedTuple):
    """What an issue is about."""

    integration_id: int
    fault: str

    @property
    def fingerprint(self) -> list[str]:
        """Return by what Sentry takes reports for one issue."""
        return ["delivery", f"integration {self.integration_id}", self.fault]

    @property
    def tags(self) -> dict[str, str]:
        """Return by what people look for it."""
        return {"integration": str(self.integration_id), "fault": self.fault}


def find_delivery_fault(hint: Mapping[str, Any]) -> DeliveryFault | None:
    """Return the fault that a report is about; None where it is no delivery's.

    `hint` is what the SDK made the report of: a log line, an exception, or both.
    """
    found = None
    line, raised = hint.get("log_record"), hint.get("exc_info")
    if isinstance(line, logging.LogRecord):
        found = find_fault_in_line(vars(line))
    if found is None and raised and raised[1] is not None:
        found = find_fault_in_error(raised[1])
    return DeliveryFault(*found) if found else None


def describe_kind(event: Mapping[str, Any]) -> Hashable:
    """Return what reports that are one issue have in common: template, types, and place."""
    raised = (event.get("exception") or {}).get("values") or ()
    frames = (
        (raised[-1].get("stacktrace") or {}).get("frames") if raised else ()
    ) or ()
    return (
        event.get("logger"),
        (event.get("logentry") or {}).get("message"),
        tuple(each.get("type") for each in raised),
        *(frames[-1].get(part) for part in ("module", "lineno") if frames),
    )


class ReportLimit:
    """Lets one report of each issue pass in `SECONDS_BETWEEN`. Safe in threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._passed_at: dict[Hashable, float] = {}

    def passes(self, kind: Hashable) -> bool:
        """Return whether a report of this kind may go now, and note that it went."""
        now = self._clock()
        with self._mutex:
            last = self._passed_at.get(kind)
            if last is not None and now - last < SECONDS_BETWEEN:
                return False
            if len(self._passed_at) >= _MOST_GROUPS:
                self._passed_at.clear()
            self._passed_at[kind] = now
            return True
