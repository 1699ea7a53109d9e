"""Accounts, integrations, and the uploads that deliver events to them.

`delivery` is the only writer of uploads, attempts, dead letters and cursors. Every
instant in these rows that a lease or a hold depends on is the database's clock.
"""

from typing import Self

from django.db import models
from django.db.models import F, Q

from clevertap_sync.fields import EncryptedField
from clevertap_sync.locations import LABELS, Location
from referrals.models import App

DEFAULT_IN_FLIGHT = 5
# Reference: https://developer.clevertap.com/docs/api-request-limit
CLEVERTAP_IN_FLIGHT = 15


class Account(models.Model):
    """What CleverTap counts by: concurrent requests are limited per account."""

    location = models.CharField(max_length=8, choices=list(LABELS.items()))
    account_id = models.CharField("account ID", max_length=64)
    in_flight_limit = models.PositiveSmallIntegerField(
        default=DEFAULT_IN_FLIGHT,
        help_text="Uploads at the same time. CleverTap allows 15 per account, shared with "
        "every other tool that uses the account.",
    )
    current_limit = models.PositiveSmallIntegerField(
        default=DEFAULT_IN_FLIGHT,
        help_text="Halved when CleverTap answers 429, raised by one after each clean half minute.",
    )
    limit_changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["location", "account_id"], name="one_row_per_account"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} ({LABELS[Location(self.location)]})"


class EventDataFormat(models.TextChoices):
    """How a custom event's Event Data travels."""

    FLATTENED = "flattened", "One property per pair"
    JSON = "json", "One JSON text"
    NESTED = "nested", "A nested object (CleverTap must have enabled it)"


class EventKinds(models.TextChoices):
    """Which events an integration delivers."""

    PRODUCTION = "production", "Production events"
    TEST = "test", "Test events"
    BOTH = "both", "Production and test events"


class IntegrationQuerySet(models.QuerySet["Integration"]):
    """Integrations by what they may do."""

    def enabled(self) -> Self:
        """Return those that deliver, held ones included."""
        return self.filter(enabled=True, archived_at=None)


class Integration(models.Model):
    """One CleverTap account's settings, and the cursor on the app's log."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="integrations")
    name = models.SlugField(
        default="default",
        help_text="Tells an app's integrations apart on the command line.",
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="integrations"
    )
    passcode = EncryptedField(
        blank=True,
        help_text="Account passcode or user passcode: in CleverTap under Settings → Project → Passcodes.",
    )
    identity_provider = models.CharField(
        max_length=100,
        help_text="Which of a user's identities is the CleverTap identity, such as email or custom_id; "
        "clevertap_id means CleverTap's own object ID.",
    )
    enabled = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # How events become records. `mapping_settings` puts these on each upload.
    event_data_format = models.CharField(
        max_length=10, choices=EventDataFormat, default=EventDataFormat.FLATTENED
    )
    send_none = models.BooleanField(
        "send 'none' for a missing Channel or Content",
        default=False,
        help_text="For accounts whose schema demands these properties.",
    )
    refuse_long_texts = models.BooleanField(
        default=False,
        help_text="Texts over CleverTap's limit become dead letters; otherwise they are shortened.",
    )
    send_event_id = models.BooleanField(
        "send the property Event ID",
        default=False,
        help_text="Our idempotency key, for audits.",
    )
    property_limit = models.PositiveSmallIntegerField(
        default=100,
        help_text="Properties per event that the account accepts: 100 unless CleverTap raised it.",
    )
    event_kinds = models.CharField(
        max_length=10, choices=EventKinds, default=EventKinds.PRODUCTION
    )
    send_suspicious = models.BooleanField(default=True)
    send_rejected = models.BooleanField(default=True)
    not_sent = models.JSONField(
        default=list,
        blank=True,
        help_text='What is switched off, as ["app_open:generated", …].',
    )

    # The cursor. Range uploads tile tail+1 … cursor.
    tail = models.BigIntegerField(
        default=0,
        help_text="The position after which this integration's uploads begin.",
    )
    cursor = models.BigIntegerField(
        default=0, help_text="The last position handed to an upload. Never moves back."
    )
    deliver_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Events that occurred before this are kept back.",
    )
    last_served_at = models.DateTimeField(null=True, blank=True)

    # The hold. An answer changes it only if its attempt began after `hold_changed_at`.
    hold_reason = models.CharField(max_length=40, blank=True)
    held_since = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    hold_changed_at = models.DateTimeField(null=True, blank=True)
    hold_probes = models.BooleanField(
        default=False,
        help_text="Whether a dry run of a made-up record has to succeed before the next upload.",
    )
    failures = models.PositiveIntegerField(default=0)
    probe_leased_until = models.DateTimeField(null=True, blank=True)
    probe_token = models.BigIntegerField(default=0)
    accepted_at = models.DateTimeField(
        null=True, blank=True, help_text="When CleverTap last accepted a dry run."
    )

    restorations = models.PositiveIntegerField(
        default=0,
        help_text="How often it was paused because the database is an older one.",
    )

    # Totals of uploads that retention removed.
    removed_delivered = models.BigIntegerField(default=0)
    removed_dead = models.BigIntegerField(default=0)
    removed_unknown = models.BigIntegerField(default=0)

    tallied_to = models.BigIntegerField(
        default=0, help_text="Uploads up to this ID are in the tallies."
    )

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["app", "name"], name="one_integration_per_name"
            ),
            models.UniqueConstraint(
                fields=["app", "account"], name="one_integration_per_account"
            ),
        ]
        ordering = ["app", "name"]

    def __str__(self) -> str:
        return f"{self.app} → {self.account}"


class Replay(models.Model):
    """A person's order to send a range, or dead letters, again. It has its own cursor."""

    class State(models.TextChoices):
        """A replay runs until its work is handed to uploads, or a person cancels it."""

        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"

    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="replays"
    )
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    first = models.BigIntegerField(
        null=True, blank=True, help_text="A range's first position."
    )
    last = models.BigIntegerField(
        null=True, blank=True, help_text="A range's last position."
    )
    cursor = models.BigIntegerField(default=0)
    reasons = models.JSONField(
        default=list, blank=True, help_text="For dead letters: which reasons."
    )
    selection = models.JSONField(
        default=list,
        blank=True,
        help_text="For dead letters: which ones, where a person chose.",
    )
    planned = models.BigIntegerField(
        default=0, help_text="Records, or a range's events, when it was ordered."
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return f"Replay {self.pk}"


class UploadQuerySet(models.QuerySet["Upload"]):
    """Uploads by what may be done with them."""

    def open(self) -> Self:
        """Return those whose records wait for a verdict."""
        return self.filter(state=Upload.State.OPEN)

    def leaves(self) -> Self:
        """Return those that were settled themselves, not through their parts."""
        return self.filter(state=Upload.State.SETTLED)

    def ranges(self) -> Self:
        """Return those that moved the integration's cursor."""
        return self.filter(replay=None, parent=None)


class Upload(models.Model):
    """A range of positions, sent as one request; leased, retried and settled as one.

    A part covers some of its parent's records: `picks` lists them, each as
    twice the position, plus 1 for the referrer's side. An upload is a whole range where
    `picks` is null.
    """

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open"
        SETTLED = "settled"
        SPLIT = "split"
        SKIPPED = "skipped"

    # `newest_uploads` begins with it.
    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="uploads", db_index=False
    )
    replay = models.ForeignKey(
        Replay, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.DO_NOTHING, related_name="parts"
    )
    root = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="descendants",
        help_text="The upload that was split first; null on that one itself.",
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    first = models.BigIntegerField(help_text="The first position.")
    last = models.BigIntegerField(help_text="The last position.")
    picks = models.JSONField(null=True, blank=True)
    covers = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many of its parent's records a part covers.",
    )
    settings = models.JSONField(
        help_text="The mapping settings that its records are made with."
    )

    body_hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the request body."
    )
    body_changed = models.BooleanField(default=False)
    miscounted = models.BooleanField(default=False)
    records = models.PositiveIntegerField(null=True, blank=True)
    delivered = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)
    unsent = models.PositiveIntegerField(
        default=0, help_text="Records that the settings keep back; not among `records`."
    )
    shortened = models.PositiveIntegerField(
        default=0, help_text="Texts that were shortened."
    )

    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(help_text="When it may be sent next.")
    leased_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.BigIntegerField(default=0, help_text="The fencing token.")
    idle_claims = models.PositiveSmallIntegerField(
        default=0, help_text="Claims in a row that led to no attempt."
    )
    attempt_count = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="Retries of its 555 records."
    )
    unknown_outcomes = models.PositiveIntegerField(
        default=0, help_text="Attempts whose answer never came."
    )
    refused_at = models.DateTimeField(
        null=True, blank=True, help_text="When CleverTap refused the whole request."
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        indexes = [
            # The claim: what is open, leftmost first, deepest part first.
            models.Index(
                fields=["integration", "first", "-id"],
                condition=Q(state="open"),
                name="open_uploads",
            ),
            # Explain: which upload covers a position; the books: do they tile.
            models.Index(
                fields=["integration", "first"],
                condition=Q(parent=None, replay=None),
                name="range_uploads",
            ),
            # The lists of one integration, newest first; what is not tallied yet.
            models.Index(fields=["integration", "-id"], name="newest_uploads"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(last__gte=F("first")), name="upload_covers_something"
            ),
        ]

    def __str__(self) -> str:
        return f"Upload {self.pk}: {self.first} to {self.last}"


class Attempt(models.Model):
    """One HTTP request. Begun, then ended once; never with an identity in it."""

    # `newest_attempts` begins with it.
    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="attempts", db_index=False
    )
    upload = models.ForeignKey(
        Upload,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="attempts",
        help_text="Empty for a dry run.",
    )
    lease_token = models.BigIntegerField(default=0)
    dry_run = models.BooleanField(default=False)
    worker = models.CharField(max_length=100, blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=30, blank=True, help_text="'ok', or the code of what went wrong."
    )
    outcome_unknown = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="HTTP status."
    )
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    records = models.PositiveIntegerField(default=0)
    body_bytes = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            # The list of one integration, newest first; when it last was accepted.
            models.Index(fields=["integration", "-id"], name="newest_attempts"),
            # The status: attempts whose answer never came.
            models.Index(
                fields=["integration"],
                condition=Q(outcome_unknown=True),
                name="unknown_attempts",
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.pk}: {self.outcome or 'begun'}"


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    """Dead letters by what a person may do with them."""

    def open(self) -> Self:
        """Return those that nobody replays yet."""
        return self.filter(state=DeadLetter.State.OPEN)


class DeadLetter(models.Model):
    """A record that was not delivered, with a reason. Only a person revives it.

    It names the event by position and keeps no identity of its own.
    """

    class State(models.TextChoices):
        """Where a person's replay took it."""

        OPEN = "open"
        REPLAYING = "replaying"
        DELIVERED = "delivered"

    # `newest_dead_letters` begins with it.
    integration = models.ForeignKey(
        Integration,
        on_delete=models.PROTECT,
        related_name="dead_letters",
        db_index=False,
    )
    upload = models.ForeignKey(
        Upload,
        on_delete=models.DO_NOTHING,
        related_name="dead_letters",
        help_text="The upload that it fell out of.",
    )
    replay_upload = models.ForeignKey(
        Upload,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="replayed",
    )
    position = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Empty where a refusal could not be matched to its record.",
    )
    side = models.CharField(max_length=10, blank=True)
    event_name = models.CharField(max_length=512, blank=True)
    reason = models.CharField(max_length=40)
    detail = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    failures = models.PositiveIntegerField(
        default=1, help_text="How often it fell out."
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "position", "side"],
                name="one_dead_letter_per_record",
            ),
        ]
        indexes = [
            # The replay, and the samples of the problems page: in log order.
            models.Index(
                fields=["integration", "reason", "position"],
                condition=Q(state="open"),
                name="open_dead_letters",
            ),
            # The status and the problems page count by reason. Equal entries are stored
            # once, so that counting reads few pages.
            models.Index(
                fields=["integration", "reason"],
                condition=Q(state="open"),
                name="open_reasons",
            ),
            # The status: what replays have taken, and what they delivered.
            models.Index(
                fields=["integration", "reason"],
                condition=Q(state="replaying"),
                name="replaying_dead_letters",
            ),
            models.Index(
                fields=["integration", "upload"],
                condition=Q(state="delivered"),
                name="revived_dead_letters",
            ),
            # The list of one integration, newest first.
            models.Index(fields=["integration", "-id"], name="newest_dead_letters"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} at {self.position}"


class Tally(models.Model):
    """What an integration's settled uploads came to in one hour. `tallies` writes it.

    Pages add the uploads beyond `Integration.tallied_to`, so that no number is late.
    """

    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="tallies", db_index=False
    )
    hour = models.DateTimeField(help_text="When the hour began in which they settled.")
    delivered = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    replayed = models.BigIntegerField(
        default=0, help_text="Records that replays delivered; not among `delivered`."
    )

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "hour"], name="one_tally_per_hour"
            ),
        ]

    def __str__(self) -> str:
        return f"Tally of {self.hour:%Y-%m-%d %H:00}"


class WorkerSeen(models.Model):
    """A worker that was at work. `workers` writes it with every sweep."""

    name = models.CharField(max_length=200, unique=True, help_text="Host and process.")
    seen_at = models.DateTimeField(
        help_text="By the database's clock, when it last swept."
    )
    sweep_seconds = models.FloatField(help_text="How often it sweeps.")

    class Meta:
        verbose_name_plural = "workers seen"

    def __str__(self) -> str:
        return self.name
