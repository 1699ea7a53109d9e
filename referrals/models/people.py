"""People who are not to be sent, and orders to erase them."""

from django.db import models

from referrals.models.apps import App


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
