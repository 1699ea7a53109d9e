"""The admin's pages about CleverTap: integrations, uploads, and what was not delivered."""

from clevertap_sync.admin import (
    alerts,
    attempts,
    erasures,
    integrations,
    letters,
    replays,
    uploads,
)

__all__ = [
    "alerts",
    "attempts",
    "erasures",
    "integrations",
    "letters",
    "replays",
    "uploads",
]
