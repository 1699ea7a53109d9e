"""The overview: a card for each integration, what is missing still, and who is at work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import redis
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from clevertap_sync import clock, doorbell, insight, workers
from clevertap_sync.admin.cards import CHANGE, Card, cards
from clevertap_sync.models import Integration, WorkerSeen
from referrals import access
from referrals.models import ApiKey, App
from referrals.words import Colour

_WORKERS_SHOWN: Final = 10


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what the overview's template shows."""
    now = clock.now()
    shown = _cards(now, request.user)
    return {
        "cards": shown,
        "now": now,
        "workers": WorkerSeen.objects.order_by("-seen_at")[:_WORKERS_SHOWN],
        "silence": workers.silence(),
        "broker": _broker(),
        "steps": first_steps(shown)
        if request.user.has_perm("referrals.add_app")
        else [],
    }


def _cards(now: datetime, person: Any) -> list[Card]:  # noqa: ANN401 - a user
    """Return a card for each integration that the person sees and that is not archived."""
    seen = access.limited(
        Integration.objects.all(),
        person,
        "app",
        *("clevertap_sync.view_integration", CHANGE),
    )
    with insight.snapshot():
        return cards(insight.shown(seen), person, now)


def first_steps(shown: Sequence[Card]) -> list[dict[str, Any]]:
    """Return what a new installation still needs; nothing once events are delivered."""
    if any(card.status.delivered for card in shown):
        return []
    integration = shown[0].integration if shown else None
    edit = (
        reverse("admin:clevertap_sync_integration_change", args=[integration.pk])
        if integration
        else reverse("admin:clevertap_sync_integration_add")
    )
    return [
        _step(
            "Create an app", App.objects.exists(), reverse("admin:referrals_app_add")
        ),
        _step(
            "Make an API key for its backend",
            ApiKey.objects.working().exists(),
            reverse("admin:referrals_apikey_add"),
        ),
        _step("Connect CleverTap", bool(integration and integration.passcode), edit),
        _step("Enable delivery", bool(integration and integration.enabled), edit),
        _step(
            "Send the first event",
            any(card.status.head for card in shown),
            reverse("admin:events"),
        ),
    ]


def _step(label: str, done: bool, url: str) -> dict[str, Any]:  # noqa: FBT001 - a tick
    return {"label": label, "done": done, "url": url}


def _broker() -> tuple[Colour, str, str]:
    """Return the broker's light, word and sentence. It is a doorbell, never a must."""
    by_themselves = (
        f"Workers find events by themselves, every {settings.SWEEP_SECONDS:g} s."
    )
    if not settings.REDIS_URL:
        return "idle", "No broker", f"REDIS_URL is not set. {by_themselves}"
    try:
        doorbell.connection().ping()
    except (redis.RedisError, OSError):
        return (
            "busy",
            "Broker away",
            f"It does not answer, and nothing is lost. {by_themselves}",
        )
    return "good", "Broker answers", "Workers hear of new events at once."
