"""What to send, as a grid: a row for each event type, a column for each side."""

from typing import Any

from django import forms

from clevertap_sync.insight.usage import SideUsage, Usage
from clevertap_sync.models import SENDS
from referrals.vocabulary import REFERRAL_TYPES, TITLES, EventType, Side


def describe_send(key: str) -> str:
    """Return the title of one of `SENDS`, such as "Generated App Open"."""
    event_type, side = key.split(":")
    title = TITLES.get(EventType(event_type), "<custom name>")
    return f"{side.title()} {title}"


class SendsGrid(forms.CheckboxSelectMultiple):
    """Check boxes in a table with headings."""

    template_name = "clevertap_sync/sends_grid.html"
    #: How much each box would send, where the log has events.
    usage: Usage | None = None

    def get_context(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Add the rows of the table."""
        context = super().get_context(name, value, attrs)
        chosen = set(value or ())
        uses = self.usage.by_key if self.usage else {}
        context["usage"] = self.usage
        context["rows"] = [
            {
                "title": TITLES.get(event_type, "Custom events"),
                "cells": [
                    _cell(event_type, side, chosen, attrs or {})
                    | {"use": uses.get(f"{event_type}:{side}", SideUsage(0, 0))}
                    for side in Side
                ],
            }
            for event_type in REFERRAL_TYPES
        ]
        return context


def _cell(
    event_type: EventType, side: Side, chosen: set[str], attrs: dict[str, Any]
) -> dict[str, Any]:
    key = f"{event_type}:{side}"
    return {
        "key": key,
        "exists": key in SENDS,
        "checked": key in chosen,
        "id": f"{attrs.get('id', 'id')}_{event_type}_{side}",
        "name": describe_send(key),
    }
