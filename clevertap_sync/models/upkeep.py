"""Tallies by the hour, and the workers that were seen."""

from typing import Final

from django.db import models

from clevertap_sync.models.accounts import Integration


class Tally(models.Model):
    """The sums of an integration's uploads that settled in one hour. `tallies` writes it.

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
    """A worker that was at work. `worker_presence` writes it with every sweep."""

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
