# mypy: ignore-errors
"""An event, and in the outbox one row for each record that it makes."""

from django.db import models
from django.db.models import Q


class Event(models.Model):
    """What was sent. The key makes sending it again harmless."""

    key = models.CharField(max_length=200, unique=True)
    received_at = models.DateTimeField(auto_now_add=True)
    type = models.CharField(max_length=16)
    body = models.JSONField()

    class Meta:
        app_label = "peers"

    def __str__(self) -> str:
        return self.key


class Delivery(models.Model):
    """A record that has to reach CleverTap, ready as JSON."""

    class State(models.TextChoices):
        """What became of it."""

        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"

    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, db_constraint=False, db_index=False
    )
    record = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "peers"
        indexes = [
            models.Index(
                fields=["id"], condition=~Q(state="delivered"), name="undelivered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.state}"
