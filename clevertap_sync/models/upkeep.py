"""Tallies by the hour, processes that were seen, durations, and the database's size."""

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


class ProcessSeen(models.Model):
    """A web process or a worker that was at work, and what it took. Each writes its own row."""

    class Kind(models.TextChoices):
        """What kind of process it is."""

        WEB = "web", "Web process"
        WORKER = "worker", "Worker"

    name = models.CharField(max_length=200, unique=True, help_text="Host and process.")
    kind = models.CharField(max_length=10, choices=Kind)
    release = models.CharField(
        max_length=100, blank=True, help_text="Empty where the process knows none."
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="By the database's clock.")
    clock_offset_seconds = models.FloatField(
        help_text="By how much its host's clock is ahead of the database's."
    )
    resident_bytes = models.BigIntegerField(help_text="Memory that it holds.")
    cpu_seconds = models.FloatField(help_text="CPU time since its start.")
    threads = models.IntegerField()
    open_files = models.IntegerField(null=True, help_text="Files and sockets.")

    class Meta:
        verbose_name_plural = "processes seen"

    def __str__(self) -> str:
        return self.name


class DurationCount(models.Model):
    """How many durations of a metric fell into one bucket, since the beginning.

    All processes add to the same rows, so that every web process tells the same
    histogram. A row counts its own bucket alone: Prometheus' buckets are sums of these.
    """

    metric = models.CharField(max_length=60)
    labels = models.CharField(
        max_length=300, help_text="A JSON object of texts, with sorted names."
    )
    le = models.CharField(
        max_length=10, help_text="Upper end of the bucket in seconds, or +Inf."
    )
    count = models.BigIntegerField()
    seconds = models.FloatField(help_text="The sum of these durations.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["metric", "labels", "le"], name="one_count_per_bucket"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.labels} up to {self.le}"


class DatabaseSample(models.Model):
    """How large the database was in one hour, and how many connections it had at most."""

    hour = models.DateTimeField(unique=True, help_text="When the hour began.")
    size_bytes = models.BigIntegerField(help_text="At the newest look of the hour.")
    free_bytes = models.BigIntegerField(
        null=True, help_text="Of its disk; only where the database is a file of ours."
    )
    connections = models.IntegerField(null=True, help_text="The most that were seen.")
    connection_limit = models.IntegerField(null=True)
    oldest_event_at = models.DateTimeField(
        null=True, help_text="When the oldest event that is kept was received."
    )

    class Meta:
        ordering = ["hour"]

    def __str__(self) -> str:
        return f"Database at {self.hour:%Y-%m-%d %H:00}"
