"""Where an integration stands, as a light and a sentence for people. Reads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.clevertap.hold_reasons import PASSING
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity
from clevertap_sync.models import Integration
from referrals.words import Colour, span

COLOURS: Final[dict[Severity, Colour]] = {
    Severity.ERROR: "bad",
    Severity.WARNING: "busy",
    Severity.INFO: "idle",
}


@dataclass(frozen=True, slots=True)
class Light:
    """A colour, its word, and what it means here and now."""

    colour: Colour
    word: str
    sentence: str = ""


def state_of(integration: Integration) -> Light:
    """Return the light of a list: from the integration's own row alone."""
    if integration.archived_at:
        return Light("idle", "Archived")
    if not integration.enabled:
        paused = integration.first_enabled_at is not None
        return Light("idle", "Paused" if paused else "Not enabled")
    if integration.hold_reason:
        colour: Colour = "busy" if integration.hold_reason in PASSING else "bad"
        return Light(colour, "Held")
    return Light("good", "Enabled")


def light_of(facts: Facts, findings: Sequence[Finding]) -> Light:
    """Return the light of the most important finding that has one; else that all is well."""
    for finding in findings:
        if finding.word:
            return Light(COLOURS[finding.severity], finding.word, finding.sentence)
    return _well(facts)


def _well(facts: Facts) -> Light:
    if facts.last_accepted is None:
        return Light(
            "good",
            "Ready",
            "Everything is set up. The first event that arrives is delivered at once.",
        )
    age = span((facts.now - facts.last_accepted).total_seconds())
    return Light(
        "good",
        "Delivering",
        f"CleverTap accepted the last event {age} ago; its dashboard shows new "
        "data after about 10 minutes.",
    )
