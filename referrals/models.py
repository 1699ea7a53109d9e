"""Apps, their API keys, and the append-only log of their referral events."""

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from referrals import fraud_signals
from referrals.vocabulary import EventType, FraudStatus


def validate_networks(text: str) -> None:
    """Refuse a text that is no list of networks."""
    try:
        fraud_signals.parse_networks(text)
    except ValueError as error:
        msg = f"Write one network or address a line, such as 192.0.2.0/24: {error}."
        raise ValidationError(msg) from error


class App(models.Model):
    """A game, a shop, a subscription service, whose users invite others."""

    slug = models.SlugField(
        unique=True,
        max_length=50,
        help_text="Short name used on the command line and in addresses.",
    )
    name = models.CharField(max_length=100, help_text="What people call the app.")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Archived apps accept no events. Apps are never deleted.",
    )

    ignored_networks = models.TextField(
        blank=True,
        validators=[validate_networks],
        help_text="Networks that many users share, such as an office or a campus, one a "
        "line. Their addresses are no sign of fraud. Private networks never are.",
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a person is in one app. `access` says what each may do."""

    VIEWER = "viewer", "Viewer"
    EDITOR = "editor", "Editor"


class Membership(models.Model):
    """A person's role in an app. Superusers need none: they may do everything."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=10,
        choices=Role,
        default=Role.VIEWER,
        help_text="A viewer sees states and counts, but no identities and no payloads. An "
        "editor sees them too, changes settings, enables, pauses and replays.",
    )

    class Meta:
        verbose_name = "role"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "app"], name="one_role_per_person_and_app"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {Role(self.role).label} of {self.app}"

    def save(self, *args: Any, **options: Any) -> None:
        """Save, and let the person log in to the admin: a role is of no use otherwise."""
        super().save(*args, **options)
        type(self.user).objects.filter(pk=self.user_id, is_staff=False).update(
            is_staff=True
        )


_KIND_NAMES = {
    "apikey": "API key",
    "customname": "Custom name",
    "deadletter": "Dead letter",
    "erasurerequest": "Erasure request",
}


class Change(models.Model):
    """Something that a person, the command line or a worker changed. Never changed itself.

    Written by `history`, in the transaction of the change.
    """

    at = models.DateTimeField(auto_now_add=True)
    by = models.CharField(
        max_length=150, help_text="The person's user name, or what else it was."
    )
    app = models.ForeignKey(
        App,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty for what belongs to no app, such as a person.",
    )
    kind = models.CharField(max_length=40, help_text="What it is, such as integration.")
    row = models.CharField(max_length=40, help_text="Its primary key.")
    subject = models.CharField(max_length=200, help_text="What people call it.")
    what = models.CharField(max_length=300, help_text="What was done, in words.")
    differences = models.JSONField(
        default=list, help_text="What changed, as [[name, old, new], …], in words."
    )

    class Meta:
        indexes = [
            # The panel on a row's own page.
            models.Index(fields=["kind", "row", "-id"], name="changes_of_a_row"),
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}"

    @property
    def kind_name(self) -> str:
        """Return the title of the changed row's kind."""
        return _KIND_NAMES.get(self.kind, self.kind.capitalize())


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """API keys by what they let in."""

    def working(self) -> Self:
        """Return those that are not revoked, or only from a later instant on."""
        return self.filter(Q(revoked_at=None) | Q(revoked_at__gt=timezone.now()))


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

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def is_revoked(self) -> bool:
        """Return whether it works no more."""
        return self.revoked_at is not None and self.revoked_at <= timezone.now()


class ReferralEvent(models.Model):
    """Something that happened. Written by `log.append` only, and never changed.

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


class Suppression(models.Model):
    """An identity of a suppressed person: a keyed hash, and nothing else.

    Written by `suppression`. Destinations send nothing about a person who has one. Of one app,
    a larger id was committed later.
    """

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="suppressions", db_index=False
    )
    identity_hash = models.UUIDField(
        help_text="Keyed hash of the identity and its provider."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "identity_hash"], name="one_suppression_per_identity"
            ),
        ]
        indexes = [
            # suppression.find_newest_suppression: before each upload.
            models.Index(fields=["app", "-id"], name="newest_suppression"),
        ]

    def __str__(self) -> str:
        return f"Suppression {self.pk}"


class ErasureRequest(models.Model):
    """An order to erase a person, and its progress.

    It holds keyed hashes of the identities, never one of them.
    """

    class State(models.TextChoices):
        """First the uploads that are under way settle, then the log is erased."""

        WAITING = "waiting", "Waiting for uploads under way"
        ERASING = "erasing", "Erasing"
        DONE = "done", "Done"

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="erasure_requests"
    )
    hashes = models.JSONField(help_text="Keyed hashes of the identities, sorted.")
    suppressions_until = models.BigIntegerField(
        help_text="The last of its suppressions."
    )
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    requested_at = models.DateTimeField(help_text="By the database's clock.")
    requested_by = models.CharField(max_length=150, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    head = models.BigIntegerField(
        default=0, help_text="The last position to go through; set when that begins."
    )
    erased_to = models.BigIntegerField(
        default=0, help_text="The last position that was gone through."
    )
    events = models.PositiveIntegerField(
        default=0, help_text="Events that named the person."
    )
    dead_letters = models.PositiveIntegerField(
        default=0, help_text="Dead letters of the person's records."
    )
    uploads_waiting = models.PositiveIntegerField(
        default=0, help_text="Uploads under way that may hold the person."
    )
    uploads_replaced = models.PositiveIntegerField(
        default=0, help_text="Uploads that were replaced by parts without the person."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erasure request {self.pk}"


class RejectedEvent(models.Model):
    """An event that the Celery task could not append. A capped list for each app."""

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="rejected_events"
    )
    source = models.CharField(
        max_length=30, help_text="Where it came from, such as 'celery'."
    )
    received_at = models.DateTimeField(auto_now_add=True)
    key = models.CharField(max_length=200, blank=True)
    pointer = models.CharField(max_length=255, blank=True)
    detail = models.TextField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key or '(no id)'}: {self.pointer}"


class IngestCount(models.Model):
    """The count of one outcome and code by one way in, in one hour. See `ingest`.

    Written by `ingest.writing` only. The primary key is the index that a page about an
    app reads by.
    """

    pk = models.CompositePrimaryKey("app_id", "way", "outcome", "code", "hour")
    app_id = models.BigIntegerField(
        help_text="The app; 0 where nobody knows whose it was."
    )
    way = models.CharField(
        max_length=12,
        help_text="The first characters of the API key, or task, import, python, admin "
        "or other. Empty where none was shown, and since the beginning.",
    )
    outcome = models.CharField(
        max_length=12,
        help_text="accepted, duplicate, conflict, rejected or unauthorised.",
    )
    code = models.CharField(
        max_length=30, help_text="Why it was refused; empty where it was not."
    )
    hour = models.DateTimeField(
        help_text="When the hour began; 1970 for what was counted since the beginning."
    )
    number = models.BigIntegerField(
        help_text="Events; requests where a request was refused as a whole."
    )
    last_at = models.DateTimeField(help_text="When it was last so.")

    class Meta:
        indexes = [
            # ingest.health: recent rows of all apps; ingest.removal: old rows.
            models.Index(fields=["hour"], name="ingest_counts_of_an_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.way}: {self.outcome} {self.code}".strip()


class IngestSample(models.Model):
    """One of the newest refusals of a cause: where and why, without a value of the event."""

    app_id = models.BigIntegerField(
        help_text="The app; 0 where nobody knows whose it was."
    )
    way = models.CharField(max_length=12)
    outcome = models.CharField(max_length=12)
    code = models.CharField(max_length=30)
    at = models.DateTimeField()
    pointer = models.CharField(max_length=255, blank=True)
    detail = models.TextField()
    key = models.CharField(
        max_length=200,
        blank=True,
        help_text="The event's id, where the reason is about ids.",
    )

    class Meta:
        indexes = [
            # ingest.health: the newest of each cause.
            models.Index(
                fields=["app_id", "way", "code", "-id"], name="newest_ingest_sample"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.pointer}"
