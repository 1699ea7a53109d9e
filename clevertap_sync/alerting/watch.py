"""Looks at everything every half minute, and writes down what started and what ended."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from clevertap_sync import clock
from clevertap_sync.alerting import messages
from clevertap_sync.alerting.findings import (
    Finding,
    found,
    standings,
    waiting_names,
)
from clevertap_sync.models import Alert, Incident, LastLook, Notice

EVERY: Final = timedelta(seconds=30)
#: What comes and goes is one incident: it is over when it has been for so long.
QUIET: Final = timedelta(minutes=2)
_THE_ROW: Final = 1


def watch(now: datetime | None = None) -> bool:
    """Look, unless a worker did so less than half a minute ago. Return whether it looked."""
    now = now or clock.now()
    alerts = list(Alert.objects.filter(enabled=True).select_related("app"))
    if not alerts and not Incident.objects.filter(ended_at=None).exists():
        return False
    if not _claim(now):
        return False
    stood, names = standings(now), waiting_names()
    for alert in alerts:
        wrong = {each.key: each for each in found(alert, stood, names)}
        _compare(alert, wrong, now)
    _forget_the_disabled(now)
    return True


def _claim(now: datetime) -> bool:
    """Take the turn, by compare-and-set: of workers that look at once, one does."""
    turn = LastLook.objects.filter(pk=_THE_ROW, looked_at__lte=now - EVERY)
    if turn.update(looked_at=now):
        return True
    if LastLook.objects.filter(pk=_THE_ROW).exists():
        return False
    # Two that find no row at all both look: an incident is unique whoever writes it.
    LastLook.objects.bulk_create(
        [LastLook(pk=_THE_ROW, looked_at=now)], ignore_conflicts=True
    )
    return True


def _compare(
    alert: Alert, wrong: dict[tuple[str, str], Finding], now: datetime
) -> None:
    still_open = {
        (incident.rule, incident.subject): incident
        for incident in alert.incidents.filter(ended_at=None)
    }
    for key, finding in wrong.items():
        if key not in still_open:
            _start(alert, finding, now)
        elif still_open[key].clear_since is not None:
            Incident.objects.filter(pk=still_open[key].pk).update(clear_since=None)
    for key, incident in still_open.items():
        if key not in wrong:
            _settle_down(alert, incident, now)


def _start(alert: Alert, finding: Finding, now: datetime) -> None:
    with transaction.atomic():
        incident, created = Incident.objects.get_or_create(
            alert=alert,
            rule=finding.rule,
            subject=finding.subject,
            ended_at=None,
            defaults={"started_at": now},
        )
        if created:
            content = messages.started(finding, now)
            _tell(alert, incident, Notice.Moment.STARTED, content, now)


def _settle_down(alert: Alert, incident: Incident, now: datetime) -> None:
    """End what has been over for a while; remember since when the rest looks over."""
    this = Incident.objects.filter(pk=incident.pk, ended_at=None)
    if incident.clear_since is None:
        this.update(clear_since=now)
    elif now - incident.clear_since >= QUIET:
        with transaction.atomic():
            if this.update(ended_at=now):
                start = incident.notices.get(moment=Notice.Moment.STARTED).content
                content = messages.ended(start, incident, now)
                _tell(alert, incident, Notice.Moment.ENDED, content, now)


def _tell(
    alert: Alert,
    incident: Incident,
    moment: Notice.Moment,
    content: dict[str, Any],
    now: datetime,
) -> None:
    Notice.objects.create(
        alert=alert,
        incident=incident,
        moment=moment,
        key=uuid.uuid4(),
        content=content,
        created_at=now,
        due_at=now,
    )


def _forget_the_disabled(now: datetime) -> None:
    """End the incidents of alerts that a person switched off, and say nothing of it."""
    Incident.objects.filter(ended_at=None, alert__enabled=False).update(ended_at=now)
