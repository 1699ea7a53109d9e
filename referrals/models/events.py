"""The append-only log of each app's referral events, and what it remembers beside them."""

from django.db import models

from referrals.models.apps import App
from referrals.vocabulary import EventType, FraudStatus


class ReferralEvent(models.Model):
    """Something that happened, or who somebody is. Written by `log.append` only, and never changed.

    `body` is the event as `schema.Event` in JSON; the other columns repeat what
    pages search by.
    """

    pk = models.CompositePrimaryKey("app_id", "position")
    # Apps are never deleted while they have events, so no constraint has to check it
    # a thousand times per request.
    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    position = models.BigIntegerField(
        help_text="Number in the app's log: 1, 2, 3, … without gaps, in commit order."
    )
    key = models.CharField(max_length=200, help_text="The idempotency key.")
    fingerprint = models.UUIDField(
        null=True,
        help_text="Keyed hash of what was sent, to tell a conflict from a duplicate.",
    )
    received_at = models.DateTimeField(help_text="Never decreases along the log.")
    occurred_at = models.DateTimeField()
    type = models.CharField(
        max_length=16, choices=[(t.value, t.value) for t in EventType]
    )
    name = models.CharField(max_length=255, blank=True)
    channel = models.CharField(max_length=255, blank=True)
    status = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in FraudStatus]
    )
    test = models.BooleanField(default=False)
    body = models.TextField()
    request_id = models.CharField(
        max_length=128,
        blank=True,
        # Processes of the release before write rows without it.
        db_default="",
        help_text="The request that brought it; empty for other ways in.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "key"], name="one_event_per_key"),
        ]
        permissions = [
            ("view_identities", "Can see identities and payloads of events"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.type}"


class CustomName(models.Model):
    """The name of a custom event, numbered by the log in the order of first appearance."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="custom_names")
    name = models.CharField(max_length=255, help_text="As it was first spelt.")
    normalised = models.CharField(
        max_length=255, help_text="As names are compared: without case and white space."
    )
    number = models.PositiveIntegerField()
    first_position = models.BigIntegerField()
    approved_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a person let a name beyond the limit go to destinations.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "normalised"], name="one_number_per_name"
            ),
            models.UniqueConstraint(
                fields=["app", "number"], name="one_name_per_number"
            ),
        ]
        indexes = [
            # Whether an app has any, before each upload: few are, of however many names.
            models.Index(
                fields=["app"],
                condition=models.Q(approved_at__isnull=False),
                name="approved_names",
            ),
        ]
        ordering = ["app", "number"]

    def __str__(self) -> str:
        return self.name


class Sighting(models.Model):
    """A sighting of an install, for judging later ones: hashes, and nothing else.

    Written by `log.append` under the app's lock; see `fraud.SightingKey`. The primary key
    is the index that append looks marks up by.
    """

    pk = models.CompositePrimaryKey("app_id", "mark", "value")
    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    mark = models.UUIDField(
        help_text="Keyed hash of a device, or of an IP address with a referrer."
    )
    value = models.UUIDField(
        help_text="Keyed hash of the advertising ID seen there; else the mark itself."
    )
    seen_at = models.DateTimeField(help_text="When it was first seen.")

    class Meta:
        indexes = [
            # log.remove_sightings: rows that are too old to judge by.
            models.Index(fields=["seen_at"], name="old_sightings"),
        ]

    def __str__(self) -> str:
        return f"Sighting of {self.seen_at:%Y-%m-%d}"
