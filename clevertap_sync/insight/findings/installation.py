"""Findings about the installation, independent of its apps and integrations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from clevertap_sync.insight.findings.finding import Link, Severity
from clevertap_sync.insight.findings.installation_finding import (
    FailingAlert,
    InstallationFacts,
    InstallationFinding,
)
from clevertap_sync.insight.findings.machinery import (
    ClockSkewed,
    ConnectionsShort,
    DatabaseFullSoon,
)
from clevertap_sync.insight.findings.sentences import (
    describe_refused,
    find_newest_refusals,
)
from referrals.words import format_count, format_span


@dataclass(frozen=True, kw_only=True)
class AlertFailing(InstallationFinding):
    """What an alert tells gets to nobody."""

    code = "alert_failing"
    severity = Severity.ERROR
    word = "Alert fails"
    started = "its messages get to nobody"
    ended = "its messages arrive again"

    alert: FailingAlert

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield one for each failing alert, until one of its notices is sent."""
        for alert in facts.failing:
            age = format_span((facts.now - alert.last_at).total_seconds())
            last = "" if alert.count == 1 else "the last "
            yield cls(
                sentence=f"The alert {alert.name} could not be sent: "
                f"{format_count(alert.count, 'message')} given up, {last}{age} ago "
                f"({alert.problem}).",
                remedy="Correct its address, then send a test message.",
                link=Link("Open the alert", "clevertap_sync_alert_change", (alert.pk,)),
                count=alert.count,
                detail=str(alert.pk),
                alert=alert,
            )


@dataclass(frozen=True, kw_only=True)
class SweepFailing(InstallationFinding):
    """A worker is at work, and something of what it does every few seconds fails."""

    code = "sweep_failing"
    severity = Severity.ERROR
    word = "Sweep fails"
    started = "a worker's sweep fails"
    ended = "the workers' sweeps work again"

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield it where a worker said so with its last sweep."""
        if not facts.sweeps:
            return
        others = len(facts.sweeps) - 1
        more = f", and of {format_count(others, 'other worker')} some" if others else ""
        yield cls(
            sentence=f"{facts.sweeps[0].clause}{more}. It is tried again each time.",
            remedy="Its log has the reason, by the same name.",
            link=Link("See the machinery", "index", place="machinery"),
            count=len(facts.sweeps),
        )


@dataclass(frozen=True, kw_only=True)
class KeysUnknown(InstallationFinding):
    """Somebody calls with an API key that is not known here, or with none."""

    code = "keys_unknown"
    severity = Severity.WARNING
    word = "Unknown API keys"
    started = "unknown API keys are in use"
    ended = "no unknown API key is in use any more"
    is_at_door = True

    @classmethod
    def find_all(cls, facts: InstallationFacts) -> Iterator[Self]:
        """Yield it where such requests were refused."""
        refused = find_newest_refusals(facts.refused, facts.now)
        if not refused:
            return
        main = max(refused, key=lambda each: each.count)
        keys = sorted({each.key_prefix for each in refused if each.key_prefix})
        shown = (
            f" ({', '.join(f'{key}…' for key in keys[:_KEYS_SHOWN])})" if keys else ""
        )
        yield cls(
            sentence=f"Refused: {describe_refused(refused, 'request', 'of', facts.now)}, of "
            f"callers whom no API key names{shown}. Nothing of that is stored.",
            remedy="If one of them is yours, give it a key of its app.",
            link=Link("See what was refused", "ingest"),
            count=sum(each.count for each in refused),
            detail=main.code,
        )


_KEYS_SHOWN: Final = 3
KINDS: Final[Sequence[type[InstallationFinding]]] = (
    SweepFailing,
    AlertFailing,
    DatabaseFullSoon,
    ConnectionsShort,
    ClockSkewed,
    KeysUnknown,
)
