"""A CSV file for CleverTap's schema: event names, properties and their types."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from clevertap_sync.admin.try_out.preview_page import SEES, list_permitted_integrations
from clevertap_sync.admin.try_out.sending_form import list_custom_names
from clevertap_sync.clevertap.mapping import EventRecord, decode_record
from clevertap_sync.insight.clevertap_destination import map_events
from clevertap_sync.insight.mapping_settings import build_settings, read_settings
from clevertap_sync.models import SENDS, Integration
from referrals import access, log
from referrals.admin.kit import csv_download
from referrals.vocabulary import TITLES, EventType, Side

#: So many of the newest events are read for the properties of custom events.
EVENTS: Final = 5_000

HEADER: Final = ("Event", "Property", "Type", "What it says")
_BUILT_IN: Final = (
    ("Channel", "String", "How the invitation came, such as whatsapp"),
    ("Content", "String", "Which invitation it was, such as spring"),
    ("Status", "String", "valid, suspicious or rejected"),
)
_EVENT_ID: Final = ("Event ID", "String", "Our idempotency key of the event")
_TYPES: Final[dict[type, str]] = {
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Float",
    dict: "Object",
    list: "Array",
}

Types = dict[str, dict[str, set[str]]]


@require_safe
def export_schema(
    request: HttpRequest, pk: int, site: AdminSite
) -> StreamingHttpResponse:
    """Answer with the events that the integration sends, by its present settings."""
    integration = get_object_or_404(list_permitted_integrations(request, SEES), pk=pk)
    shows = request.user.has_perm(access.VIEW_IDENTITIES, integration.app)
    types = _find_property_types(integration) if shows else {}
    name = f"clevertap-schema-{integration.app.slug}-{integration.name}"
    return csv_download.stream_csv(name, HEADER, _rows(integration, types))


def _rows(integration: Integration, types: Types) -> Iterator[tuple[str, ...]]:
    off = set(integration.not_sent)
    extra = (_EVENT_ID,) if integration.send_event_id else ()
    for key in SENDS:
        event_type, _, side = key.partition(":")
        if key in off:
            continue
        if event_type != EventType.CUSTOM:
            name = f"{Side(side).title()} {TITLES[EventType(event_type)]}"
            yield from ((name, *row) for row in (*_BUILT_IN, *extra))
            continue
        for custom in list_custom_names(integration).values():
            name = f"{Side(side).title()} {custom}"
            yield from _list_custom_rows(name, types.get(name, {}), extra)


def _list_custom_rows(
    name: str, properties: dict[str, set[str]], extra: tuple[tuple[str, ...], ...]
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each property that events of this name had."""
    known = {prop for prop, _, _ in extra}
    for prop, types in sorted(properties.items()):
        if prop not in known:
            yield name, prop, " or ".join(sorted(types)), ""
    yield from ((name, *row) for row in extra)
    if not properties and not extra:
        yield name, "", "", ""


def _find_property_types(integration: Integration) -> Types:
    """Return the types of each property of each custom event's record."""
    head = log.read_head(integration.app_id)
    newest = log.read_range(integration.app_id, head - EVENTS + 1, head)
    custom = [e.event for e in newest if e.event.type is EventType.CUSTOM]
    settings = read_settings(build_settings(integration))
    found: Types = defaultdict(lambda: defaultdict(set))
    for values in map_events(integration.app_id, custom, settings):
        for value in values:
            if isinstance(value, EventRecord):
                for prop, content in decode_record(value)["evtData"].items():
                    found[value.name][prop].add(_TYPES.get(type(content), "String"))
    return found
