"""Composes messages: a finding's own words and a link; never an identity or a passcode."""

from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.urls import reverse

from clevertap_sync.alerting.subjects import KINDS_BY_CODE, AlertCase
from clevertap_sync.insight.links import build_address
from clevertap_sync.models import Alert, Incident, Notice
from referrals.words import format_span

#: A message names so many findings, and counts the others.
_MOST: Final = 5


def write_start_message(alert: Alert, case: AlertCase, now: datetime) -> dict[str, Any]:
    """Return the content of the message that an incident started."""
    return _of_case(alert, case, now, Notice.Moment.STARTED)


def write_reminder_message(
    alert: Alert, case: AlertCase, incident: Incident, now: datetime
) -> dict[str, Any]:
    """Return the content of the reminder that an incident goes on unacknowledged."""
    content = _of_case(alert, case, now, Notice.Moment.REMINDED)
    lasts = format_span((now - incident.started_at).total_seconds())
    return {
        **content,
        "title": f"{content['title']}, for {lasts} now",
        "text": f"{content['text']} This comes once a day until somebody acknowledges it.",
    }


def write_end_message(
    start: dict[str, Any], incident: Incident, now: datetime, *, excuse: str = ""
) -> dict[str, Any]:
    """Return the content of the message that an incident ended.

    `start` is the content of its first message. `excuse` says why the incident is over
    although its cause was not mended.
    """
    kind = KINDS_BY_CODE.get(incident.rule)
    over = excuse or (kind.ended if kind else "it is over")
    lasted = format_span((now - incident.started_at).total_seconds())
    why = f": {excuse}" if excuse else ""
    return {
        **start,
        "type": f"{incident.rule}.{Notice.Moment.ENDED.value}",
        "rule": incident.rule,
        "at": now.isoformat(timespec="seconds"),
        "title": f"{start['about']}: {over}",
        "text": f"This is over, after {lasted}{why}. There is nothing to do.",
    }


def write_test_message(alert: Alert, now: datetime) -> dict[str, Any]:
    """Return the content of a test message."""
    page = _page_of(alert)
    return {
        "type": Notice.Moment.TEST.value,
        "at": now.isoformat(timespec="seconds"),
        "app": alert.app.slug if alert.app else None,
        "integration": None,
        "rule": None,
        "about": str(alert),
        "title": f"Test of the alert {alert}",
        "text": "Somebody asked for this test. Alerts arrive here: nothing is wrong.",
        "url": page,
        "alert_url": page,
    }


def _of_case(
    alert: Alert, case: AlertCase, now: datetime, moment: Notice.Moment
) -> dict[str, Any]:
    kind, about = case.kind, case.first.about
    link = case.first.finding.link
    return {
        "type": f"{kind.code}.{moment.value}",
        "at": now.isoformat(timespec="seconds"),
        "app": case.app.slug if case.app else None,
        "integration": case.integration.name if case.integration else None,
        "rule": kind.code,
        "about": about,
        "title": f"{about}: {kind.started}",
        "text": _text_of(case),
        "url": build_address(link) if settings.PUBLIC_URL else "",
        "alert_url": _page_of(alert),
    }


def _text_of(case: AlertCase) -> str:
    """Return what is wrong and what to do; by subject where the findings differ."""
    texts: dict[tuple[str, str], list[str]] = {}
    for each in case.findings:
        finding = each.finding
        facts = each.facts
        # Facts of an app without an integration have an unsaved one: its app is named.
        is_of_one = facts is not None and facts.integration.pk is not None
        owner = str(facts.integration) if facts and is_of_one else each.about
        texts.setdefault((finding.sentence, finding.remedy), []).append(owner)
    if len(texts) == 1:
        ((sentence, remedy),) = texts
        return f"{sentence} {remedy}".strip()
    has_one_owner = len({owner for owners in texts.values() for owner in owners}) == 1
    parts = [
        f"{'' if has_one_owner else owners[0] + ': '}{sentence} {remedy}".strip()
        for (sentence, remedy), owners in list(texts.items())[:_MOST]
    ]
    left = len(texts) - _MOST
    return " ".join([*parts, *([f"And {left} more."] if left > 0 else [])])


def _page_of(alert: Alert) -> str:
    """Return the address of the page on which incidents are acknowledged and muted."""
    page = reverse("admin:clevertap_sync_alert_change", args=[alert.pk])
    return f"{settings.PUBLIC_URL}{page}" if settings.PUBLIC_URL else ""
