"""What pages, commands, metrics and alerts read. Nothing in here writes.

`status` has the numbers of an integration and checks its books. `fact_queries` reads what
is known of all integrations at once, and `findings` judges it.
"""

from clevertap_sync.insight.status import (
    HoldStatus,
    IntegrationStatus,
    findings_elsewhere,
    last_accepted,
    shown,
    snapshot,
    status_of,
    statuses,
    under_way,
    with_findings,
)

__all__ = [
    "HoldStatus",
    "IntegrationStatus",
    "findings_elsewhere",
    "last_accepted",
    "shown",
    "snapshot",
    "status_of",
    "statuses",
    "under_way",
    "with_findings",
]
