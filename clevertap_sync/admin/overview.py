"""The overview: each integration's light and sentence, its numbers, and who is at work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis
from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from clevertap_sync import clock, doorbell, insight, workers
from clevertap_sync.admin.lights import Circumstances, Light, light_of
from clevertap_sync.insight import IntegrationStatus
from clevertap_sync.models import Attempt, Integration, WorkerSeen
from clevertap_sync.reasons import REASONS
from referrals import access
from referrals.admin.words import Colour
from referrals.models import ApiKey, App

CHANGE: Final = "clevertap_sync.change_integration"
_WORKERS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """Dead letters of one reason."""

    reason: str
    meaning: str
    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Share:
    """A stretch of the bar: where it begins and how long it is, in percent."""

    name: str
    count: int
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Card:
    """One integration on the overview."""

    integration: Integration
    status: IntegrationStatus
    light: Light
    problems: tuple[Problem, ...]
    dead: int
    bar: tuple[Share, ...]
    may_change: bool


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what the overview's template shows."""
    now = clock.now()
    shown = cards(now, request.user)
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


def cards(now: datetime, person: Any) -> list[Card]:  # noqa: ANN401 - a user
    """Return a card for each integration that the person sees and that is not archived."""
    seen = access.limited(
        Integration.objects.filter(archived_at=None),
        person,
        "app",
        *("clevertap_sync.view_integration", CHANGE),
    )
    statuses = insight.statuses(seen)
    found = seen.select_related("app", "account")
    by_name = {(each.app.slug, each.name): each for each in found}
    accepted = _last_accepted()
    silence = workers.silence()
    return [
        _card(
            integration,
            status,
            Circumstances(silence, accepted.get(integration.pk), now),
            may_change=person.has_perm(CHANGE, integration.app),
        )
        for status in statuses
        if (integration := by_name.get((status.app, status.integration)))
    ]


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


def _card(
    integration: Integration,
    status: IntegrationStatus,
    seen: Circumstances,
    *,
    may_change: bool,
) -> Card:
    problems = tuple(
        Problem(
            reason,
            REASONS[reason].meaning if reason in REASONS else reason,
            count,
            _letters_url(integration, reason),
        )
        for reason, count in sorted(status.dead_letters.items(), key=lambda p: -p[1])
    )
    dead = sum(status.dead_letters.values())
    return Card(
        integration,
        status,
        light_of(integration, status, seen),
        problems,
        dead,
        _bar(delivered=status.delivered, dead=dead, waiting=status.in_flight),
        may_change,
    )


def _letters_url(integration: Integration, reason: str) -> str:
    query = urlencode([("integration__id__exact", integration.pk), ("reason", reason)])
    return f"{reverse('admin:clevertap_sync_deadletter_changelist')}?{query}"


def _bar(**counts: int) -> tuple[Share, ...]:
    total = sum(counts.values())
    shares, start = [], 0.0
    for name, count in counts.items():
        if count:
            width = 100 * count / total
            shares.append(Share(name, count, f"{start:.2f}%", f"{width:.2f}%"))
            start += width
    return tuple(shares)


def _last_accepted() -> dict[int, datetime]:
    """Return when CleverTap last accepted an upload of each integration."""
    newest = (
        Attempt.objects.filter(outcome="ok", dry_run=False)
        .values_list("integration")
        .annotate(Max("ended_at"))
        .order_by()
    )
    return {pk: ended for pk, ended in newest if ended}


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
