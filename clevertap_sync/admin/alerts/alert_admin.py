"""Alerts: their list and page, and whether their messages get through."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, ForeignKey, Model, OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from clevertap_sync.admin.alerts.alert_form import (
    HEARTBEAT_FIELDS,
    THRESHOLD_FIELDS,
    AlertForm,
    mask_address,
)
from clevertap_sync.admin.alerts.mute_buttons import MuteButtons, list_open_incidents
from clevertap_sync.alerting import notices, notifiers
from clevertap_sync.insight.installation_facts import find_given_up_alerts
from clevertap_sync.models import Alert, AlertMedium, Mute, Notice
from referrals import access, words
from referrals.admin.kit.base import ListAdmin
from referrals.words import Colour

if TYPE_CHECKING:
    from django.forms import ModelChoiceField

_SHOWN: Final = 20
_CHANGE: Final = "clevertap_sync.change_alert"
_LIGHTS: Final[dict[str, tuple[Colour, str]]] = {
    Notice.State.PENDING: ("busy", "Waits to be sent"),
    Notice.State.SENT: ("good", "Sent"),
    Notice.State.FAILED: ("bad", "Given up"),
}


@admin.register(Alert)
class AlertAdmin(MuteButtons, ListAdmin):
    """Who is told, how, and about what."""

    form = AlertForm
    change_form_template = "clevertap_sync/alert.html"
    intro = (
        "One message when something starts and one when it is over, however many workers "
        "there are. An error that nobody acknowledges is told again once a day."
    )
    list_display = ("name", "of_app", "way", "where", "about", "state")
    list_filter = ("app", "way", "enabled")
    list_select_related = ("app",)
    ordering = ("name",)
    fieldsets = (
        ("Who is told", {"fields": ("name", "app", "enabled")}),
        ("How", {"fields": ("way", "recipients", "new_url")}),
        ("About what", {"fields": THRESHOLD_FIELDS}),
        ("Heartbeat", {"fields": (*HEARTBEAT_FIELDS, "forget_heartbeat")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        """Return the alerts, with whether they are muted, and whether messages fail."""
        failed = find_given_up_alerts().filter(alert=OuterRef("pk"))
        alerts: QuerySet[Alert] = super().get_queryset(request)
        mutes = Mute.objects.filter(alert=OuterRef("pk"), rule="", until__gt=Now())
        return alerts.annotate(is_failing=Exists(failed), is_muted=Exists(mutes))

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Allow it: no row depends on an alert but its own incidents and notices."""
        return self._may(request, "delete", obj)

    def formfield_for_foreignkey(
        self,
        db_field: "ForeignKey[Any, Any]",
        request: HttpRequest,
        **options: Any,
    ) -> "ModelChoiceField[Any] | None":
        """Offer "all apps" to a person with a right in all of them."""
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if field is not None:
            everywhere = access.has_permission(request.user, _CHANGE, None)
            field.required = not everywhere
            field.empty_label = "Every app" if everywhere else "Choose an app"
        return field

    @admin.display(description="app", ordering="app")
    def of_app(self, alert: Alert) -> str:
        """Return the alert's app."""
        return str(alert.app) if alert.app else "Every app"

    @admin.display(description="to")
    def where(self, alert: Alert) -> str:
        """Return where messages go, with the address masked."""
        if alert.way == AlertMedium.EMAIL:
            return ", ".join(notifiers.list_addresses(alert))
        return mask_address(alert.url) if alert.url else words.NOTHING

    @admin.display(description="about")
    def about(self, alert: Alert) -> str:
        """Return in words which findings the alert tells."""
        thresholds = (
            (alert.held_minutes, "held for {} min"),
            (alert.lag_minutes, "events wait {} min"),
            (alert.dead_percent, "{} % not delivered"),
            (alert.passcode_days, "a passcode or key expires in {} days"),
            (alert.refused_percent, "{} % refused"),
            (alert.quiet_hours, "quiet for {} h"),
            (alert.pause_hours, "paused for {} h"),
            (alert.stale_percent, "{} % too late"),
            (alert.fewer_percent, "{} % fewer in CleverTap"),
            (alert.new_names or None, "new names"),
            (alert.worker_gone or None, "no worker"),
            (alert.failing_alerts or None, "failing alerts"),
            (alert.failing_sources or None, "failing sources"),
            (alert.other_errors or None, "other errors"),
            (alert.other_warnings or None, "other warnings"),
        )
        chosen = [text.format(value) for value, text in thresholds if value is not None]
        return ", ".join(chosen) or "nothing"

    @admin.display(description="state", ordering="enabled")
    def state(self, alert: Alert) -> str:
        """Return as a light whether the alert is on, is muted, and gets through."""
        if not alert.enabled:
            return words.render_light("idle", "Off")
        if alert.__dict__.get("is_failing"):
            return words.render_light("bad", "Failing")
        if alert.heartbeat_problem:
            return words.render_light("bad", "Heartbeat fails")
        if alert.__dict__.get("is_muted"):
            return words.render_light("idle", "Muted")
        return words.render_light("good", "On")

    def save_model(
        self,
        request: HttpRequest,
        obj: Alert,
        form: AlertForm,
        change: bool,
    ) -> None:
        """Save the alert. A new webhook gets a signing secret, which is shown once."""
        if obj.way == AlertMedium.WEBHOOK and not obj.signing_secret:
            obj.signing_secret = notifiers.create_signing_secret()
            obj.__dict__["shows_secret"] = True
        super().save_model(request, obj, form, change)

    def response_add(
        self,
        request: HttpRequest,
        obj: Alert,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show a webhook's secret; otherwise stay, where the test button is."""
        return self._saved(request, obj)

    def response_change(self, request: HttpRequest, obj: Alert) -> HttpResponse:
        """Show a new secret; otherwise stay, where the test button is."""
        return self._saved(request, obj)

    def _saved(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        if alert.__dict__.pop("shows_secret", False):
            return self._secret(request, alert)
        messages.success(request, "Saved. Send a test message to see that it arrives.")
        return redirect("admin:clevertap_sync_alert_change", alert.pk)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: Alert | None,
    ) -> dict[str, Any]:
        """Add recent notices, open incidents, mutes, and what the set-up lacks."""
        extra: dict[str, Any] = {
            "lacks_mail": settings.EMAIL_BACKEND == notifiers.NO_MAIL,
            "lacks_address": not settings.PUBLIC_URL,
        }
        if obj is not None:
            sent = obj.notices.order_by("-pk")[:_SHOWN]
            extra["sent"] = [
                (notice, words.render_light(*_LIGHTS[notice.state])) for notice in sent
            ]
            extra["still_open"] = list_open_incidents(obj)[:_SHOWN]
            extra |= self.describe_mutes(obj)
            extra["is_failing"] = find_given_up_alerts().filter(alert=obj).exists()
            if obj.heartbeat_url:
                extra["heartbeat_to"] = mask_address(obj.heartbeat_url)
        return extra

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the page's buttons."""

        def route_to(
            name: str, view: Callable[[HttpRequest, Alert], HttpResponse]
        ) -> Any:
            def for_one(request: HttpRequest, pk: int) -> HttpResponse:
                alert = get_object_or_404(self.get_queryset(request), pk=pk)
                if not self.has_change_permission(request, alert):
                    raise PermissionDenied
                return view(request, alert)

            wrapped = self.admin_site.admin_view(require_POST(for_one))
            return path(
                f"<int:pk>/{name}/", wrapped, name=f"clevertap_sync_alert_{name}"
            )

        return [
            route_to("test", self.test),
            route_to("secret", self.secret),
            route_to("acknowledge", self.acknowledge),
            route_to("mute", self.mute),
            route_to("unmute", self.unmute),
            *super().get_urls(),
        ]

    def test(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        """Send a test message now, and show whether it got through."""
        notice = notices.send_test_notice(alert)
        if notice.state == Notice.State.SENT:
            messages.success(request, "Sent. It should have arrived by now.")
        else:
            messages.error(request, f"The test was not sent. {notice.problem}.")
        return redirect("admin:clevertap_sync_alert_change", alert.pk)

    def secret(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        """Make a new signing secret, and show it once."""
        alert.signing_secret = notifiers.create_signing_secret()
        alert.save(update_fields=["signing_secret"])
        self.log_change(request, alert, "Made a new signing secret.")
        return self._secret(request, alert)

    def _secret(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "The webhook's signing secret",
            "alert": alert,
            "text": alert.signing_secret.reveal(),
            "opts": self.opts,
        }
        return TemplateResponse(
            request,
            "clevertap_sync/alert_secret.html",
            context,
            headers={"Cache-Control": "no-store"},
        )
