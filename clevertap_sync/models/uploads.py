"""Uploads, their attempts, the dead letters that fell out of them, and replays."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from clevertap_sync.models.accounts import Integration


class Replay(models.Model):
    """An order to send a range, or dead letters, again. It has its own cursor.

    A person gives it, but for the one of kind `people` that an integration may have: it
    sends what waited for a person, and runs whenever somebody became known.
    """

    class State(models.TextChoices):
        """A replay runs until its work is handed to uploads, or a person cancels it."""

        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"

    class Kind(models.TextChoices):
        """Who ordered it: a person, or the people who became known."""

        ORDER = "order"
        PEOPLE = "people"

    kind = models.CharField(
        max_length=6, choices=Kind, default=Kind.ORDER, db_default=Kind.ORDER
    )
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

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["integration"],
                condition=Q(kind="people"),
                name="one_replay_of_people",
            ),
        ]
        indexes = [
            # The claim: whether one runs, of however many that are done.
            models.Index(
                fields=["integration"],
                condition=Q(state="running"),
                name="running_replays",
            ),
        ]

    def __str__(self) -> str:
        return f"Replay {self.pk}"


class UploadQuerySet(models.QuerySet["Upload"]):
    """Uploads by what may be done with them."""

    def open(self) -> Self:
        """Return the uploads whose records wait for a verdict."""
        return self.filter(state=Upload.State.OPEN)

    def leaves(self) -> Self:
        """Return the uploads that were not split."""
        return self.filter(state=Upload.State.SETTLED)

    def ranges(self) -> Self:
        """Return the uploads that moved the integration's cursor."""
        return self.filter(replay=None, parent=None)

    def waiting_records(self) -> int:
        """Count the records of open uploads; where none are mapped yet, their events."""
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
        """Whether the upload waits, is settled, was split or is skipped."""

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
    identities = models.JSONField(
        null=True,
        blank=True,
        help_text="Of records that waited: pick → keyed hash of the identity that it goes "
        "out under, whatever was learned since.",
    )
    known_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Of records that waited, where they go out under the time at which the "
        "person became known: that.",
    )
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
    waiting = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Records that wait for a person to be known, when it settled.",
    )
    unsent = models.PositiveIntegerField(
        default=0,
        help_text="Records that the settings keep back; not among its records.",
    )
    shortened = models.PositiveIntegerField(
        default=0, help_text="Texts that were shortened."
    )

    counts = models.JSONField(
        null=True,
        blank=True,
        help_text="What it delivered, where the integration compares with CleverTap: "
        "[[name, quarter, delivered, maybe more, maybe fewer], …].",
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
            # The claim: what is open, from `delivery.sql.open_floor` on.
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
    unknown_cause = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="Why nobody knows its outcome: a code of `unknown_causes`.",
    )
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
            # The status: attempts whose answer never came, those of the last days by cause.
            models.Index(
                fields=["integration", "began_at"],
                condition=Q(outcome_unknown=True),
                name="unknown_attempts",
            ),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.pk}: {self.outcome or 'begun'}"


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    """Dead letters by what a person may do with them."""

    def open(self) -> Self:
        """Return the dead letters that are in no replay."""
        return self.filter(state=DeadLetter.State.OPEN)


class DeadLetter(models.Model):
    """A record that was not delivered, with a reason.

    Only a person revives it, unless it waits for a person to be known. It names the event
    by position and keeps no identity of its own.
    """

    class State(models.TextChoices):
        """Whether it is open, waits for a person, waited in vain, is in a replay, or delivered."""

        OPEN = "open"
        WAITING = "waiting"
        EXPIRED = "expired"
        REPLAYING = "replaying"
        DELIVERED = "delivered"

    class Found(models.TextChoices):
        """Whether a record whose outcome is unknown was found in CleverTap's counts."""

        FOUND = "found"
        NOT_FOUND = "not_found"
        UNCLEAR = "unclear"

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
    linked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the person became known for whom it waited.",
    )
    linked_by = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The position of the event that said who the person is.",
    )
    found = models.CharField(
        max_length=9,
        choices=Found,
        blank=True,
        db_default="",
        help_text="Of one whose outcome is unknown: what CleverTap's counts say of it.",
    )
    found_at = models.DateTimeField(null=True, blank=True)
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
            # Reconciliation: what is not looked up in CleverTap's counts yet.
            models.Index(
                fields=["integration", "changed_at"],
                condition=Q(state="open", reason="outcome_unknown", found=""),
                name="letters_to_look_up",
            ),
            # The list of one integration, newest first.
            models.Index(fields=["integration", "-id"], name="newest_dead_letters"),
            # The status: what waits, since when.
            models.Index(
                fields=["integration", "reason", "created_at"],
                condition=Q(state="waiting"),
                name="waiting_dead_letters",
            ),
            # The status: what waited in vain, and what arrived late, lately.
            models.Index(
                fields=["integration", "changed_at"],
                condition=Q(state="expired"),
                name="expired_dead_letters",
            ),
            models.Index(
                fields=["integration", "linked_at"],
                condition=Q(linked_at__isnull=False),
                name="linked_dead_letters",
            ),
            # The page of an event: which records waited for what it says.
            models.Index(
                fields=["integration", "linked_by"],
                condition=Q(linked_by__isnull=False),
                name="dead_letters_by_link",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} at {self.position}"
