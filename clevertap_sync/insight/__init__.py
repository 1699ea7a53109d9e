"""What pages, commands, metrics and alerts read. Nothing in here writes.

`status` has the numbers of an integration and checks its books. `fact_queries` reads what
is known of all integrations at once, and `findings` judges it.
"""

from clevertap_sync.insight.status import (
    HoldStatus,
    IntegrationStatus,
    add_findings,
    count_open_records,
    find_findings_elsewhere,
    find_last_upload_accepted_at,
    list_integrations_shown,
    read_in_snapshot,
    read_status,
    read_statuses,
)

__all__ = [
    "HoldStatus",
    "IntegrationStatus",
    "add_findings",
    "count_open_records",
    "find_findings_elsewhere",
    "find_last_upload_accepted_at",
    "list_integrations_shown",
    "read_in_snapshot",
    "read_status",
    "read_statuses",
]
