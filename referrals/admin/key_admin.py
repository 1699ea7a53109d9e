"""API keys: made and shown once, for a backend or for tracking only, rotated, revoked."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.forms import DateField, DateInput, Form, ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from referrals import words
from referrals.admin import code_samples
from referrals.admin.kit.base import ListAdmin, demand_permission
from referrals.admin.kit.export import CsvExport
from referrals.keys import LONGEST_LIFE, create_key, end_of_day, renew_expiry
from referrals.models import ApiKey, Source
from referrals.source_address import SEGMENT

if TYPE_CHECKING:
    _ModelForm = ModelForm[ApiKey]
else:
    _ModelForm = ModelForm

#: How long an old key goes on working beside the new one, by the form's names.
OVERLAPS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}

#: A key that ends by itself is shown as working for so much longer from then on.
SOON: Final = timedelta(days=14)


def find_origin(request: HttpRequest) -> str:
    """Return this server's URL without a path: by PUBLIC_URL, else by this request's host."""
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


def find_events_address(request: HttpRequest) -> str:
    """Return the URL for events."""
    return f"{find_origin(request)}/v1/events"


class ApiKeyForm(_ModelForm):
    """What is asked of a new key. One for tracking only belongs to a source of its app."""

    last_day = DateField(
        required=False,
        label="Last day",
        help_text="By UTC. From the next day on the key is refused, and nothing moves that day "
        "later; you are reminded from two weeks before. Empty: it works until you revoke it.",
        widget=DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    class Meta:
        model = ApiKey
        fields = ("app", "label", "tracking_source")

    def clean_last_day(self) -> date | None:
        """Refuse a day that has passed, and one that is too far away to mean anything."""
        last: date | None = self.cleaned_data["last_day"]
        today = timezone.now().date()
        if last is not None and not today <= last <= today + LONGEST_LIFE:
            message = (
                "This day has passed."
                if last < today
                else "Choose a day within ten years."
            )
            raise ValidationError(message)
        return last

    def clean(self) -> dict[str, Any]:
        """Refuse a source of another app."""
        cleaned = super().clean() or {}
        app, source = cleaned.get("app"), cleaned.get("tracking_source")
        if source is not None and app is not None and source.app_id != app.pk:
            self.add_error(
                "tracking_source",
                f"This source belongs to {source.app}. Choose one of {app}.",
            )
        return cleaned


class ShownKey:
    """The columns that the list of keys and the page of an app share."""

    @admin.display(description="key", ordering="prefix")
    def prefix_dots(self, key: ApiKey) -> str:
        """Return the beginning of the key, by which people tell keys apart."""
        return f"{key.prefix}…"

    @admin.display(description="for", ordering="tracking_source")
    def purpose(self, key: ApiKey) -> str:
        """Say what the key lets its holder do."""
        return key.purpose

    @admin.display(description="state", ordering="revoked_at")
    def state(self, key: ApiKey) -> str:
        """Say whether it works, and for how long where it ends soon."""
        if key.is_revoked:
            return words.render_light("idle", "Revoked")
        if key.is_expired:
            return words.render_light("idle", "Expired")
        left = key.ends_at and key.ends_at - timezone.now()
        if left and (key.ends_at == key.revoked_at or left < SOON):
            span = words.format_span(left.total_seconds())
            return words.render_light("busy", f"Works for {span} more")
        return words.render_light("good", "Works")

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> str:
        """Return when it expires, which a revocation may come before."""
        return words.format_instant(key.expires_at) if key.expires_at else "never"

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        """Return when it was last shown to us, to the minute."""
        return words.format_age(key.last_used_at)

    @admin.display(description="created", ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return words.format_age(key.created_at)


@admin.register(ApiKey)
class ApiKeyAdmin(ShownKey, CsvExport, ListAdmin):
    """What an app's backend shows to send events. Only its hash is kept."""

    change_form_template = "referrals/api_key.html"
    form = ApiKeyForm
    list_display = (
        *("prefix_dots", "app", "label", "purpose"),
        *("state", "expires", "used", "created"),
    )
    list_filter = ("app", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("app", "tracking_source")
    empty_state = "No API key yet: an app's backend needs one to send events."
    next_step = ("admin:referrals_apikey_add", "Make an API key")
    csv_columns = (
        ("Key", "prefix"),
        ("App", "app.slug"),
        ("Label", "label"),
        ("For", "purpose"),
        ("Created", "created_at"),
        ("Last used", "last_used_at"),
        ("Revoked", "revoked_at"),
        ("Expires", "expires_at"),
    )
    readonly_fields = ("prefix_dots", "purpose", "state", "expires", "used", "created")

    def get_fields(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
    ) -> tuple[str, ...]:
        """Ask for app and label; show the rest of a key that is there."""
        if obj is None:
            return ("app", "label", "tracking_source", "last_day")
        return ("app", "label", *self.readonly_fields)

    def get_readonly_fields(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
    ) -> tuple[str, ...]:
        """Let nothing but the label of a key be changed."""
        return ("app", *self.readonly_fields) if obj else self.readonly_fields

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
        change: bool = False,
        **options: Any,
    ) -> Any:
        """Offer apps that accept events, without a button for editing one in between."""
        form = super().get_form(request, obj, change, **options)
        if "app" in form.base_fields:
            field: Any = form.base_fields["app"]
            field.queryset = field.queryset.filter(archived_at=None)
            sources: Any = form.base_fields["tracking_source"]
            sources.queryset = Source.objects.filter(
                app__in=field.queryset, platform=SEGMENT, archived_at=None
            ).select_related("app")
            sources.label = "Tracking only"
            sources.empty_label = "No: a backend may do everything with it"
        return form

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Form,
        change: bool,
    ) -> None:
        """Make the key. Its text is kept for the answer to this request alone."""
        if change:
            super().save_model(request, obj, form, change)
            return
        last = form.cleaned_data["last_day"]
        made, text = create_key(
            obj.app,
            obj.label,
            tracking_source=obj.tracking_source,
            expires_at=end_of_day(last) if last else None,
        )
        obj.__dict__.update(made.__dict__, text=text)

    def response_add(
        self,
        request: HttpRequest,
        obj: ApiKey,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show the key, in this answer and never again."""
        return self._shown(request, obj, obj.__dict__.pop("text"))

    def get_urls(self) -> list[URLPattern]:
        """Add what the buttons of a key's page post to."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/revoke/",
                wrap(require_POST(self.revoke)),
                name="referrals_apikey_revoke",
            ),
            path(
                "<int:pk>/rotate/",
                wrap(require_POST(self.rotate)),
                name="referrals_apikey_rotate",
            ),
            *super().get_urls(),
        ]

    def revoke(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let the key work no more."""
        key = get_object_or_404(self.get_queryset(request), pk=pk)
        demand_permission(request, "referrals.change_apikey", key.app)
        if not key.is_revoked:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            self.log_change(request, key, "Revoked.")
        messages.success(
            request,
            f"Revoked {key}. Backends that still use it get 401 within seconds.",
        )
        return redirect("admin:referrals_apikey_change", pk)

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a new key beside the old one, which works until a chosen time or a person's.

        A key that expires is followed by one that lives as long.
        """
        keys = self.get_queryset(request).select_related("app", "tracking_source")
        old = get_object_or_404(keys, pk=pk)
        demand_permission(request, "referrals.add_apikey", old.app)
        now = timezone.now()
        key, text = create_key(
            old.app,
            old.label,
            tracking_source=old.tracking_source,
            expires_at=renew_expiry(old, now),
        )
        self.log_addition(request, key, f"Made to take the place of {old}.")
        overlap = OVERLAPS.get(request.POST.get("overlap", ""))
        if overlap is not None and not old.has_ended:
            # Not after its own end: who plans it is not reminded of it.
            planned = now + overlap
            old.revoked_at = min(planned, old.expires_at or planned)
            old.save(update_fields=["revoked_at"])
            self.log_change(request, old, f"Revoked in {overlap}: rotated.")
        return self._shown(request, key, text, old=old)

    def _shown(
        self, request: HttpRequest, key: ApiKey, text: str, *, old: ApiKey | None = None
    ) -> HttpResponse:
        samples = (
            code_samples.list_tracking_samples(find_origin(request), text)
            if key.tracking_source_id
            else code_samples.list_code_samples(find_events_address(request), text)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Your new API key",
            "key": key,
            "text": text,
            "old": old,
            "samples": samples,
            "opts": self.opts,
        }
        return TemplateResponse(
            request,
            "referrals/api_key_shown.html",
            context,
            headers={"Cache-Control": "no-store"},
        )
