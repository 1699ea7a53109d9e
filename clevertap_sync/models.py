"""Accounts, integrations, and the uploads that deliver events to them.

`delivery` is the only writer of uploads, attempts, dead letters and cursors. Every
instant in these rows that a lease or a hold depends on is the database's clock.
"""

from typing import Final, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from clevertap_sync.clevertap.locations import LABELS, Location, spell_in_brackets
from clevertap_sync.fields import EncryptedField
from referrals.models import App

DEFAULT_IN_FLIGHT = 5
# Reference: https://developer.clevertap.com/docs/api-request-limit
CLEVERTAP_IN_FLIGHT = 15
#: So many identities that CleverTap surely does not know are no accident.
ENOUGH_UNKNOWN = 10


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
        return f"{self.account_id} ({spell_in_brackets(Location(self.location))})"

    @property
    def is_test(self) -> bool:
        """Whether it is one of CleverTap's test accounts, which can be reset."""
        return self.account_id.startswith("TEST-")


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


class PasscodeKind(models.TextChoices):
    """Whose passcode it is: CleverTap lets a person's expire."""

    ACCOUNT = "account", "Account passcode"
    USER = "user", "User passcode, which expires"


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
    credentials_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when account and passcode are these; empty: from the first.",
    )
    passcode_kind = models.CharField(
        "kind of passcode",
        max_length=8,
        choices=PasscodeKind,
        default=PasscodeKind.ACCOUNT,
    )
    passcode_expires_on = models.DateField(
        "passcode expires on",
        null=True,
        blank=True,
        help_text="A user passcode's last day, as CleverTap shows it.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        help_text="The CleverTap project's time zone: its days begin there.",
    )
    identity_provider = models.CharField(
        max_length=100,
        help_text="Which of a user's identities is the CleverTap identity, such as email or custom_id; "
        "clevertap_id means CleverTap's own object ID.",
    )
    enabled = models.BooleanField(default=False)
    first_enabled_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="From then on, retention keeps what it has not delivered, paused or not.",
    )
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

    # The identity canary; `delivery.canary` writes it. Null until enough of the first
    # identities turned out to be known, or a person confirmed them.
    identities_confirmed_at = models.DateTimeField(null=True, blank=True)
    identities_known = models.PositiveSmallIntegerField(default=0)
    identities_unknown = models.PositiveSmallIntegerField(default=0)
    identities_other_case = models.PositiveSmallIntegerField(
        default=0,
        help_text="Of the unknown ones, those that CleverTap knows in another letter case.",
    )
    identities_may_be_new = models.BooleanField(
        default=False,
        help_text="Whoever enabled it by command expects people whom CleverTap does not know.",
    )

    # The hold. An answer changes it only if its attempt began after `hold_changed_at`.
    hold_reason = models.CharField(max_length=40, blank=True)
    hold_cause = models.CharField(
        max_length=30,
        blank=True,
        help_text="Which part of the credentials is wrong, once `delivery.cause` knows.",
    )
    hold_hint = models.CharField(
        max_length=80, blank=True, help_text="What is right instead. Never a secret."
    )
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
        null=True,
        blank=True,
        help_text="When the last dry run began that CleverTap accepted.",
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
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(first_enabled_at__isnull=False),
                name="enabled_since_an_instant",
            ),
        ]
        ordering = ["app", "name"]

    def __str__(self) -> str:
        return f"{self.app} → {self.account}"

    @property
    def wants_canary(self) -> bool:
        """Whether the first identities are still to be looked up, and not just a test's."""
        return self.identities_confirmed_at is None and not self.account.is_test

    @property
    def identities_asked(self) -> int:
        """How many of the first identities CleverTap gave a definite answer for."""
        return self.identities_known + self.identities_unknown

    @property
    def identities_are_doubted(self) -> bool:
        """Whether the first identities are most likely not CleverTap's, and nobody confirmed them."""
        if self.identities_confirmed_at is not None:
            return False
        return self.differs_in_case or self._has_too_many_strangers

    @property
    def differs_in_case(self) -> bool:
        """Whether CleverTap knows as many of the first identities in another letter case."""
        return self.identities_other_case >= max(1, self.identities_known)

    @property
    def _has_too_many_strangers(self) -> bool:
        enough = self.identities_unknown >= ENOUGH_UNKNOWN
        outweigh = self.identities_unknown > self.identities_known
        return enough and outweigh and not self.identities_may_be_new


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

    def waiting_records(self) -> int:
        """Count the open ones' records; where they are not mapped yet, their events."""
        estimate = Coalesce(F("records"), F("covers"), F("last") - F("first") + 1)
        found = self.open().aggregate(n=Coalesce(models.Sum(estimate), 0))
        return int(found["n"])


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
    # Nearly every upload is a range of the log, with none of these three: their indexes
    # leave it out, because it is written thrice.
    replay = models.ForeignKey(
        Replay,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="uploads",
        db_index=False,
    )
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="parts",
        db_index=False,
    )
    root = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="descendants",
        db_index=False,
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
        default=0,
        help_text="Records that the settings keep back; not among its records.",
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
        null=True,
        blank=True,
        help_text="When CleverTap first refused its only record.",
    )

    objects = UploadQuerySet.as_manager()

    class Meta:
        indexes = [
            # The claim: what is open, from `delivery.floors` on.
            models.Index(
                fields=["integration", "id"],
                condition=Q(state="open"),
                name="open_uploads",
            ),
            *(
                models.Index(
                    fields=[name],
                    condition=Q(**{f"{name}__isnull": False}),
                    name=f"uploads_of_a_{name}",
                )
                for name in ("parent", "root")
            ),
            # Explain: which upload of a replay covers a position.
            models.Index(
                fields=["replay", "first"],
                condition=Q(replay__isnull=False),
                name="uploads_of_a_replay",
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
    delivered_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When CleverTap first accepted the record. It may have fallen out of a "
        "later replay.",
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


LONGEST_FAILING: Final = 200


class WorkerSeen(models.Model):
    """A worker that was at work. `workers` writes it with every sweep."""

    name = models.CharField(max_length=200, unique=True, help_text="Host and process.")
    seen_at = models.DateTimeField(
        help_text="By the database's clock, when it last swept."
    )
    sweep_seconds = models.FloatField(help_text="How often it sweeps.")
    failing = models.CharField(
        max_length=LONGEST_FAILING,
        blank=True,
        # Workers of the release before write rows without it.
        db_default="",
        help_text="What of its last sweep failed, in words.",
    )

    class Meta:
        verbose_name_plural = "workers seen"

    def __str__(self) -> str:
        return self.name


class Way(models.TextChoices):
    """How an alert reaches people."""

    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    WEBHOOK = "webhook", "Webhook"


class Heartbeat(models.TextChoices):
    """What a call of an alert's heartbeat address says."""

    WELL = "well", "All is well"
    FAIL = "fail", "Something is not well"


class Alert(models.Model):
    """Who is told, how, and about what.

    `alerting.thresholds` says which findings each column of the middle part decides about.
    One that is empty, or off, decides that nobody is told of them.
    """

    name = models.CharField(
        max_length=100, help_text="What people call it, such as Growth team on Slack."
    )
    app = models.ForeignKey(
        App,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="alerts",
        help_text="Empty: every app, those to come included.",
    )
    enabled = models.BooleanField(default=True)
    way = models.CharField("how", max_length=10, choices=Way, default=Way.EMAIL)
    recipients = models.TextField(
        blank=True, help_text="For e-mail: the addresses, one a line."
    )
    url = EncryptedField("address", blank=True)
    signing_secret = EncryptedField(
        blank=True, help_text="What a webhook's messages are signed with."
    )
    held_minutes = models.PositiveSmallIntegerField(
        "minutes held",
        null=True,
        blank=True,
        default=5,
        help_text="Tell when a fault of the account, such as a refused passcode, has held "
        "delivery for so long. Empty: never.",
    )
    lag_minutes = models.PositiveSmallIntegerField(
        "minutes events wait",
        null=True,
        blank=True,
        default=30,
        help_text="Tell when the oldest event has waited for so long. Empty: never.",
    )
    dead_percent = models.PositiveSmallIntegerField(
        "percent not delivered",
        null=True,
        blank=True,
        default=5,
        help_text="Tell when so many of the latest records are dead letters, from five of "
        "them on. Empty: never.",
    )
    passcode_days = models.PositiveSmallIntegerField(
        "days to the passcode's end",
        null=True,
        blank=True,
        default=14,
        help_text="Tell so many days before a user passcode expires. Empty: never.",
    )
    refused_percent = models.PositiveSmallIntegerField(
        "percent refused at the door",
        null=True,
        blank=True,
        default=20,
        help_text="Tell when so large a share of what an app sends is refused. Empty: never.",
    )
    quiet_hours = models.PositiveSmallIntegerField(
        "hours without an event",
        null=True,
        blank=True,
        default=24,
        help_text="Tell when an app from which events are expected has sent none for so "
        "long. Empty: never.",
    )
    pause_hours = models.PositiveSmallIntegerField(
        "hours paused",
        null=True,
        blank=True,
        default=24,
        help_text="Remind when a person paused delivery and events have waited for so "
        "long. Empty: never.",
    )
    stale_percent = models.PositiveSmallIntegerField(
        "percent too late for campaigns",
        null=True,
        blank=True,
        default=50,
        help_text="Tell when so large a share of the newest events happened more than two "
        "hours before they arrived. Empty: never.",
    )
    new_names = models.BooleanField(
        "a new custom name waits for approval", default=True
    )
    worker_gone = models.BooleanField(
        "no worker is at work",
        default=True,
        help_text="For two minutes. A web process sends it, since no worker can.",
    )
    failing_alerts = models.BooleanField(
        "another alert cannot be sent",
        default=True,
        help_text="Another alert of this app, or of any where this one is for every app.",
    )
    other_errors = models.BooleanField(
        "every other error",
        default=True,
        help_text="Whatever keeps events from arriving and has no field of its own here.",
    )
    other_warnings = models.BooleanField(
        "every other warning",
        default=False,
        help_text="Such as that only test events arrive, or that event types run out.",
    )
    heartbeat_url = EncryptedField("heartbeat address", blank=True)
    heartbeat_minutes = models.PositiveSmallIntegerField(
        "minutes between heartbeats", default=1
    )
    heartbeat_fails = models.BooleanField(
        "say so when it is not well",
        default=False,
        help_text="Call the address with /fail behind it, as healthchecks.io has it. "
        "Off: the address is just not called.",
    )
    heartbeat_due_at = models.DateTimeField(null=True, editable=False)
    #: What is to be called now: nothing, that all is well, or that it is not.
    heartbeat_owed = models.CharField(
        max_length=4, blank=True, editable=False, choices=Heartbeat
    )
    heartbeat_at = models.DateTimeField(
        null=True, editable=False, help_text="When the last one got through."
    )
    heartbeat_problem = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Mute(models.Model):
    """An alert says nothing until then: of one cause and what it is about, or at all."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="mutes")
    rule = models.CharField(
        max_length=40, blank=True, help_text="A finding's code. Empty: everything."
    )
    subject = models.CharField(max_length=40, blank=True)
    until = models.DateTimeField()
    by = models.CharField(max_length=150, help_text="Who asked for it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "rule", "subject"], name="one_mute_of_a_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert}: {self.rule or 'everything'} until {self.until:%Y-%m-%d %H:%M}"


class Incident(models.Model):
    """Something that an alert is about, from its start to its end.

    Written by `alerting.watch`. There is one open at a time for an alert, a rule and
    what it is about, so that however many workers look, people are told once.
    """

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="incidents")
    rule = models.CharField(max_length=40, help_text="A finding's code.")
    subject = models.CharField(
        max_length=40, help_text="What it is about, such as integration:7."
    )
    started_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    clear_since = models.DateTimeField(
        null=True, help_text="Since when it looks as if it were over."
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "rule", "subject"],
                condition=Q(ended_at=None),
                name="one_open_incident",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"


class Notice(models.Model):
    """One message of an alert: that something started, goes on or ended, or a test."""

    class Moment(models.TextChoices):
        """What the message is about."""

        STARTED = "started", "Started"
        REMINDED = "reminded", "Goes on"
        ENDED = "ended", "Ended"
        TEST = "test", "Test"

    class State(models.TextChoices):
        """Where the message is."""

        PENDING = "pending", "Waits to be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    incident = models.ForeignKey(
        Incident,
        null=True,
        on_delete=models.CASCADE,
        related_name="notices",
        help_text="Empty for a test.",
    )
    moment = models.CharField(max_length=8, choices=Moment)
    key = models.UUIDField(
        unique=True, help_text="By which a receiver knows a message that comes twice."
    )
    content = models.JSONField(help_text="What it says, as a webhook gets it.")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    problem = models.CharField(
        max_length=200, blank=True, help_text="Why the last attempt failed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "moment"],
                condition=Q(moment__in=["started", "ended"]),
                name="one_notice_per_moment",
            ),
        ]
        indexes = [
            # The sweep: what is to be sent now.
            models.Index(
                fields=["due_at"], condition=Q(state="pending"), name="due_notices"
            ),
        ]

    def __str__(self) -> str:
        return str(self.content.get("title", "Message"))


class LastLook(models.Model):
    """When a process last looked whether there is something to alert people of. One row."""

    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Looked at {self.looked_at:%Y-%m-%d %H:%M:%S}"
