"""An integration's card on the overview: its light, its numbers, its last 24 hours."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from clevertap_sync import insight
from clevertap_sync.admin.overview.status_light import (
    COLOURS,
    StatusLight,
    describe_findings,
)
from clevertap_sync.clevertap.limits import EVENT_TYPES
from clevertap_sync.insight import IntegrationStatus, pace, wait_numbers
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity, judge_facts
from clevertap_sync.insight.links import build_path
from clevertap_sync.insight.seen_facts import SeenFacts, ShownName, SoughtName
from clevertap_sync.insight.wait_numbers import WaitsOfWeek
from clevertap_sync.models import Integration
from referrals.admin.kit.charts import BarChart, draw_bars
from referrals.words import Colour, format_count, format_span, make_inert

CHANGE: Final = "clevertap_sync.change_integration"
_KINDS: Final = {"delivered": "delivered", "dead": "dead-lettered"}
#: So many events that CleverTap began to show are named.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class FindingOnCard:
    """A finding on a card: its colour, its words, and the address of its fix."""

    finding: Finding
    colour: Colour
    url: str


@dataclass(frozen=True, slots=True)
class FunnelStage:
    """A step of the funnel. Its bar begins at `start`; both are in percent."""

    kind: str
    name: str
    count: int
    unit: str
    start: str
    width: str


@dataclass(frozen=True, slots=True)
class StandingLine:
    """One integration in one line: its light and its findings."""

    facts: Facts
    light: StatusLight
    causes: tuple[FindingOnCard, ...]
    rank: int

    @property
    def integration(self) -> Integration:
        """Return the line's integration."""
        return self.facts.integration


@dataclass(frozen=True, slots=True)
class WaitsOnCard:
    """What waits for a person to be known, and what became of it in the last week."""

    count: int
    week: WaitsOfWeek


@dataclass(frozen=True, slots=True)
class IntegrationCard:
    """One integration on the overview, with all its numbers."""

    line: StandingLine
    status: IntegrationStatus
    usual_wait: float | None
    dead: int
    funnel: tuple[FunnelStage, ...]
    chart: BarChart
    waits: WaitsOnCard | None
    #: What CleverTap shows of new events, in sentences.
    seen: tuple[str, ...]
    may_change: bool
    most_event_types: int = EVENT_TYPES


def build_line(facts: Facts) -> StandingLine:
    """Return the line of an integration. Reads nothing."""
    findings = judge_facts(facts)
    return StandingLine(
        facts,
        describe_findings(facts, findings),
        list_findings_on_card(findings),
        _rank(findings),
    )


def list_findings_on_card(findings: Iterable[Finding]) -> tuple[FindingOnCard, ...]:
    """Return the findings with colour and address."""
    return tuple(
        FindingOnCard(each, COLOURS[each.severity], build_path(each.link))
        for each in findings
    )


def build_card(line: StandingLine, person: Any, now: datetime) -> IntegrationCard:
    """Return the card of an integration. Call it inside `insight.read_in_snapshot()`."""
    integration = line.integration
    status = insight.read_status(integration, checks_all_books=False)
    # The status checks more books than the facts do.
    line = build_line(replace(line.facts, imbalances=status.imbalances))
    dead = sum(status.dead_letters.values())
    return IntegrationCard(
        line,
        status,
        pace.measure_usual_wait(integration, now),
        dead,
        _funnel(status, dead, insight.count_open_records(integration)),
        _chart(integration, now),
        _read_waits(integration, status, now),
        tuple(_describe_seen(line.facts.seen, now)),
        may_change=person.has_perm(CHANGE, integration.app),
    )


def _rank(findings: Sequence[Finding]) -> int:
    """Return the place in the list: integrations that need a person come first."""
    if not findings:
        return len(Severity)
    return list(Severity).index(findings[0].severity)


def _funnel(
    status: IntegrationStatus, dead: int, waiting: int
) -> tuple[FunnelStage, ...]:
    """Return the steps from accepted to judged, to the scale of what was accepted."""
    if not status.head:
        return ()
    for_users = sum(status.waiting.values())
    mapped = status.delivered + dead + waiting + for_users
    room = 100 * min(1.0, status.cursor / status.head)
    stages = [
        FunnelStage("accepted", "Accepted", status.head, "event", "0%", "100%"),
        FunnelStage("mapped", "Mapped", mapped, "record", "0%", f"{room:.2f}%"),
    ]
    start = 0.0
    for kind, name, count in (
        ("delivered", "Delivered", status.delivered),
        ("dead", "Dead-lettered", dead),
        ("waiting", "Waiting", waiting),
        *([("waiting", "For its user", for_users)] if for_users else []),
    ):
        width = room * count / mapped if mapped else 0.0
        stages.append(
            FunnelStage(kind, name, count, "record", f"{start:.2f}%", f"{width:.2f}%")
        )
        start += width
    return tuple(stages)


def _read_waits(
    integration: Integration, status: IntegrationStatus, now: datetime
) -> WaitsOnCard | None:
    """Return what waits; None where the app has nothing that may wait, nor ever had."""
    count = sum(status.waiting.values())
    if not count and not integration.app.learns_of_people:
        return None
    return WaitsOnCard(count, wait_numbers.measure_waits_of_week(integration, now))


def _describe_seen(seen: SeenFacts | None, now: datetime) -> Iterator[str]:
    """Yield what CleverTap shows since the last day or not yet, and how soon it shows events."""
    if seen is None:
        return
    if seen.sought:
        yield _describe_sought(seen.sought, now)
    if seen.shown:
        yield _describe_shown(seen.shown)
    if (delays := seen.delays) and delays.names > 1:
        yield (
            f"Half of {delays.names} new events showed within {format_span(delays.p50)}, "
            f"nearly all within {format_span(delays.p99)}."
        )


def _describe_shown(shown: Sequence[ShownName]) -> str:
    first, *others = shown[:_NAMED]
    parts = [
        f"CleverTap shows {make_inert(first.name)} since {format_span(first.seconds)} after the first one",
        *(
            f"{make_inert(each.name)} since {format_span(each.seconds)}"
            for each in others
        ),
    ]
    if (further := len(shown) - _NAMED) > 0:
        parts.append(f"and {format_count(further, 'further new event')}")
    return f"{', '.join(parts)}."


def _describe_sought(sought: Sequence[SoughtName], now: datetime) -> str:
    oldest = min(sought, key=lambda each: each.first_at)
    age = format_span((now - oldest.first_at).total_seconds())
    further = f" and {format_count(len(sought) - 1, 'further new event')}"
    return (
        f"CleverTap does not show {make_inert(oldest.name)}{further if len(sought) > 1 else ''} yet, "
        f"{age} after the first one. It is asked again until it does."
    )


def _chart(integration: Integration, now: datetime) -> BarChart:
    return draw_bars(
        "Records in the last 24 hours",
        _KINDS,
        [
            (
                f"{hour.began_at:%H:%M} UTC",
                {"delivered": hour.delivered, "dead": hour.dead},
            )
            for hour in pace.read_hours(integration, now)
        ],
        ends=("24 hours ago", "now"),
    )
