"""Records that wait: whom they wait for, until somebody is known by it."""

from django.db import models
from django.db.models import Q

from clevertap_sync.models.accounts import Integration
from clevertap_sync.models.uploads import DeadLetter
from referrals.models import App


class WaitingRecord(models.Model):
    """One identity by which the person of a waiting record may become known.

    A record has a row for each of its IDs that come before sign-up; they go with its dead
    letter's waiting. A record whose referrer is `"last"` has one row: without a `hash` until
    it is decided whose identity that is.
    """

    app = models.ForeignKey(
        App, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    letter = models.ForeignKey(
        DeadLetter, on_delete=models.DO_NOTHING, related_name="waits"
    )
    pick = models.BigIntegerField(help_text="The record, as in `Upload.picks`.")
    test = models.BooleanField(default=False)
    hash = models.UUIDField(
        null=True, help_text="Keyed hash of the identity that it waits for."
    )
    fresh = models.BooleanField(
        default=True, help_text="Whether no step has looked for it yet."
    )
    matched = models.UUIDField(
        null=True,
        help_text="Keyed hash of the identity that it goes out under: somebody is known.",
    )
    since = models.DateTimeField(help_text="When it began to wait.")

    class Meta:
        indexes = [
            # A step: who waits for whom.
            models.Index(
                fields=["app", "hash"],
                condition=Q(hash__isnull=False),
                name="waiting_for_identity",
            ),
            # A step: who waits for the referrer of an event that it has decided.
            models.Index(
                fields=["app", "pick"],
                condition=Q(hash=None),
                name="waiting_for_referrer",
            ),
            models.Index(
                fields=["app", "pick"],
                condition=Q(fresh=True),
                name="fresh_waiting_records",
            ),
            # The claim: what may go.
            models.Index(
                fields=["integration", "pick"],
                condition=Q(matched__isnull=False),
                name="matched_records",
            ),
            # The sweep: what has waited long enough.
            models.Index(
                fields=["since"],
                condition=Q(matched=None),
                name="waiting_by_age",
            ),
        ]

    def __str__(self) -> str:
        return f"Waiting record {self.pick}"


class WaitingLookup(models.Model):
    """By which identity provider an integration's waiting records were looked up.

    Where that is no longer the integration's, all of them are looked up anew.
    """

    integration = models.OneToOneField(
        Integration, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    provider = models.CharField(
        max_length=300,
        help_text="The identity provider, its case folded: up to three times as long.",
    )
    marked_to = models.BigIntegerField(
        null=True,
        help_text="While they are looked up anew: the last waiting record, by ID, that "
        "was marked for it.",
    )

    def __str__(self) -> str:
        return f"Looked up by {self.provider}"
