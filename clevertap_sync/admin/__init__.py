"""The admin's pages about CleverTap, in rooms by page.

* `overview/`    how everything is: the overview, and the page Problems
* `integration/` an integration's set-up, its check, its lifecycle
* `reconciliation/` the page Seen in CleverTap
* `deliveries/`  uploads, attempts, dead letters, replays
* `events/`      events, and the page Referrals
* `try_out/`     previews and test events
* `alerts/`      alerts
* `erasures/`    erasures
* `page_urls`    the addresses of pages that are not about one table's rows
"""

from clevertap_sync.admin.alerts import alert_admin
from clevertap_sync.admin.deliveries import (
    attempt_admin,
    dead_letter_admin,
    replay_admin,
    upload_admin,
)
from clevertap_sync.admin.erasures import erasure_admin
from clevertap_sync.admin.integration import integration_admin

__all__ = [
    "alert_admin",
    "attempt_admin",
    "dead_letter_admin",
    "erasure_admin",
    "integration_admin",
    "replay_admin",
    "upload_admin",
]
