"""Apps, and who may do what in them."""

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from referrals import fraud_signals
from referrals.fraud_rules import (
    DEFAULT_RULES,
    FIRST_RULES,
    LONGEST_DAYS,
    MOST_KEPT,
    FraudRules,
    Limit,
)
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

    loose_ids = models.JSONField(
        "IDs that come before sign-up",
        default=list,
        blank=True,
        # The web processes of the release before write rows without it.
        db_default=[],
        help_text="Providers such as anonymous_id or device_handle. A record that carries "
        "only these waits until one of them is tied to a user. None: nothing waits.",
    )
    remembers_referrers = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Remember who invited each user last, so that events may name "
        'the referrer as "last".',
    )

    # An app that is there when a release brings a rule keeps its verdicts: the database's
    # default is the rule of before. A new app begins with ours.
    fraud_same_ip = models.BooleanField(
        "same IP address on both sides",
        default=DEFAULT_RULES.same_ip,
        db_default=FIRST_RULES.same_ip,
        help_text="Suspect events whose referrer has the user's IP address. It finds second "
        "accounts at home, and as surely everybody who invites those they live with.",
    )
    fraud_installs = models.PositiveSmallIntegerField(
        "installs from one IP address",
        null=True,
        blank=True,
        default=DEFAULT_RULES.installs.most,
        db_default=FIRST_RULES.installs.most,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_KEPT)],
        help_text="So many installs for one referrer from one IP address are normal; the "
        "next ones are suspicious. Empty: none is.",
    )
    fraud_installs_days = models.PositiveSmallIntegerField(
        "installs: within days",
        null=True,
        blank=True,
        default=DEFAULT_RULES.installs.days,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
        help_text="Only installs within so many days of each other count. Empty: all that "
        "are remembered, which is for RETENTION_DAYS.",
    )
    fraud_advertising_ids = models.PositiveSmallIntegerField(
        "advertising IDs of one device",
        null=True,
        blank=True,
        default=DEFAULT_RULES.advertising_ids.most,
        db_default=FIRST_RULES.advertising_ids.most,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_KEPT)],
        help_text="So many advertising IDs of one device are normal; an install with a "
        "further one is suspicious. Empty: none is.",
    )
    fraud_advertising_ids_days = models.PositiveSmallIntegerField(
        "advertising IDs: within days",
        null=True,
        blank=True,
        default=DEFAULT_RULES.advertising_ids.days,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
        help_text="Only IDs that the device had within so many days count. Empty: all that "
        "are remembered, which is for RETENTION_DAYS.",
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def fraud_rules(self) -> FraudRules:
        """What makes an event of the app suspicious."""
        return FraudRules(
            self.fraud_same_ip,
            Limit(self.fraud_installs, self.fraud_installs_days),
            Limit(self.fraud_advertising_ids, self.fraud_advertising_ids_days),
        )

    @property
    def learns_of_people(self) -> bool:
        """Whether the app's identities are tied together, so that records may wait."""
        return bool(self.loose_ids) or self.remembers_referrers


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
    "sharedmark": "Shared identity",
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
