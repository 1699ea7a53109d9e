"""Preview: an event beside exactly what CleverTap would receive. Nothing is sent or stored.

Payloads travel in the body of a POST, never in an address.
"""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods, require_safe

from clevertap_sync.admin.try_out import record_previews
from clevertap_sync.admin.try_out.preview_form import (
    LOGGED,
    PASTED,
    SAMPLE,
    SettingsForm,
    SourceForm,
)
from clevertap_sync.admin.try_out.record_previews import MOST, EventPreview
from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.insight.mapping_settings import build_settings, read_settings
from clevertap_sync.models import Integration
from referrals import access, log, samples
from referrals.admin.kit.base import demand_permission
from referrals.admin.kit.page_keys import read_page_key
from referrals.models import App
from referrals.schema import Event, EventProblem, IncomingEvent, check_object
from referrals.vocabulary import REFERRAL_TYPES, EventType

#: The permission, in the integration's app, to see previews.
SEES: Final = "clevertap_sync.view_integration"
#: The permission there to send events for real.
SENDS: Final = "clevertap_sync.change_integration"


def list_permitted_integrations(
    request: HttpRequest, permission: str
) -> QuerySet[Integration]:
    """Return the integrations that the person may try events on, given `permission`.

    Raises `PermissionDenied` if the person has it in no app.
    """
    demand_permission(request, permission)
    found = Integration.objects.filter(archived_at=None, app__archived_at=None)
    mine = access.limit_to_apps(found, request.user, "app", permission)
    return mine.select_related("app", "account").order_by("app__slug", "name")


@require_safe
def start_preview(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Go on to the first integration's preview, or say what is missing."""
    first = list_permitted_integrations(request, SEES).first()
    if first is not None:
        return redirect("admin:preview", first.pk)
    context = {**site.each_context(request), "title": "Preview"}
    return TemplateResponse(request, "clevertap_sync/no_integration.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def show_preview(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Show the records of an event, under the integration's settings or tried ones."""
    visible = list_permitted_integrations(request, SEES)
    integration = get_object_or_404(visible, pk=pk)
    # Trying settings must not touch the row that the rest of the page shows.
    tried = Integration.objects.get(pk=pk)
    source = SourceForm(request.POST or None, initial=_choose_source(request))
    settings = SettingsForm(request.POST or None, instance=tried)
    previews = _previews(request, integration, source, settings)
    context = {
        **site.each_context(request),
        "title": "Preview",
        "integration": integration,
        "integrations": list(visible),
        "page": "admin:preview",
        "source": source,
        "chosen": source["source"].value(),
        "settings": settings,
        "changed": settings.changed_data if settings.is_bound else [],
        "sees_identities": request.user.has_perm(
            access.VIEW_IDENTITIES, integration.app
        ),
        "may_send": request.user.has_perm(SENDS, integration.app),
        "previews": previews[:MOST],
        "left_out": max(0, len(previews) - MOST),
    }
    return TemplateResponse(request, "clevertap_sync/preview.html", context)


def _choose_source(request: HttpRequest) -> dict[str, str]:
    """Return the form's initial values from a link: a position, or a sample's type."""
    position = request.GET.get("position", "")
    if position:
        return {"source": LOGGED, "logged": position}
    return {"source": SAMPLE, "sample": request.GET.get("sample", "app_install")}


def _previews(
    request: HttpRequest,
    integration: Integration,
    source: SourceForm,
    settings: SettingsForm,
) -> list[EventPreview]:
    if not source.is_bound:
        wanted = dict(source.initial)
        rules = read_settings(build_settings(integration))
    elif source.is_valid() and settings.is_valid():
        wanted = source.cleaned_data
        rules = read_settings(build_settings(settings.instance))
    else:
        return []
    app = integration.app
    if wanted["source"] == LOGGED:
        demand_permission(request, access.VIEW_IDENTITIES, app)
        return _of_logged(app, source, str(wanted["logged"]), rules)
    return record_previews.preview_sent_events(app, _sent(wanted, rules), rules)


def _of_logged(
    app: App, source: SourceForm, asked: str, rules: MappingSettings
) -> list[EventPreview]:
    event = _find_event(app, asked.strip())
    if event is None:
        if source.is_bound:
            source.add_error("logged", "No event of this app has this ID or position.")
        return []
    return record_previews.preview_stored_events(app, [event], rules)


def _find_event(app: App, asked: str) -> Event | None:
    """Return the event with this ID, else the one at this position."""
    found = log.find_event(app.pk, asked)
    position = read_page_key(asked.replace(",", ""))
    if found is None and position:
        found = next(iter(log.read_range(app.pk, position, position)), None)
    return found.event if found else None


def _sent(
    wanted: dict[str, Any], rules: MappingSettings
) -> Sequence[IncomingEvent | EventProblem]:
    if wanted["source"] == PASTED:
        return record_previews.read_pasted(wanted["pasted"])
    known = {each.value for each in REFERRAL_TYPES}
    chosen = wanted["sample"] if wanted["sample"] in known else "app_install"
    provider = rules.identity_provider
    event = samples.make_sample_event(
        EventType(chosen),
        event_id="sample-1",
        user={provider: "ann-42", **samples.ANN},
        referrer={provider: "bob-7", **samples.BOB},
        test=rules.event_kinds == "test",
    )
    return [check_object(event)]
