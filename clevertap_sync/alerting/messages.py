"""What a message says: plain words and a link; never an identity, never a passcode."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from clevertap_sync.alerting.findings import Finding
from clevertap_sync.models import Alert, Incident, Notice, Rule
from referrals.words import span

_STARTED = {
    Rule.HELD: "delivery is held",
    Rule.LAG: "events wait",
    Rule.DEAD_LETTERS: "records are not delivered",
    Rule.PASSCODE: "the passcode expires soon",
    Rule.NEW_NAME: "a new custom name waits for approval",
}
_ENDED = {
    Rule.HELD: "delivery goes on",
    Rule.LAG: "events are delivered in time again",
    Rule.DEAD_LETTERS: "records are delivered again",
    Rule.PASSCODE: "the passcode is good for longer again",
    Rule.NEW_NAME: "no custom name waits any more",
}


def started(finding: Finding, now: datetime) -> dict[str, Any]:
    """Return what is said when something starts."""
    return {
        "type": f"{finding.rule}.started",
        "at": now.isoformat(timespec="seconds"),
        "app": finding.app.slug,
        "integration": finding.integration.name if finding.integration else None,
        "rule": str(finding.rule),
        "about": finding.about,
        "title": f"{finding.about}: {_STARTED[finding.rule]}",
        "text": finding.text,
        "url": _link(finding),
    }


def ended(start: dict[str, Any], incident: Incident, now: datetime) -> dict[str, Any]:
    """Return what is said when it is over, from what was said when it started."""
    rule = Rule(incident.rule)
    lasted = span((now - incident.started_at).total_seconds())
    return {
        **start,
        "type": f"{rule}.ended",
        "at": now.isoformat(timespec="seconds"),
        "title": f"{start['about']}: {_ENDED[rule]}",
        "text": f"This is over, after {lasted}. There is nothing to do.",
    }


def a_test(alert: Alert, now: datetime) -> dict[str, Any]:
    """Return what a test message says."""
    return {
        "type": Notice.Moment.TEST.value,
        "at": now.isoformat(timespec="seconds"),
        "app": alert.app.slug if alert.app else None,
        "integration": None,
        "rule": None,
        "about": str(alert),
        "title": f"Test of the alert {alert}",
        "text": "Somebody asked for this test. Alerts arrive here: nothing is wrong.",
        "url": _absolute(reverse("admin:clevertap_sync_alert_change", args=[alert.pk])),
    }


def _link(finding: Finding) -> str:
    match finding.rule:
        case Rule.DEAD_LETTERS:
            return _absolute(reverse("admin:problems"))
        case Rule.NEW_NAME:
            names = reverse("admin:referrals_customname_changelist")
            return _absolute(f"{names}?app__id__exact={finding.app.pk}")
        case Rule.LAG:
            return _absolute(reverse("admin:index"))
    integration = finding.integration
    page = "admin:clevertap_sync_integration_change"
    return _absolute(reverse(page, args=[integration.pk])) if integration else ""


def _absolute(path: str) -> str:
    """Return the address by which people reach the page; nothing where nobody said it."""
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else ""
