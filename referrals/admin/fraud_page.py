"""The page Fraud rules of an app: try other ones on the last days, and take them."""

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from referrals import fraud_preview
from referrals.admin.kit.base import ListAdmin
from referrals.models import App

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[App]
else:
    _ModelForm = forms.ModelForm

#: What it shows is counted from events.
SEES: Final = "referrals.view_referralevent"
FIELDS: Final = (
    "fraud_same_ip",
    "fraud_installs",
    "fraud_installs_days",
    "fraud_advertising_ids",
    "fraud_advertising_ids_days",
)


class FraudForm(_ModelForm):
    """The windows and limits of an app's fraud rules."""

    class Meta:
        model = App
        fields = FIELDS


def show_fraud_rules(page: ListAdmin, request: HttpRequest, app: App) -> HttpResponse:
    """Show the rules; on a POST what others would have found, or take them."""
    may_change = page.has_change_permission(request, app)
    form = FraudForm(request.POST or None, instance=app)
    preview = None
    if form.is_bound and form.is_valid():
        if "save" in request.POST:
            return _save(page, request, form, may_change=may_change)
        preview = fraud_preview.preview_rules(app, app.fraud_rules)
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "title": "Fraud rules",
        "opts": App._meta,
        "app": app,
        "form": form,
        "preview": preview,
        "may_change": may_change,
        "days": fraud_preview.DAYS,
        "seconds": int(fraud_preview.SECONDS),
    }
    return TemplateResponse(request, "referrals/fraud_rules.html", context)


def _save(
    page: ListAdmin, request: HttpRequest, form: FraudForm, *, may_change: bool
) -> HttpResponse:
    if not may_change:
        raise PermissionDenied
    app = form.instance
    with transaction.atomic():
        message = page.construct_change_message(request, form, None)
        app.save(update_fields=FIELDS)
        page.log_change(request, app, message)
    messages.success(
        request, f"Saved: {app.name} judges by these rules what comes from now on."
    )
    return redirect("admin:referrals_app_fraud", app.pk)
