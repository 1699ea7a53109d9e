"""What the log's newest events say about the settings: identities, records and people."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from clevertap_sync.admin.integration.sends_grid import SendsGrid
from clevertap_sync.admin.reconciliation.seen_standing import read_seen_standing
from clevertap_sync.insight import coverage, loose_ids, usage
from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from referrals.models import App


def read_evidence(integration: Integration, form: forms.BaseForm) -> dict[str, Any]:
    """Return the coverage and usage of the app's newest events; put usage on the grid."""
    newest = coverage.read_newest_events(integration.app_id)
    used = usage.measure_usage(newest, clock.read_now())
    sends = form.fields.get("sends")
    if sends is not None and isinstance(sends.widget, SendsGrid):
        sends.widget.usage = used
    chosen = integration.identity_provider
    return {
        "coverage": coverage.measure_coverage(newest, chosen=chosen),
        "loose_ids": loose_ids.suggest_loose_ids(
            newest, chosen, integration.app.loose_ids
        ),
        "usage": used,
        "seen_standing": read_seen_standing(integration),
    }


def propose_settings(apps: QuerySet[App]) -> dict[str, Any]:
    """Return the initial values of a new integration: the app, if it is the only one."""
    active = list(apps.filter(archived_at=None)[:2])
    if len(active) != 1:
        return {}
    best = coverage.measure_coverage(coverage.read_newest_events(active[0].pk)).best
    provider = {"identity_provider": best.name} if best else {}
    return {"app": active[0].pk, **provider}
