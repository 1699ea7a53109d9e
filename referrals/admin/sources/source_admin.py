"""Sources: their list, and the page on which one is seen at work and changed."""

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern
from django.utils import timezone

from referrals import history, source_setup, words
from referrals.admin.key_admin import find_origin
from referrals.admin.kit.base import ListAdmin
from referrals.admin.kit.export import CsvExport
from referrals.admin.sources import numbers, source_views
from referrals.admin.sources.connect_page import (
    find_host,
    mask_url,
    show_connect_page,
)
from referrals.admin.sources.platform_page import show_platforms
from referrals.admin.sources.source_form import (
    COLUMNS,
    NATIVE_HAS_NOT,
    ConnectForm,
    SourceForm,
    list_custom_names,
    list_kinds,
    write_verifier,
)
from referrals.admin.sources.standing import describe_source
from referrals.encrypted_field import UnreadableSecret
from referrals.ingest.source_health import (
    RecentHealth,
    read_recent_health,
    read_source_health,
)
from referrals.models import Source
from referrals.source_address import read_preset_in_force
from referrals.source_setup import THEIRS
from referrals.sources.presets import PLATFORMS, load_preset

_CHANGES_SHOWN: Final = 5
#: What the list reads of each of its rows, by this name.
_HEALTH: Final = "health"
#: What people read in place of a field that they may not change.
_TO_READ: Final = {
    "is_test": "kind",
    "identity": "user_ids",
    "takes_marketing_links": "marketing_links",
}


@admin.register(Source)
class SourceAdmin(CsvExport, ListAdmin):
    """By which platforms' calls become events, and what came of them."""

    change_form_template = "referrals/sources/source.html"
    add_form_template = "referrals/sources/connect_form.html"
    intro = (
        "Platforms that know of referrals call an address here. What they send is checked, "
        "translated and kept, so that nobody has to write a backend."
    )
    list_display = ("name", "state", "calls", "app", "shown_platform", "kind")
    list_filter = ("app", ("archived_at", admin.EmptyFieldListFilter), "is_test")
    list_select_related = ("app",)
    search_fields = ("name", "public_id")
    search_help_text = "A source's name, or the ID in its address"
    ordering = ("app", "platform", "name")
    empty_state = "No source yet: no platform calls."
    next_step = ("admin:referrals_source_add", "Connect a platform")
    csv_columns = (
        ("App", "app.slug"),
        ("Source", "name"),
        ("Platform", "platform"),
        ("Public ID", "public_id"),
        ("User IDs are", lambda source: source.identity or source.preset.identity),
        ("Test", "is_test"),
        ("Created", "created_at"),
        ("First call", "first_call_at"),
        ("Archived", "archived_at"),
    )

    @admin.display(description="platform", ordering="platform")
    def shown_platform(self, source: Source) -> str:
        """Return the platform's own name."""
        return source.preset.title

    @admin.display(description="state")
    def state(self, source: Source) -> str:
        """Return the source's light."""
        light = describe_source(source, source.__dict__[_HEALTH], timezone.now())
        return words.render_light(light.colour, light.word)

    @admin.display(description="calls in 24 h")
    def calls(self, source: Source) -> str:
        """Return how many calls passed the check."""
        health: RecentHealth = source.__dict__[_HEALTH]
        return words.format_number(health.day.calls)

    @admin.display(description="kind", ordering="is_test")
    def kind(self, source: Source) -> str:
        """Return whether its events are test events."""
        return "Test" if source.is_test else "Production"

    # What people see who may not change a source: fields of the form are no columns.

    @admin.display(description="User IDs are")
    def user_ids(self, source: Source) -> str:
        """Return which of our identities the platform's user IDs are."""
        return source.identity or source.preset.identity

    @admin.display(description="Referrer keys")
    def keys(self, source: Source) -> str:
        """Return the source's own keys."""
        return ", ".join(source.referrer_keys) or words.NOTHING

    @admin.display(description="Events to take")
    def takes(self, source: Source) -> str:
        """Return the kinds that are taken."""
        taken = [kind.name for kind in list_kinds(source) if kind.is_taken]
        return ", ".join(taken) or words.NOTHING

    @admin.display(description="Marketing links")
    def marketing_links(self, source: Source) -> str:
        """Return whether calls without a referrer are taken."""
        return "Taken" if source.takes_marketing_links else "Ignored"

    @admin.display(description="Custom names")
    def custom_names(self, source: Source) -> str:
        """Return the further names that are taken."""
        return ", ".join(list_custom_names(source)) or words.NOTHING

    @admin.display(description="Verified by")
    def verified_by(self, source: Source) -> str:
        """Return how calls are verified, as JSON."""
        return write_verifier(source)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read what came in by all sources of the page at once."""
        listed = super().get_changelist_instance(request)
        rows = list(listed.result_list)
        health = read_recent_health([row.pk for row in rows], timezone.now())
        for row in rows:
            row.__dict__[_HEALTH] = health[row.pk]
        listed.result_list = rows
        return listed

    def get_form(
        self,
        request: HttpRequest,
        obj: Source | None = None,
        change: bool = False,
        **options: Any,
    ) -> Any:
        """Ask for little to connect a platform; offer the choices of one that is there."""
        options["form"] = SourceForm if obj else ConnectForm
        return super().get_form(request, obj, change, **options)

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        """Leave out what a source has not whose calls hold events of ours."""
        if obj is None:
            fields = ("app", "platform", "name", "identity", "is_test")
            return ((None, {"fields": fields}),)
        hidden = {
            *(NATIVE_HAS_NOT if obj.is_native else ()),
            *(() if obj.preset.any_verifier else ("verified_by",)),
        }
        shown = (
            *("name", "is_test", "identity", "keys", "takes", "custom_names"),
            *("takes_marketing_links", "verified_by"),
        )
        may_change = self.has_change_permission(request, obj)
        readable = [
            name if may_change else _TO_READ.get(name, name)
            for name in shown
            if name not in hidden
        ]
        return (("Settings", {"fields": readable}),)

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        """Return whether the person may change the source; one that is archived, nobody."""
        if isinstance(obj, Source) and obj.archived_at:
            return False
        return super().has_change_permission(request, obj)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Let the person choose a platform first."""
        platform = request.GET.get("platform", "")
        if (
            request.method != "POST"
            and platform not in PLATFORMS
            and self.has_add_permission(request)
        ):
            return show_platforms(self, request)
        return super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose what the platform's preset says."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        platform = initial.get("platform", "")
        if platform in PLATFORMS:
            preset = load_preset(platform)
            initial = {"name": preset.title, "identity": preset.identity, **initial}
        return initial

    def save_model(
        self, request: HttpRequest, obj: Source, form: Any, change: bool
    ) -> None:
        """Write by `source_setup`. A secret is kept for the answer to this request alone."""
        by = request.user.get_username()
        if not change:
            obj.__dict__["made"] = source_setup.create_source(by, obj)
        elif differences := history.list_differences(form):
            source_setup.change_source(by, obj, COLUMNS, differences)
            if "verified_by" in form.changed_data:
                _tell_of_verifier(request, obj)

    def response_add(
        self,
        request: HttpRequest,
        obj: Source,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show the steps with the secret, in this answer and never again."""
        return show_connect_page(self, request, obj, secret=obj.__dict__.pop("made"))

    def response_change(self, request: HttpRequest, obj: Source) -> HttpResponse:
        """Stay on the page, which has the numbers."""
        messages.success(request, "Saved. It counts for calls within seconds.")
        return redirect("admin:referrals_source_change", obj.pk)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: Source | None,
    ) -> dict[str, Any]:
        """Add the numbers, the address and the light; for a new one, its platform."""
        if obj is None:
            platform = context["adminform"].form["platform"].value()
            preset = load_preset(platform) if platform in PLATFORMS else None
            return {"preset": preset}
        now = timezone.now()
        health = read_source_health([obj.pk], now)[obj.pk]
        extra: dict[str, Any] = {
            "light": describe_source(obj, health, now),
            "preset": obj.preset,
            "url": mask_url(obj, find_origin(request)),
            "host": find_host(obj, find_origin(request)),
            "is_theirs": obj.preset.secret == THEIRS,
            **numbers.build_numbers(obj, health),
        }
        if obj.previous_secret:
            rotated = history.list_changes(obj).filter(what=source_setup.ROTATED)
            extra["rotated"] = rotated.first()
        if request.user.is_superuser:
            extra["changes"] = history.list_changes(obj)[:_CHANGES_SHOWN]
        return extra

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the steps and of the buttons."""
        return [*source_views.list_source_urls(self), *super().get_urls()]

    def _record(self, request: HttpRequest, row: Any, what: str) -> None:
        """Leave the history to `source_setup`, which writes it with each change."""
        row.__dict__.pop("differences", None)


def _tell_of_verifier(request: HttpRequest, source: Source) -> None:
    messages.info(request, "Calls are verified in another way now: look at the steps.")
    if not source.secret or isinstance(source.secret, UnreadableSecret):
        return
    try:
        source_setup.check_secret(read_preset_in_force(source), source.secret)
    except source_setup.SourceError as error:
        messages.warning(request, str(error))
