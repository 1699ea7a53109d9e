"""What came in, counted; and what was refused at the door."""

from django.db import models

from referrals.models.apps import App


class RejectedEvent(models.Model):
    """An event of the Celery task or a source that was refused. A capped list for each app."""

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="rejected_events"
    )
    source = models.CharField(
        max_length=30,
        help_text="Where it came from: 'celery', or the source's name then.",
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
        max_length=20,
        help_text="The first characters of the API key, or task, import, python, admin "
        "or other, or source and its number. Empty where none was shown, and in an app's "
        "totals.",
    )
    outcome = models.CharField(
        max_length=12,
        help_text="accepted, duplicate, conflict, rejected or unauthorised; of a source "
        "also what `counter.IngestOutcome` has for it.",
    )
    code = models.CharField(
        max_length=255,
        help_text="Why it was refused or ignored; of a source also the identity provider, or "
        "what the platform calls an event. Else empty.",
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
    way = models.CharField(max_length=20)
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
