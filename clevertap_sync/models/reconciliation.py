"""What we delivered, by name and time, and what CleverTap says that it counts.

`delivery` writes delivered counts, beside its verdicts; `reconciliation` writes the rest.
CleverTap counts by account, so what it says is kept by account, whichever integrations share it.
"""

from typing import Final, Self

from django.db import models
from django.db.models import Q

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS
from clevertap_sync.models.accounts import Account, Integration

#: A name as CleverTap compares it may be longer than the name: case folding expands it.
LONGEST_NAME: Final = 3 * 512


class DeliveredCount(models.Model):
    """How many records an integration delivered of one name, in one quarter-hour of their `ts`.

    `upkeep.tallies` adds `Upload.counts` up, each upload once. Rows stay when retention
    removes the uploads. Readers add the uploads beyond `Integration.tallied_to`.
    CleverTap should count at least `delivered` less `maybe_fewer`, and at most `delivered`
    and `maybe_more`.
    """

    integration = models.ForeignKey(
        Integration, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=512, help_text="The event's name, as sent.")
    quarter = models.BigIntegerField(
        help_text=f"The `ts` that was sent, in units of {QUARTER_SECONDS} seconds since 1970."
    )
    delivered = models.BigIntegerField(default=0)
    maybe_more = models.BigIntegerField(
        default=0,
        help_text="How often CleverTap may have stored one of them, or of what was given "
        "up, once more: requests that it never answered.",
    )
    maybe_fewer = models.BigIntegerField(
        default=0,
        help_text="How many of them CleverTap may have refused: it did not say which.",
    )
    settled_at = models.DateTimeField(
        help_text="When the newest upload settled that has to do with them."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "name", "quarter"], name="one_delivered_count"
            ),
        ]
        indexes = [
            # The week that is compared, and what is old enough to go.
            models.Index(fields=["integration", "quarter"], name="delivered_quarters"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.delivered}"


class AccountReading(models.Model):
    """The one reader of an account: who asks CleverTap now, and what it learned in passing.

    CleverTap allows three reads at a time for an account, shared with its owner's own
    exports. So one process asks, one request at a time, for as long as its lease lasts.
    """

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="reading"
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.BigIntegerField(default=0, help_text="The fencing token.")
    waits_until = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is asked before: CleverTap was busy."
    )
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    refused_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when the passcode may not read, though it may upload.",
    )
    last_error = models.CharField(
        max_length=200, blank=True, help_text="The code of what went wrong last."
    )
    schema = models.JSONField(
        null=True,
        blank=True,
        help_text="The event types that the account has; null: CleverTap did not say.",
    )
    schema_at = models.DateTimeField(
        null=True, blank=True, help_text="When the event types were asked for last."
    )
    seen_to = models.JSONField(
        default=dict,
        help_text="Integration's ID → [the upload up to which new names were looked for, "
        "[those before it that were open then]].",
    )

    def __str__(self) -> str:
        return f"Reading of account {self.account_id}"

    @property
    def lacks_schema(self) -> bool:
        """Return whether CleverTap was asked for the schema, and had none to show."""
        return self.schema is None and self.schema_at is not None


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    """Comparisons by how far they are."""

    def open(self) -> Self:
        """Return those that wait or run."""
        open_states = [Comparison.State.WAITING, Comparison.State.RUNNING]
        return self.filter(state__in=open_states)


class Comparison(models.Model):
    """One run over an account's last days, by night or because somebody asked."""

    class Kind(models.TextChoices):
        """Why it runs."""

        NIGHTLY = "nightly"
        ORDER = "order"

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="comparisons"
    )
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.ORDER)
    night = models.DateField(
        null=True, blank=True, help_text="For a nightly one: the account's day."
    )
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    requests = models.PositiveIntegerField(default=0)
    seconds = models.PositiveIntegerField(default=0, help_text="Spent asking.")
    compared = models.PositiveIntegerField(
        default=0, help_text="Names and days for which both numbers are known."
    )
    not_compared = models.PositiveIntegerField(
        default=0, help_text="Names and days that the budget did not reach."
    )
    error = models.CharField(
        max_length=200, blank=True, help_text="The code of what ended it early."
    )

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "night"],
                condition=Q(night__isnull=False),
                name="one_comparison_a_night",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="newest_comparisons"),
        ]

    def __str__(self) -> str:
        return f"Comparison {self.pk}: {self.state}"


class Statement(models.Model):
    """What CleverTap counts of one name on one day of the account, beside what we delivered.

    `counted` is null where it was not asked: that is no agreement.
    """

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="statements", db_index=False
    )
    folded_name = models.CharField(
        max_length=LONGEST_NAME, help_text="The name as CleverTap compares it."
    )
    name = models.CharField(max_length=512, help_text="The name, as sent.")
    day = models.DateField(help_text="In the account's time zone.")
    delivered = models.BigIntegerField(default=0)
    maybe_more = models.BigIntegerField(default=0)
    maybe_fewer = models.BigIntegerField(default=0)
    counted = models.BigIntegerField(null=True, blank=True)
    counted_before = models.BigIntegerField(
        null=True, blank=True, help_text="What the comparison before counted."
    )
    causes = models.JSONField(
        default=list,
        help_text='What explains the difference: [{"code", "size", "sentence"}, …], signed '
        "sizes; negative where CleverTap counts fewer.",
    )
    unexplained = models.BigIntegerField(
        default=0, help_text="The rest of the difference, signed."
    )
    nights_short = models.PositiveSmallIntegerField(
        default=0,
        help_text="Nightly comparisons in a row in which CleverTap counted fewer.",
    )
    compared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "day", "folded_name"], name="one_statement"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.day}"

    @property
    def difference(self) -> int | None:
        """Return by how much CleverTap counts more than we delivered; None: not compared.

        It is the sum of the causes' sizes and of what is unexplained.
        """
        return None if self.counted is None else self.counted - self.delivered

    @property
    def is_short(self) -> bool:
        """Return whether CleverTap lacks more than it may have refused."""
        difference = self.difference
        return difference is not None and difference < -self.maybe_fewer

    @property
    def is_within_doubt(self) -> bool:
        """Return whether what may have arrived more or less often is as much as differs."""
        difference = self.difference
        return difference is not None and (
            -self.maybe_fewer <= difference <= self.maybe_more
        )


class FirstSight(models.Model):
    """The first delivery of one event name to an account, and when CleverTap showed it."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="first_sights", db_index=False
    )
    folded_name = models.CharField(max_length=LONGEST_NAME)
    name = models.CharField(max_length=512, help_text="The name, as sent.")
    first_at = models.DateTimeField(help_text="When the first upload with it settled.")
    is_new = models.BooleanField(
        null=True,
        help_text="Whether the account's schema lacked the name when it was first asked; "
        "null: not asked yet.",
    )
    asked = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="When to ask next; null: no more."
    )
    delivered = models.BigIntegerField(
        default=0, help_text="On that day, when it was asked last."
    )
    counted = models.BigIntegerField(null=True, blank=True)
    shown_at = models.DateTimeField(
        null=True, blank=True, help_text="When CleverTap was first seen to show it."
    )
    cause = models.CharField(
        max_length=40, blank=True, help_text="The likeliest cause, once it is overdue."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "folded_name"], name="one_first_sight"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(next_at__isnull=False),
                name="first_sights_due",
            ),
        ]

    def __str__(self) -> str:
        return f"First {self.name}"
