"""Alerts, their incidents and mutes, and the notices that they send."""

from django.db import models
from django.db.models import Q

from clevertap_sync.clevertap.limits import LIVE_HOURS
from referrals.encrypted_field import EncryptedField
from referrals.models import App


class AlertMedium(models.TextChoices):
    """How an alert reaches people."""

    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    WEBHOOK = "webhook", "Webhook"


class Heartbeat(models.TextChoices):
    """What a call of an alert's heartbeat address says."""

    WELL = "well", "All is well"
    FAIL = "fail", "Something is not well"


class Alert(models.Model):
    """A rule that says who is told, how, and about which findings.

    `alerting.thresholds` says which findings each threshold column decides about. If it
    is empty, or off, the alert does not tell them.
    """

    name = models.CharField(
        max_length=100, help_text="What people call it, such as Growth team on Slack."
    )
    app = models.ForeignKey(
        App,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="alerts",
        help_text="Empty: every app, those to come included.",
    )
    enabled = models.BooleanField(default=True)
    way = models.CharField(
        "how", max_length=10, choices=AlertMedium, default=AlertMedium.EMAIL
    )
    recipients = models.TextField(
        blank=True, help_text="For e-mail: the addresses, one a line."
    )
    url = EncryptedField("address", blank=True)
    signing_secret = EncryptedField(
        blank=True, help_text="What a webhook's messages are signed with."
    )
    held_minutes = models.PositiveSmallIntegerField(
        "minutes held",
        null=True,
        blank=True,
        default=5,
        help_text="Tell when a fault of the account, such as a refused passcode, has held "
        "delivery for so long. Empty: never.",
    )
    lag_minutes = models.PositiveSmallIntegerField(
        "minutes events wait",
        null=True,
        blank=True,
        default=30,
        help_text="Tell when the oldest event has waited for so long. Empty: never.",
    )
    dead_percent = models.PositiveSmallIntegerField(
        "percent not delivered",
        null=True,
        blank=True,
        default=5,
        help_text="Tell when so many of the latest records are dead letters, from five of "
        "them on. Empty: never.",
    )
    passcode_days = models.PositiveSmallIntegerField(
        "days to the end of a passcode or a key",
        null=True,
        blank=True,
        default=14,
        help_text="Tell so many days before a user passcode, or an API key that is in use, "
        "expires. Empty: never.",
    )
    refused_percent = models.PositiveSmallIntegerField(
        "percent refused at the door",
        null=True,
        blank=True,
        default=20,
        help_text="Tell when so large a share of what an app sends is refused. Empty: never.",
    )
    quiet_hours = models.PositiveSmallIntegerField(
        "hours without an event",
        null=True,
        blank=True,
        default=24,
        help_text="Tell when an app from which events are expected has sent none for so "
        "long. Empty: never.",
    )
    pause_hours = models.PositiveSmallIntegerField(
        "hours paused",
        null=True,
        blank=True,
        default=24,
        help_text="Remind when a person paused delivery and events have waited for so "
        "long. Empty: never.",
    )
    stale_percent = models.PositiveSmallIntegerField(
        "percent too late for campaigns",
        null=True,
        blank=True,
        default=50,
        help_text="Tell when so large a share of the newest events happened more than "
        f"{LIVE_HOURS} hours before they arrived. Empty: never.",
    )
    fewer_percent = models.PositiveSmallIntegerField(
        "percent fewer in CleverTap",
        null=True,
        blank=True,
        default=5,
        db_default=5,
        help_text="Tell when CleverTap counts fewer of an event than were delivered, by so "
        "much, two nights running. Empty: never.",
    )
    new_names = models.BooleanField(
        "a new custom name waits for approval", default=True
    )
    worker_gone = models.BooleanField(
        "no worker is at work",
        default=True,
        help_text="For two minutes. A web process sends it, since no worker can.",
    )
    failing_alerts = models.BooleanField(
        "another alert cannot be sent",
        default=True,
        help_text="Another alert of this app, or of any where this one is for every app.",
    )
    failing_sources = models.BooleanField(
        "a source fails or goes silent",
        default=True,
        db_default=True,
        help_text="Its calls fail their check, stay away though they used to come, or are "
        "all ignored, or events of it were lost or wait in the spool.",
    )
    other_errors = models.BooleanField(
        "every other error",
        default=True,
        help_text="Whatever keeps events from arriving and has no field of its own here.",
    )
    other_warnings = models.BooleanField(
        "every other warning",
        default=False,
        help_text="Such as that only test events arrive, or that event types run out.",
    )
    heartbeat_url = EncryptedField("heartbeat address", blank=True)
    heartbeat_minutes = models.PositiveSmallIntegerField(
        "minutes between heartbeats", default=1
    )
    heartbeat_fails = models.BooleanField(
        "say so when it is not well",
        default=False,
        help_text="Call the address with /fail behind it, as healthchecks.io has it. "
        "Off: the address is just not called.",
    )
    heartbeat_due_at = models.DateTimeField(null=True, editable=False)
    #: The call that is due now: none, that all is well, or that it is not.
    heartbeat_owed = models.CharField(
        max_length=4, blank=True, editable=False, choices=Heartbeat
    )
    heartbeat_at = models.DateTimeField(
        null=True, editable=False, help_text="When the last one got through."
    )
    heartbeat_problem = models.CharField(max_length=200, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Mute(models.Model):
    """Until an instant, an alert says nothing: about one code and subject, or at all."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="mutes")
    rule = models.CharField(
        max_length=40, blank=True, help_text="A finding's code. Empty: everything."
    )
    subject = models.CharField(max_length=40, blank=True)
    until = models.DateTimeField()
    by = models.CharField(max_length=150, help_text="Who asked for it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "rule", "subject"], name="one_mute_of_a_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.alert}: {self.rule or 'everything'} until {self.until:%Y-%m-%d %H:%M}"


class Incident(models.Model):
    """Something that an alert is about, from its start to its end.

    `alerting.watch` writes it. One is open at a time for an alert, a code and a subject,
    so that people are told once, however many workers look.
    """

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="incidents")
    rule = models.CharField(max_length=40, help_text="A finding's code.")
    subject = models.CharField(
        max_length=40, help_text="What it is about, such as integration:7."
    )
    started_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    clear_since = models.DateTimeField(
        null=True, help_text="Since when it looks as if it were over."
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "rule", "subject"],
                condition=Q(ended_at=None),
                name="one_open_incident",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"


class Notice(models.Model):
    """One message of an alert: that something started, goes on or ended, or a test."""

    class Moment(models.TextChoices):
        """What the message is about."""

        STARTED = "started", "Started"
        REMINDED = "reminded", "Goes on"
        ENDED = "ended", "Ended"
        TEST = "test", "Test"

    class State(models.TextChoices):
        """Whether the notice waits, was sent, or was given up."""

        PENDING = "pending", "Waits to be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Given up"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    incident = models.ForeignKey(
        Incident,
        null=True,
        on_delete=models.CASCADE,
        related_name="notices",
        help_text="Empty for a test.",
    )
    moment = models.CharField(max_length=8, choices=Moment)
    key = models.UUIDField(
        unique=True, help_text="By which a receiver knows a message that comes twice."
    )
    content = models.JSONField(help_text="What it says, as a webhook gets it.")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    problem = models.CharField(
        max_length=200, blank=True, help_text="Why the last attempt failed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "moment"],
                condition=Q(moment__in=["started", "ended"]),
                name="one_notice_per_moment",
            ),
        ]
        indexes = [
            # The sweep: which notices are due.
            models.Index(
                fields=["due_at"], condition=Q(state="pending"), name="due_notices"
            ),
        ]

    def __str__(self) -> str:
        return str(self.content.get("title", "Message"))


class LastLook(models.Model):
    """When a process last compared the findings with the incidents. One row."""

    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Looked at {self.looked_at:%Y-%m-%d %H:%M:%S}"
