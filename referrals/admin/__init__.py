"""The admin's pages about apps, their API keys, and what they sent."""

from referrals.admin import apps, keys, names, rejected

__all__ = ["apps", "keys", "names", "rejected"]
