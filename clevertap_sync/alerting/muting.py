"""Acknowledges what is open, and keeps an alert quiet until a time. People do both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from clevertap_sync.models import Alert, Incident, Mute
from clevertap_sync.process import clock
from referrals import history
from referrals.words import format_utc

#: For how long something can be muted, and how a person is offered it.
SPANS: Final = {
    "hour": ("1 hour", timedelta(hours=1)),
    "day": ("1 day", timedelta(days=1)),
    "week": ("1 week", timedelta(weeks=1)),
}
#: The code and the subject of a mute of everything.
EVERYTHING: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Mutes:
    """What is muted now, of all alerts: until when, by alert, code and subject."""

    until: Mapping[tuple[int, str, str], datetime]

    def covers(self, alert: Alert, key: tuple[str, str]) -> bool:
        """Return whether the alert says nothing of what has this code and subject."""
        return any((alert.pk, *each) in self.until for each in (key, EVERYTHING))


def read_mutes(now: datetime) -> Mutes:
    """Return what is muted, and forget what no longer is."""
    Mute.objects.filter(until__lte=now).delete()
    rows = Mute.objects.values_list("alert", "rule", "subject", "until")
    return Mutes(
        {(alert, rule, subject): until for alert, rule, subject, until in rows}
    )


def acknowledge_incident(incident: Incident, username: str) -> bool:
    """Say that a person knows of it. Return whether nobody had said so before."""
    unseen = Incident.objects.filter(
        pk=incident.pk, acknowledged_at=None, ended_at=None
    )
    with transaction.atomic():
        if not unseen.update(
            acknowledged_at=clock.read_now(), acknowledged_by=username[:150]
        ):
            return False
        _record(incident.alert, username, f"Acknowledged: {incident}.")
    return True


def mute_alert(alert: Alert, length: timedelta, username: str) -> Mute:
    """Let the alert say nothing at all for so long."""
    return _mute(alert, EVERYTHING, length, username)


def mute_incident(incident: Incident, length: timedelta, username: str) -> Mute:
    """Let the alert say nothing for so long of what the incident is about."""
    return _mute(incident.alert, (incident.rule, incident.subject), length, username)


def end_mute(mute: Mute, username: str) -> None:
    """Let the alert speak again: of what is still there, at the next look."""
    with transaction.atomic():
        mute.delete()
        _record(mute.alert, username, f"Unmuted: {_describe_mute(mute)}.")


def _mute(alert: Alert, key: tuple[str, str], length: timedelta, username: str) -> Mute:
    rule, subject = key
    with transaction.atomic():
        mute, _ = Mute.objects.update_or_create(
            alert=alert,
            rule=rule,
            subject=subject,
            defaults={"until": clock.read_now() + length, "by": username[:150]},
        )
        _record(
            alert,
            username,
            f"Muted until {format_utc(mute.until)}: {_describe_mute(mute)}.",
        )
    return mute


def _describe_mute(mute: Mute) -> str:
    return f"{mute.rule}: {mute.subject}" if mute.rule else "everything"


def _record(alert: Alert, username: str, what: str) -> None:
    history.record_change(username, alert, what, app=alert.app)
