"""The admin's pages about CleverTap: integrations, uploads, and what was not delivered."""

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
