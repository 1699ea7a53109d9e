"""The match rate, the user check, and the confirmation that the identities are right.

CleverTap is asked outside of any transaction, within a few seconds. A typed identity is
shown to people who may see identities; it is in no address and no log line.
"""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern

from clevertap_sync.admin.integration.check_page import show_check_page
from clevertap_sync.admin.integration.url_patterns import build_url_pattern
from clevertap_sync.clevertap.connection_check import Diagnosis
from clevertap_sync.clevertap.limits import MAX_IDENTITY, has_control_characters
from clevertap_sync.delivery import check_integration, lifecycle
from clevertap_sync.insight.match_rate import measure_match_rate
from clevertap_sync.insight.user_check import check_user
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell
from referrals import access
from referrals.admin.kit.base import ListAdmin, ModelAdmin


class UserForm(forms.Form):
    """The identity of the user to ask about."""

    identity = forms.CharField(
        max_length=MAX_IDENTITY,
        label="The user's ID",
        error_messages={
            "required": "Type the ID of a user.",
            "max_length": f"CleverTap's identities have at most {MAX_IDENTITY:,} characters.",
        },
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "class": "vTextField"}
        ),
    )

    def clean_identity(self) -> str:
        """Refuse an identity that cannot be looked up."""
        identity = str(self.cleaned_data["identity"])
        if has_control_characters(identity):
            message = "This contains a control character, such as a line feed."
            raise forms.ValidationError(message)
        return identity


def list_check_urls(page: ListAdmin) -> list[URLPattern]:
    """Return the addresses below an integration's own."""
    return [
        build_url_pattern(page, "match-rate", show_match_rate),
        build_url_pattern(page, "user", show_user, permission=access.VIEW_IDENTITIES),
        build_url_pattern(page, "confirm-identities", handle_confirmation),
    ]


def show_match_rate(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Ask CleverTap about the newest users."""
    credentials = check_integration.find_credentials_or_diagnosis(integration)
    if isinstance(credentials, Diagnosis):
        return show_check_page(page, request, integration, diagnosis=credentials)
    rate = measure_match_rate(
        integration.app_id, integration.identity_provider, credentials
    )
    return show_check_page(page, request, integration, rate=rate)


def show_user(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Ask CleverTap about one user."""
    form = UserForm(request.POST)
    if not form.is_valid():
        return show_check_page(page, request, integration, user_form=form)
    credentials = check_integration.find_credentials_or_diagnosis(integration)
    if isinstance(credentials, Diagnosis):
        return show_check_page(page, request, integration, diagnosis=credentials)
    identity = form.cleaned_data["identity"]
    found = check_user(identity, integration.identity_provider, credentials)
    return show_check_page(page, request, integration, user_form=form, user_found=found)


def handle_confirmation(
    page: ModelAdmin, request: HttpRequest, integration: Integration
) -> HttpResponse:
    """Resume delivery although CleverTap knows few of the first identities."""
    lifecycle.confirm_identities(integration)
    doorbell.ring_doorbell(integration.pk)
    page.log_change(request, integration, "Confirmed the identities.")
    messages.success(
        request,
        "Confirmed. Delivery goes on; CleverTap creates a profile for each identity that "
        "it does not know.",
    )
    return redirect("admin:clevertap_sync_integration_change", integration.pk)
