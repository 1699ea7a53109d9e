"""Apps: created, renamed and archived, never deleted."""

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from referrals import words
from referrals.admin import code_samples, fraud_page
from referrals.admin.app_form import AppForm
from referrals.admin.key_admin import ShownKey, find_events_address
from referrals.admin.kit.base import (
    ListAdmin,
    ReadOnlyInline,
    SuperusersOnly,
    TabularInline,
    demand_permission,
)
from referrals.admin.kit.export import CsvExport
from referrals.admin.kit.row_urls import build_row_url
from referrals.models import ApiKey, App, Membership, is_working

#: The part of the form that is about who is who.
WHO_IS_WHO: Final = "Who is who"
#: The part that decides what is suspicious.
FRAUD: Final = "Fraud"


class MembershipInline(SuperusersOnly, TabularInline):
    """The roles of people in the app."""

    model = Membership
    extra = 0
    verbose_name_plural = "Roles"


class ApiKeyInline(ShownKey, ReadOnlyInline):
    """The app's keys, newest first."""

    model = ApiKey
    fields = ("prefix_dots", "label", "state", "expires", "used", "created")
    readonly_fields = fields
    verbose_name_plural = "API keys"


@admin.register(App)
class AppAdmin(CsvExport, ListAdmin):
    """A game, a shop, a subscription service."""

    app_path = "pk"
    change_form_template = "referrals/app.html"
    list_display = ("name", "slug", "state", "keys", "created")
    search_fields = ("name", "slug")
    ordering = ("slug",)
    empty_state = "No app yet: everything begins with one."
    next_step = ("admin:referrals_app_add", "Create an app")
    csv_columns = (
        ("App", "slug"),
        ("Name", "name"),
        ("Working keys", "working_keys"),
        ("Created", "created_at"),
        ("Archived", "archived_at"),
    )
    form = AppForm
    fieldsets = (
        (None, {"fields": ("name", "slug")}),
        (FRAUD, {"fields": ("ignored_networks", *fraud_page.FIELDS)}),
        (WHO_IS_WHO, {"fields": ("loose_ids", "remembers_referrers")}),
    )
    prepopulated_fields = {"slug": ("name",)}
    inlines = (ApiKeyInline, MembershipInline)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Count the working keys along with the apps."""
        working = Count("api_keys", filter=is_working("api_keys__"))
        return super().get_queryset(request).annotate(working_keys=working)

    def get_readonly_fields(
        self,
        request: HttpRequest,
        obj: App | None = None,
    ) -> tuple[str, ...]:
        """Keep the short name as it is once there is one: scripts and addresses use it."""
        return ("slug",) if obj else ()

    def get_prepopulated_fields(
        self,
        request: HttpRequest,
        obj: App | None = None,
    ) -> dict[str, Any]:
        """Propose a short name for a new app."""
        return {} if obj else self.prepopulated_fields

    def get_inlines(
        self,
        request: HttpRequest,
        obj: App | None,
    ) -> Any:
        """Show keys of an app that is there."""
        return self.inlines if obj else ()

    def get_list_display(self, request: HttpRequest) -> Any:
        """Leave the number of keys out for people who may not see keys."""
        sees = request.user.has_perm("referrals.view_apikey")
        return [each for each in self.list_display if each != "keys" or sees]

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: App | None,
    ) -> dict[str, Any]:
        """Show how the backend of an app that is there sends events."""
        if obj is None or obj.archived_at:
            return {}
        return {"samples": code_samples.list_code_samples(find_events_address(request))}

    @admin.display(description="state", ordering="archived_at")
    def state(self, app: App) -> str:
        """Say whether it accepts events."""
        if app.archived_at:
            return words.render_light("idle", "Archived")
        return words.render_light("good", "Accepts events")

    @admin.display(description="working keys")
    def keys(self, app: Any) -> int:
        """Return the number of keys that are not revoked."""
        return int(app.working_keys)

    @admin.display(description="created", ordering="created_at")
    def created(self, app: App) -> str:
        return words.format_age(app.created_at)

    def response_add(
        self, request: HttpRequest, obj: App, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to what a new app needs next: a key."""
        if "_popup" in request.POST or "_addanother" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        messages.success(
            request, format_html("Created {}. Next, it needs an API key.", obj.name)
        )
        return redirect(f"{reverse('admin:referrals_apikey_add')}?app={obj.pk}")

    def get_urls(self) -> list[URLPattern]:
        """Add what a button on the page posts to."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<int:pk>/archive/",
                wrap(require_POST(self.archive)),
                name="referrals_app_archive",
            ),
            build_row_url(
                self,
                "fraud",
                fraud_page.show_fraud_rules,
                related=(),
                is_page=True,
                permission=fraud_page.SEES,
            ),
            *super().get_urls(),
        ]

    def archive(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Archive an app, or take it back."""
        app = get_object_or_404(self.get_queryset(request), pk=pk)
        demand_permission(request, "referrals.add_app", app)
        app.archived_at = None if app.archived_at else timezone.now()
        app.save(update_fields=["archived_at"])
        done = "Archived" if app.archived_at else "Restored"
        self.log_change(request, app, f"{done}.")
        messages.success(request, f"{done} {app.name}.")
        return redirect("admin:referrals_app_change", pk)
