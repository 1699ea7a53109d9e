"""The admin's pages about apps, their API keys, what they sent, and people."""

from referrals.admin import (
    app_admin,
    custom_name_admin,
    key_admin,
    person_admin,
    rejected_admin,
)

__all__ = [
    "app_admin",
    "custom_name_admin",
    "key_admin",
    "person_admin",
    "rejected_admin",
]
