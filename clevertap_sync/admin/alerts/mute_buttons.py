"""The buttons of an alert's page: acknowledge, mute, unmute."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from clevertap_sync.alerting import muting
from clevertap_sync.alerting.subjects import KINDS_BY_CODE
from clevertap_sync.models import Alert, Incident, Integration, Mute, Notice
from clevertap_sync.process import clock
from referrals.models import App


class MuteButtons:
    """The views behind these buttons, as a part of `AlertAdmin`."""

    def describe_mutes(self, alert: Alert) -> dict[str, Any]:
        """Return the context for the page: the mutes, and the lengths to choose from."""
        mutes = alert.mutes.filter(until__gt=clock.read_now()).order_by(
            "rule", "subject"
        )
        rows = [(mute, _describe_mute(mute)) for mute in mutes]
        return {
            "mutes": rows,
            "is_muted": any(not mute.rule for mute, _ in rows),
            "spans": [(name, label) for name, (label, _) in muting.SPANS.items()],
        }

    def acknowledge(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        """Note that the person knows of an incident."""
        incident = _chosen_incident(request, alert)
        if muting.acknowledge_incident(incident, request.user.get_username()):
            text = "Acknowledged. You are told when it is over, and not before."
            messages.success(request, text)
        else:
            messages.info(request, "Somebody did so before, or it is over already.")
        return _back_to(alert)

    def mute(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        """Mute the incident that was chosen, or the whole alert."""
        _, length = muting.SPANS.get(request.POST.get("for", ""), muting.SPANS["hour"])
        username = request.user.get_username()
        if request.POST.get("incident"):
            muting.mute_incident(_chosen_incident(request, alert), length, username)
        else:
            muting.mute_alert(alert, length, username)
        messages.success(request, "Muted. What is still there afterwards is told then.")
        return _back_to(alert)

    def unmute(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        """End a mute."""
        mute = get_object_or_404(alert.mutes, pk=_number(request, "mute"))
        muting.end_mute(mute, request.user.get_username())
        messages.success(request, "Unmuted.")
        return _back_to(alert)


def list_open_incidents(alert: Alert) -> list[tuple[Incident, str]]:
    """Return the open incidents, each with the title of its first message."""
    started = Notice.objects.filter(
        incident__alert=alert,
        incident__ended_at=None,
        moment=Notice.Moment.STARTED,
    )
    rows = started.select_related("incident").order_by("incident")
    return [(each.incident, str(each)) for each in rows if each.incident]


def _describe_mute(mute: Mute) -> str:
    """Return in words what is muted."""
    if not mute.rule:
        return "Everything"
    name, _, number = mute.subject.partition(":")
    tables: dict[str, Any] = {
        "integration": Integration.objects.select_related("app", "account"),
        "app": App.objects.all(),
        "alert": Alert.objects.all(),
    }
    row = tables[name].filter(pk=number).first() if name in tables else None
    kind = KINDS_BY_CODE.get(mute.rule)
    return f"{row or 'This installation'}: {kind.started if kind else mute.rule}"


def _chosen_incident(request: HttpRequest, alert: Alert) -> Incident:
    open_ones = alert.incidents.filter(ended_at=None).select_related("alert__app")
    return get_object_or_404(open_ones, pk=_number(request, "incident"))


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0  # noqa: PLR2004 - a primary key has no more digits


def _back_to(alert: Alert) -> HttpResponse:
    return redirect("admin:clevertap_sync_alert_change", alert.pk)
