"""API keys: what a backend shows."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from referrals.models.apps import App


def is_working(path: str = "") -> Q:
    """Return the condition that a key works now; `path` leads to the key, as `api_keys__`."""
    now = timezone.now()
    ends = ("revoked_at", "expires_at")
    revoked, expired = (
        Q((f"{path}{end}", None)) | Q((f"{path}{end}__gt", now)) for end in ends
    )
    return revoked & expired


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """API keys by what they let in."""

    def working(self) -> Self:
        """Return those that are neither revoked nor expired at this instant."""
        return self.filter(is_working())

    def of_backends(self) -> Self:
        """Return those that let in more than tracking."""
        return self.filter(tracking_source=None)


class ApiKey(models.Model):
    """What an app's backend shows to send events. Only its hash is kept."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(
        max_length=100,
        blank=True,
        help_text="Where the key is used, such as 'production backend'.",
    )
    prefix = models.CharField(
        max_length=12, help_text="The first characters, to tell keys apart."
    )
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the key, in hexadecimal."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="Written at most once a minute."
    )
    revoked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until when it works: an instant to come where it was rotated.",
    )
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From when on it works no more. Empty: it works until it is revoked.",
    )
    tracking_source = models.ForeignKey(
        "referrals.Source",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tracking_keys",
        help_text="The Segment source that it may append to, and nothing else: a key in "
        "an app or a browser is public. Empty for a backend's key.",
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def purpose(self) -> str:
        """Return in words what it lets its holder do."""
        source = self.tracking_source
        return f"Tracking only: {source.name}" if source else "A backend"

    @property
    def is_revoked(self) -> bool:
        """Return whether a person has ended it."""
        return self.revoked_at is not None and self.revoked_at <= timezone.now()

    @property
    def is_expired(self) -> bool:
        """Return whether the end that it was made with has come."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def ends_at(self) -> datetime | None:
        """Return when it ended or will end, by whichever comes first; None: not yet known."""
        ends = [end for end in (self.revoked_at, self.expires_at) if end is not None]
        return min(ends, default=None)

    @property
    def has_ended(self) -> bool:
        """Return whether it works no more, for either reason."""
        return self.is_revoked or self.is_expired
