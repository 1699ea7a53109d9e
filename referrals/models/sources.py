"""Sources: by which a platform's calls become events of an app."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from referrals.encrypted_field import EncryptedField
from referrals.models.apps import App
from referrals.sources.presets import PLATFORMS, Preset, describe_platform

_PUBLIC_ID_BYTES = 10
#: What the name of a source as a way in begins with.
WAY_OF_SOURCE = "source:"


def make_public_id() -> str:
    """Return a new public ID. It stands in addresses, so it has digits and letters only."""
    return secrets.token_hex(_PUBLIC_ID_BYTES)


def validate_platform(text: str) -> None:
    """Refuse a platform that has no preset."""
    if text not in PLATFORMS:
        msg = f"There is no platform {text!r}. Known are: {', '.join(PLATFORMS)}."
        raise ValidationError(msg)


class Source(models.Model):
    """One way in for the calls of one platform, into one app's log.

    `secret` is the one to give out; `previous_secret` is accepted as well, while a person
    rotates. An empty choice means the preset's.
    """

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="sources")
    platform = models.CharField(max_length=30, validators=[validate_platform])
    name = models.CharField(
        max_length=100, help_text="What people call it: by default the platform's name."
    )
    public_id = models.CharField(
        max_length=40,
        unique=True,
        default=make_public_id,
        help_text="Names the source in its address.",
    )
    secret = EncryptedField(
        blank=True, help_text="What the platform signs or shows its calls with."
    )
    previous_secret = EncryptedField(
        blank=True, help_text="Accepted beside the secret, until a person ends that."
    )
    verifier = models.JSONField(
        null=True,
        blank=True,
        help_text="How calls are verified, where it is not as the preset says.",
    )
    mapping = models.JSONField(
        null=True,
        blank=True,
        help_text="What becomes of a call, where it is not as the preset says.",
    )
    identity = models.CharField(
        max_length=50,
        blank=True,
        help_text="Which of our identities the platform's user IDs are.",
    )
    referrer_keys = models.JSONField(
        default=list,
        blank=True,
        help_text="Where the referrer's ID is found: the first that is there counts.",
    )
    chosen_events = models.JSONField(
        default=list,
        blank=True,
        help_text="Events and custom names that are taken beyond the preset's.",
    )
    left_out_events = models.JSONField(
        default=list, blank=True, help_text="Events of the preset's that are not taken."
    )
    takes_marketing_links = models.BooleanField(
        default=False,
        help_text="Whether calls without a referrer count, as those of a marketing link.",
    )
    is_test = models.BooleanField(
        "test",
        default=False,
        help_text="Whether all of its events are test events.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    first_call_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the platform first called with a good secret. No sample counts.",
    )
    archived_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Archived sources answer 410, which asks some platforms to stop.",
    )
    capture_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until when the shape of its last call is kept.",
    )
    captured_call = EncryptedField(
        blank=True, help_text="The last call's shape: keys and stand-ins, no values."
    )
    captured_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["app", "platform", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "platform", "name"], name="one_source_per_name"
            ),
        ]
        indexes = [
            # hooks.known_sources: what a process remembers from its start.
            models.Index(
                fields=["id"], name="live_sources", condition=Q(archived_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.app}: {self.name}"

    @property
    def preset(self) -> Preset:
        """Return what is known of its platform."""
        return describe_platform(self.platform)

    @property
    def mapping_in_force(self) -> dict[str, Any]:
        """Return its own mapping as a person wrote it, or its preset's."""
        mapping: dict[str, Any] = self.mapping or self.preset.mapping
        return mapping

    @property
    def is_native(self) -> bool:
        """Return whether its calls hold events of ours, so that there is nothing to choose."""
        return self.mapping_in_force.get("native") is not None

    @property
    def way(self) -> str:
        """Return its name as a way in, as `ingest` counts it."""
        return name_way(self.pk)


def name_way(source_id: int) -> str:
    """Return a source's name as a way in, as `ingest` counts it."""
    return f"{WAY_OF_SOURCE}{source_id}"


def is_way_of_source(way: str) -> bool:
    """Return whether a way in, as `ingest` counts it, is a source."""
    return way.startswith(WAY_OF_SOURCE)


class IdKey(models.Model):
    """The random key with which an app's sources make idempotency keys and handles.

    Made with the app's first source, and never replaced: with another key, a call that a
    platform sends again would be another event.
    """

    app = models.OneToOneField(
        App, on_delete=models.PROTECT, primary_key=True, related_name="id_key"
    )
    key = EncryptedField(help_text="256 random bits in hexadecimal.")

    class Meta:
        verbose_name = "key of idempotency keys"

    def __str__(self) -> str:
        return f"Key of {self.app}"


class SourceCall(models.Model):
    """One of the last calls of a source, and what became of it. Never its content.

    Written with the counts of `ingest`; the newest `hooks.last_calls.KEPT_CALLS` stay.
    """

    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="calls", db_index=False
    )
    at = models.DateTimeField()
    is_sample = models.BooleanField(default=False)
    verdict = models.JSONField(
        help_text="What became of its items, as [[outcome, code, number], …]."
    )

    class Meta:
        indexes = [
            # The page of a source, and what removes old ones.
            models.Index(fields=["source", "-id"], name="last_calls_of_a_source"),
        ]

    def __str__(self) -> str:
        return f"Call of {self.at:%Y-%m-%d %H:%M}"
