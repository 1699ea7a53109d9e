"""Accounts, and the integrations that deliver to them."""

from typing import Final, Self

from django.db import models
from django.db.models import Q

from clevertap_sync.clevertap.limits import MAX_IN_FLIGHT, MAX_PROPERTIES
from clevertap_sync.clevertap.locations import LABELS, Location, spell_in_brackets
from referrals.encrypted_field import EncryptedField
from referrals.models import App
from referrals.vocabulary import SIDES

DEFAULT_IN_FLIGHT = 5
#: All sides that can be switched off, such as "app_open:generated".
SENDS: Final = tuple(
    f"{event_type}:{side}" for event_type, sides in SIDES.items() for side in sides
)
#: So many identities that CleverTap does not know are no accident.
ENOUGH_UNKNOWN = 10


class Account(models.Model):
    """What CleverTap counts by: concurrent requests are limited per account."""

    location = models.CharField(max_length=8, choices=list(LABELS.items()))
    account_id = models.CharField("account ID", max_length=64)
    in_flight_limit = models.PositiveSmallIntegerField(
        default=DEFAULT_IN_FLIGHT,
        help_text=f"Uploads at the same time. CleverTap allows {MAX_IN_FLIGHT} per account, shared with "
        "every other tool that uses the account.",
    )
    current_limit = models.PositiveSmallIntegerField(
        default=DEFAULT_IN_FLIGHT,
        help_text="Halved when CleverTap answers 429, raised by one after each clean half minute.",
    )
    limit_changed_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When CleverTap last took an order of ours to delete somebody, and with "
        "them their events.",
    )

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
    """How a custom event's event data is sent."""

    FLATTENED = "flattened", "One property per pair"
    JSON = "json", "One JSON text"
    NESTED = "nested", "A nested object (CleverTap must have enabled it)"


class EventKinds(models.TextChoices):
    """Which events an integration delivers."""

    PRODUCTION = "production", "Production events"
    TEST = "test", "Test events"
    BOTH = "both", "Production and test events"


class LateTime(models.TextChoices):
    """Which time a record has that waited for its person to be known."""

    HAPPENED = "happened", "When it happened"
    KNOWN = "known", "When the person became known"


class PasscodeKind(models.TextChoices):
    """Whose passcode it is: CleverTap lets a person's expire."""

    ACCOUNT = "account", "Account passcode"
    USER = "user", "User passcode, which expires"


class IntegrationQuerySet(models.QuerySet["Integration"]):
    """Integrations by what they may do."""

    def enabled(self) -> Self:
        """Return the enabled integrations, held ones included."""
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
        default=MAX_PROPERTIES,
        help_text=f"Properties per event that the account accepts: {MAX_PROPERTIES} unless CleverTap raised it.",
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

    late_time = models.CharField(
        "time of a record that waited",
        max_length=8,
        choices=LateTime,
        default=LateTime.HAPPENED,
        db_default=LateTime.HAPPENED,
        help_text="CleverTap starts live campaigns only for events younger than two hours.",
    )
    falls_back_to_clevertap_id = models.BooleanField(
        "without an identity, send by CleverTap ID",
        default=False,
        db_default=False,
        help_text="Where the event carries a clevertap_id.",
    )

    # Reading back: what CleverTap says that it counts. `reconciliation` does.
    reconciles = models.BooleanField(
        "compare with CleverTap each night",
        default=False,
        db_default=False,
        help_text="Ask CleverTap how many of each event it counts. The passcode has to be "
        "allowed to read.",
    )
    counts_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when what is delivered is counted by name and time; empty: not.",
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
        help_text="Which part of the credentials is wrong, once it is known.",
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
    removed_expired = models.BigIntegerField(
        default=0, db_default=0, help_text="Records that waited in vain, or still did."
    )
    removed_revived = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Records that waited and were delivered; among `removed_delivered`.",
    )

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
        indexes = [
            # Each sweep asks which accounts are compared, most often none.
            models.Index(
                fields=["account", "id"],
                condition=Q(reconciles=True, archived_at=None),
                name="compared_integrations",
            ),
        ]
        ordering = ["app", "name"]

    def __str__(self) -> str:
        return f"{self.app} → {self.account}"

    @property
    def wants_canary(self) -> bool:
        """Whether the canary still has to look up first identities; never on a test account."""
        return self.identities_confirmed_at is None and not self.account.is_test

    @property
    def identities_asked(self) -> int:
        """For how many of the first identities CleverTap gave a clear answer."""
        return self.identities_known + self.identities_unknown

    @property
    def identities_are_doubted(self) -> bool:
        """Whether CleverTap seems not to know the identities, and no person confirmed them."""
        if self.identities_confirmed_at is not None:
            return False
        are_mostly_unknown = (
            self.identities_unknown >= ENOUGH_UNKNOWN
            and self.identities_unknown > self.identities_known
            and not self.identities_may_be_new
        )
        return self.differs_in_case or are_mostly_unknown

    @property
    def differs_in_case(self) -> bool:
        """Whether CleverTap knows as many identities in another letter case as exactly."""
        return self.identities_other_case >= max(1, self.identities_known)
