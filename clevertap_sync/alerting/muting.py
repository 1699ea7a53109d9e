"""What people do about an alert: acknowledge an incident, mute until an instant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from clevertap_sync.models import Alert, Incident, Mute
from clevertap_sync.process import clock
from referrals import history
from referrals.words import format_utc

#: The lengths of a mute, each with its label on the page.
SPANS: Final = {
    "hour": ("1 hour", timedelta(hours=1)),
    "day": ("1 day", timedelta(days=1)),
    "week": ("1 week", timedelta(weeks=1)),
}
#: The code and the subject of a mute of everything.
EVERYTHING: Final = ("", "")


@dataclass(frozen=True, slots=True)
class Mutes:
    """All mutes that are in force: until when, by alert, code and subject."""

    until: Mapping[tuple[int, str, str], datetime]

    def covers(self, alert: Alert, key: tuple[str, str]) -> bool:
        """Return whether the alert is muted for this code and subject."""
        return any((alert.pk, *each) in self.until for each in (key, EVERYTHING))


def read_mutes(now: datetime) -> Mutes:
    """Return the mutes in force, and delete those that are over."""
    Mute.objects.filter(until__lte=now).delete()
    rows = Mute.objects.values_list("alert", "rule", "subject", "until")
    return Mutes(
        {(alert, rule, subject): until for alert, rule, subject, until in rows}
    )


def acknowledge_incident(incident: Incident, username: str) -> bool:
    """Note that a person knows of the incident; False if one did before, or it ended."""
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
    """Mute the whole alert for `length`."""
    return _mute(alert, EVERYTHING, length, username)


def mute_incident(incident: Incident, length: timedelta, username: str) -> Mute:
    """Mute the alert for `length` for the incident's code and subject."""
    return _mute(incident.alert, (incident.rule, incident.subject), length, username)


def end_mute(mute: Mute, username: str) -> None:
    """End a mute: the next look tells what is still there."""
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
