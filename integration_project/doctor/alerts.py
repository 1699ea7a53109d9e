"""Alerts: whether anybody is told, and whether what is told can leave."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db.models import Max

from clevertap_sync.alerting.notifiers import NO_MAIL
from clevertap_sync.insight.findings import Link
from clevertap_sync.models import Alert, AlertMedium, Mute, Notice
from clevertap_sync.process import clock
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_count, format_span, format_utc

#: A notice is sent seconds after it is due: later means that nobody sends.
LATE: Final = timedelta(minutes=5)
_LIST: Final = Link("See the alerts", "clevertap_sync_alert_changelist")

_check = partial(Check, area=Area.ALERTS)


def examine_alerts() -> Iterator[Check]:
    """Yield who is told. Alerts that fail are findings, which `delivery` reads."""
    now = clock.read_now()
    alerts = list(Alert.objects.filter(enabled=True))
    if not alerts:
        yield _check(
            code="no_alert",
            state=State.INFO,
            sentence="No alert is set up: nobody is told when events stop arriving.",
            remedy="Make an alert, or watch the metrics with a system of yours.",
            link=Link("Make an alert", "clevertap_sync_alert_add"),
        )
        return
    yield _describe_alerts(alerts, now)
    yield from judge_mail(alerts)
    yield from judge_heartbeats(alerts)
    yield from _find_late_notices(now)
    yield from _find_mutes(now)


def judge_mail(alerts: Sequence[Alert]) -> Iterator[Check]:
    """Yield it where alerts go by e-mail, and none can be sent."""
    count = sum(alert.way == AlertMedium.EMAIL for alert in alerts)
    if count and settings.EMAIL_BACKEND == NO_MAIL:
        yield _check(
            code="mail_unset",
            state=State.ERROR,
            sentence=f"{format_count(count, 'alert')} by e-mail, and EMAIL_URL is not set: "
            "nothing is sent.",
            remedy="Set EMAIL_URL, or let the alert go another way.",
            link=_LIST,
            values={"alerts": count},
        )


def judge_heartbeats(alerts: Sequence[Alert]) -> Iterator[Check]:
    """Yield each alert whose last heartbeat got no answer."""
    for alert in alerts:
        if alert.heartbeat_problem:
            yield _check(
                code="heartbeat_failing",
                state=State.WARNING,
                sentence=f"The heartbeat of the alert {alert.name} got no good answer: "
                f"{alert.heartbeat_problem}.",
                remedy="Correct its address.",
                link=Link("Open the alert", "clevertap_sync_alert_change", (alert.pk,)),
            )


def _describe_alerts(alerts: Sequence[Alert], now: datetime) -> Check:
    sent_at = Notice.objects.filter(state=Notice.State.SENT).aggregate(
        at=Max("sent_at")
    )["at"]
    ago = (now - sent_at).total_seconds() if sent_at else None
    last = "none has told anything yet" if ago is None else ""
    return _check(
        code="alerts",
        state=State.OK,
        sentence=f"{format_count(len(alerts), 'alert')} enabled; "
        f"{last or f'the last message was sent {format_span(ago or 0)} ago'}.",
        link=_LIST,
        values={"alerts": len(alerts), "last_sent_seconds_ago": ago},
    )


def _find_late_notices(now: datetime) -> Iterator[Check]:
    late = Notice.objects.filter(state=Notice.State.PENDING, due_at__lt=now - LATE)
    if count := late.count():
        yield _check(
            code="notices_late",
            state=State.ERROR,
            sentence=f"{format_count(count, 'message')} of alerts should have been sent "
            f"{format_span(LATE.total_seconds())} ago or earlier, and nobody sends them.",
            remedy="Start a worker; if one is at work, its log has the reason.",
            link=_LIST,
            values={"messages": count},
        )


def _find_mutes(now: datetime) -> Iterator[Check]:
    mutes = Mute.objects.filter(until__gt=now, alert__enabled=True)
    for mute in mutes.select_related("alert").order_by("alert__name", "pk"):
        yield _check(
            code="alert_muted",
            state=State.INFO,
            sentence=f"The alert {mute.alert.name} says nothing about "
            f"{mute.rule or 'anything'} until {format_utc(mute.until)}.",
            link=Link(
                "Open the alert", "clevertap_sync_alert_change", (mute.alert.pk,)
            ),
        )
