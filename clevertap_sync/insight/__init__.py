"""What pages, commands, metrics and alerts read. Nothing in here writes.

Read the modules in this order:

1. `status`: the numbers of integrations, by `delivery_numbers`, with `books`, which checks
   them by `book_sums`.
2. `facts`, read by `fact_queries`, `ingest_queries` and `installation_facts`: what is known of
   all integrations, apps and the installation at one instant.
3. `findings`: the one place that judges facts, with `links` for the way to each fix.
4. `whereabouts`, with `picks`: which upload has a record; `clevertap_destination`: what would
   be sent of an event, and what became of it.
5. `mapping_settings` and `event_types`: an integration's settings as an upload keeps them.
6. `wait_numbers`: what waits for a person to be known.
7. `delivered_counts`: what was delivered by name and time, for a comparison with CleverTap;
   `delivered_records`: an upload's records, mapped once more; `seen_facts`, read by
   `seen_queries`: what CleverTap shows.
8. Single questions of pages: `coverage`, `loose_ids`, `match_rate`, `usage`, `user_check`, `freshness`,
   `pace` and `passcode_expiry`.
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
    read_status_of_each,
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
    "read_status_of_each",
    "read_statuses",
]
