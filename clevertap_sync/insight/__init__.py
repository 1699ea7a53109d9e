"""What pages, commands, metrics and alerts read. Nothing in here writes.

`status` has the numbers of an integration and checks its books.
"""

from clevertap_sync.insight.status import (
    HoldStatus,
    IntegrationStatus,
    event_types,
    lag_of,
    last_accepted,
    shown,
    snapshot,
    status_of,
    statuses,
    under_way,
)

__all__ = [
    "HoldStatus",
    "IntegrationStatus",
    "event_types",
    "lag_of",
    "last_accepted",
    "shown",
    "snapshot",
    "status_of",
    "statuses",
    "under_way",
]
