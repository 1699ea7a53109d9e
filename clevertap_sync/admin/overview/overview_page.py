"""The overview: a card for each integration, the first steps, the workers."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import redis
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from clevertap_sync import insight
from clevertap_sync.admin.overview.cards import StandingLine, build_card
from clevertap_sync.admin.overview.siblings import group_siblings, split_for_cards
from clevertap_sync.admin.overview.standing import read_standing
from clevertap_sync.models import WorkerSeen
from clevertap_sync.process import clock, doorbell, worker_presence
from referrals.models import ApiKey, App
from referrals.words import Colour

#: So many integrations have a card; further ones have a line.
CARDS: Final = 5
_WORKERS_SHOWN: Final = 10
_COLOURS: Final[tuple[Colour, ...]] = ("bad", "busy", "idle", "good")


def build_overview(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the overview."""
    now = clock.read_now()
    with insight.read_in_snapshot():
        standing = read_standing(request.user, now)
        lines = standing.lines
        chosen, further = split_for_cards(group_siblings(lines), CARDS)
        cards = [
            [build_card(line, request.user, now) for line in group] for group in chosen
        ]
    shown = [card.line for group in cards for card in group]
    others = [line for group in further for line in group]
    return {
        "cards": cards,
        "further": further,
        "number_further": len(others),
        "summary": _summary([*shown, *others]),
        "elsewhere": standing.elsewhere,
        "now": now,
        "workers": WorkerSeen.objects.order_by("-seen_at")[:_WORKERS_SHOWN],
        "silence": worker_presence.read_worker_silence(),
        "broker": _broker(),
        "steps": list_first_steps(lines)
        if request.user.has_perm("referrals.add_app")
        else [],
    }


def _summary(lines: Sequence[StandingLine]) -> list[tuple[Colour, int]]:
    """Return the number of integrations of each colour; nothing for a single one."""
    if len(lines) == 1:
        return []
    counts = Counter(line.light.colour for line in lines)
    return [(colour, counts[colour]) for colour in _COLOURS if counts[colour]]


def list_first_steps(shown: Sequence[StandingLine]) -> list[dict[str, Any]]:
    """Return the steps that a new installation still needs; none after its first delivery."""
    if any(line.facts.last_upload_accepted_at for line in shown):
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
            any(line.facts.head for line in shown),
            reverse("admin:events"),
        ),
    ]


def _step(label: str, done: bool, url: str) -> dict[str, Any]:
    return {"label": label, "done": done, "url": url}


def _broker() -> tuple[Colour, str, str]:
    """Return the broker's light, word and sentence. It is a doorbell, never a must."""
    by_themselves = (
        f"Workers find events by themselves, every {settings.SWEEP_SECONDS:g} s."
    )
    if not settings.REDIS_URL:
        return "idle", "No broker", f"REDIS_URL is not set. {by_themselves}"
    try:
        doorbell.open_broker().ping()
    except (redis.RedisError, OSError):
        return (
            "busy",
            "Broker away",
            f"It does not answer, and nothing is lost. {by_themselves}",
        )
    return "good", "Broker answers", "Workers hear of new events at once."
