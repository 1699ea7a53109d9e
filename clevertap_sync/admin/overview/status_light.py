"""The state of an integration as a light and a sentence. Reads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.clevertap.hold_reasons import PASSING
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity
from clevertap_sync.models import Integration
from referrals.words import Colour, format_span

COLOURS: Final[dict[Severity, Colour]] = {
    Severity.ERROR: "bad",
    Severity.WARNING: "busy",
    Severity.INFO: "idle",
}


@dataclass(frozen=True, slots=True)
class StatusLight:
    """A colour, its word, and what it means here and now."""

    colour: Colour
    word: str
    sentence: str = ""


def describe_state(integration: Integration) -> StatusLight:
    """Return the light for a list, from the integration's row alone."""
    if integration.archived_at:
        return StatusLight("idle", "Archived")
    if not integration.enabled:
        paused = integration.first_enabled_at is not None
        return StatusLight("idle", "Paused" if paused else "Not enabled")
    if integration.hold_reason:
        colour: Colour = "busy" if integration.hold_reason in PASSING else "bad"
        return StatusLight(colour, "Held")
    return StatusLight("good", "Enabled")


def describe_findings(facts: Facts, findings: Sequence[Finding]) -> StatusLight:
    """Return the light of the most important finding that has one; else green."""
    for finding in findings:
        if finding.word:
            return StatusLight(
                COLOURS[finding.severity], finding.word, finding.sentence
            )
    return _well(facts)


def _well(facts: Facts) -> StatusLight:
    if facts.last_upload_accepted_at is None:
        return StatusLight(
            "good",
            "Ready",
            "Everything is set up. The first event that arrives is delivered at once.",
        )
    age = format_span((facts.now - facts.last_upload_accepted_at).total_seconds())
    return StatusLight(
        "good",
        "Delivering",
        f"CleverTap accepted the last event {age} ago; {_describe_delay(facts)}.",
    )


def _describe_delay(facts: Facts) -> str:
    """Say how soon CleverTap shows new data: as it was measured, else as it says itself."""
    delays = facts.seen.delays if facts.seen else None
    if delays is None:
        return "its dashboard shows new data after about 10 minutes"
    return f"it showed new events of this account within {format_span(delays.p99)}"
