"""An integration's card on the overview: its light, its numbers, its last 24 hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.http import urlencode

from clevertap_sync import insight, pace, workers
from clevertap_sync.admin.lights import Circumstances, Light, light_of
from clevertap_sync.insight import IntegrationStatus
from clevertap_sync.models import Integration
from clevertap_sync.reasons import REASONS
from clevertap_sync.wire import EVENT_TYPES
from referrals.admin.charts import Bars, bars

CHANGE: Final = "clevertap_sync.change_integration"
_KINDS: Final = {"delivered": "delivered", "dead": "dead-lettered"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Dead letters of one reason."""

    reason: str
    meaning: str
    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the funnel. Its bar begins at `start`; both are in percent."""

    kind: str
    name: str
    count: int
    unit: str
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class Card:
    """One integration on the overview."""

    integration: Integration
    status: IntegrationStatus
    light: Light
    usual_wait: float | None
    problems: tuple[Problem, ...]
    dead: int
    funnel: tuple[Stage, ...]
    chart: Bars
    event_types: int
    may_change: bool
    most_event_types: int = EVENT_TYPES


def cards(
    integrations: Iterable[Integration],
    person: Any,  # noqa: ANN401 - a user
    now: datetime,
) -> list[Card]:
    """Return a card for each integration. Call it inside `insight.snapshot()`."""
    silence = workers.silence()
    return [
        _card(
            integration,
            silence,
            now,
            may_change=person.has_perm(CHANGE, integration.app),
        )
        for integration in integrations
    ]


def _card(
    integration: Integration,
    silence: workers.Silence | None,
    now: datetime,
    *,
    may_change: bool,
) -> Card:
    status = insight.status_of(integration, checks_all_books=False)
    seen = Circumstances(silence, insight.last_accepted(integration), now)
    dead = sum(status.dead_letters.values())
    return Card(
        integration,
        status,
        light_of(integration, status, seen),
        pace.usual_wait(integration, now),
        _problems(integration, status),
        dead,
        _funnel(status, dead, insight.under_way(integration)),
        _chart(integration, now),
        insight.event_types(integration),
        may_change,
    )


def _problems(
    integration: Integration, status: IntegrationStatus
) -> tuple[Problem, ...]:
    by_size = sorted(status.dead_letters.items(), key=lambda pair: -pair[1])
    return tuple(
        Problem(
            reason,
            REASONS[reason].meaning if reason in REASONS else reason,
            count,
            _letters_url(integration, reason),
        )
        for reason, count in by_size
    )


def _letters_url(integration: Integration, reason: str) -> str:
    query = urlencode([("integration__id__exact", integration.pk), ("reason", reason)])
    return f"{reverse('admin:clevertap_sync_deadletter_changelist')}?{query}"


def _funnel(status: IntegrationStatus, dead: int, waiting: int) -> tuple[Stage, ...]:
    """Return the steps from accepted to judged, to the scale of what was accepted."""
    if not status.head:
        return ()
    mapped = status.delivered + dead + waiting
    room = 100 * min(1.0, status.cursor / status.head)
    stages = [
        Stage("accepted", "Accepted", status.head, "event", "0%", "100%"),
        Stage("mapped", "Mapped", mapped, "record", "0%", f"{room:.2f}%"),
    ]
    start = 0.0
    for kind, name, count in (
        ("delivered", "Delivered", status.delivered),
        ("dead", "Dead-lettered", dead),
        ("waiting", "Under way", waiting),
    ):
        width = room * count / mapped if mapped else 0.0
        stages.append(
            Stage(kind, name, count, "record", f"{start:.2f}%", f"{width:.2f}%")
        )
        start += width
    return tuple(stages)


def _chart(integration: Integration, now: datetime) -> Bars:
    return bars(
        "Records in the last 24 hours",
        _KINDS,
        [
            (
                f"{hour.began_at:%H:%M} UTC",
                {"delivered": hour.delivered, "dead": hour.dead},
            )
            for hour in pace.hours(integration, now)
        ],
        ends=("24 hours ago", "now"),
    )
