"""The admin's pages about apps, their API keys, what they sent, and people."""

from referrals.admin import apps, keys, names, people, rejected

__all__ = ["apps", "keys", "names", "people", "rejected"]
