"""Compares findings with open incidents each half minute; starts, reminds and ends."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from clevertap_sync.alerting import heartbeats, messages, muting
from clevertap_sync.alerting.subjects import (
    KINDS_BY_CODE,
    AlertCase,
    AlertView,
    CaseKey,
    is_of_family,
    list_cases,
    read_alert_view,
)
from clevertap_sync.insight.findings import Severity
from clevertap_sync.models import Alert, Incident, LastLook, Notice
from clevertap_sync.process import clock

EVERY: Final = timedelta(seconds=30)
#: An incident ends once its finding has been away for so long, so that one which comes
#: and goes stays one incident.
QUIET: Final = timedelta(minutes=2)
#: An error that no person acknowledges is told again.
REMIND_EVERY: Final = timedelta(days=1)
_THE_ROW: Final = 1
#: In SQL: whether there are alerts or incidents, and nobody has looked since `last_turn`.
IS_DUE: Final = f"""
    (EXISTS (SELECT 1 FROM clevertap_sync_alert WHERE enabled)
        OR EXISTS (SELECT 1 FROM clevertap_sync_incident WHERE ended_at IS NULL))
    AND NOT EXISTS (SELECT 1 FROM clevertap_sync_lastlook
        WHERE id = {_THE_ROW} AND looked_at > {{last_turn}})
"""  # noqa: S608 - our own number


def update_incidents(now: datetime | None = None) -> bool:
    """Update all incidents, unless a process did so less than half a minute ago.

    Return whether it did.
    """
    now = now or clock.read_now()
    alerts = list(Alert.objects.filter(enabled=True).select_related("app"))
    if not alerts and not Incident.objects.filter(ended_at=None).exists():
        return False
    if not _claim_turn(now):
        return False
    view = read_alert_view(alerts, now)
    muted = muting.read_mutes(now)
    for alert in alerts:
        _compare(alert, view, muted, now)
        heartbeats.schedule_heartbeat(alert, is_well=view.is_well(alert), now=now)
    # A person switched these alerts off: their incidents end without a message.
    Incident.objects.filter(ended_at=None, alert__enabled=False).update(ended_at=now)
    return True


def _claim_turn(now: datetime) -> bool:
    """Take the turn by compare-and-set, so that one process of several looks."""
    turn = LastLook.objects.filter(pk=_THE_ROW, looked_at__lte=now - EVERY)
    if turn.update(looked_at=now):
        return True
    if LastLook.objects.filter(pk=_THE_ROW).exists():
        return False
    # Without a row, two processes may both look: an incident is unique all the same.
    LastLook.objects.bulk_create(
        [LastLook(pk=_THE_ROW, looked_at=now)], ignore_conflicts=True
    )
    return True


def _compare(alert: Alert, view: AlertView, muted: muting.Mutes, now: datetime) -> None:
    cases = list_cases(alert, view)
    still_open = {
        (incident.rule, incident.subject): incident
        for incident in alert.incidents.filter(ended_at=None).order_by("pk")
    }
    for key, case in cases.items():
        is_muted = muted.covers(alert, key)
        if key in still_open:
            _remind(alert, still_open[key], case, now, is_muted=is_muted)
        elif not is_muted:
            # A muted case starts its incident when the mute is over, if it is still there.
            _start_incident(alert, case, now)
    for key, incident in still_open.items():
        if key in cases:
            continue
        if _has_another_cause(key, cases):
            _reopen(incident)
        else:
            tells = not muted.covers(alert, key)
            _end_when_quiet(incident, view.find_excuse(key), now, tells=tells)


def _start_incident(alert: Alert, case: AlertCase, now: datetime) -> None:
    code, subject = case.first.key
    with transaction.atomic():
        incident, created = Incident.objects.get_or_create(
            alert=alert,
            rule=code,
            subject=subject,
            ended_at=None,
            defaults={"started_at": now},
        )
        if created:
            content = messages.write_start_message(alert, case, now)
            _write_notice(incident, Notice.Moment.STARTED, content, now)


def _remind(
    alert: Alert, incident: Incident, case: AlertCase, now: datetime, *, is_muted: bool
) -> None:
    """Remind of an error that no person acknowledged; a warning is told only once."""
    _reopen(incident)
    told_at = incident.reminded_at or incident.started_at
    is_error = case.kind.severity is Severity.ERROR
    if is_muted or not is_error or now - told_at < REMIND_EVERY:
        return
    unacknowledged = Incident.objects.filter(
        pk=incident.pk,
        ended_at=None,
        acknowledged_at=None,
        reminded_at=incident.reminded_at,
    )
    with transaction.atomic():
        if unacknowledged.update(reminded_at=now):
            content = messages.write_reminder_message(alert, case, incident, now)
            _write_notice(incident, Notice.Moment.REMINDED, content, now)


def _reopen(incident: Incident) -> None:
    if incident.clear_since is not None:
        Incident.objects.filter(pk=incident.pk).update(clear_since=None)


def _has_another_cause(key: CaseKey, cases: Collection[CaseKey]) -> bool:
    """Return whether a case of the same family is still there for this subject."""
    code, subject = key
    return any(
        other == subject and is_of_family(KINDS_BY_CODE[cause], KINDS_BY_CODE.get(code))
        for cause, other in cases
    )


def _end_when_quiet(
    incident: Incident, excuse: str, now: datetime, *, tells: bool
) -> None:
    """End an incident whose finding has been away for a while; else note since when."""
    this = Incident.objects.filter(pk=incident.pk, ended_at=None)
    if incident.clear_since is None:
        this.update(clear_since=now)
    elif now - incident.clear_since >= QUIET:
        with transaction.atomic():
            if (
                this.update(ended_at=now)
                and tells
                and not _is_told_by_another(incident)
            ):
                start = incident.notices.get(moment=Notice.Moment.STARTED).content
                content = messages.write_end_message(
                    start, incident, now, excuse=excuse
                )
                _write_notice(incident, Notice.Moment.ENDED, content, now)


def _is_told_by_another(incident: Incident) -> bool:
    """Return whether a later incident of the same family is open: its end is told."""
    kind = KINDS_BY_CODE.get(incident.rule)
    later = Incident.objects.filter(
        alert=incident.alert_id,
        subject=incident.subject,
        ended_at=None,
        pk__gt=incident.pk,
    )
    causes = (KINDS_BY_CODE.get(rule) for rule in later.values_list("rule", flat=True))
    return any(cause is not None and is_of_family(cause, kind) for cause in causes)


def _write_notice(
    incident: Incident, moment: Notice.Moment, content: dict[str, Any], now: datetime
) -> None:
    Notice.objects.create(
        alert_id=incident.alert_id,
        incident=incident,
        moment=moment,
        key=uuid.uuid4(),
        content=content,
        created_at=now,
        due_at=now,
    )
