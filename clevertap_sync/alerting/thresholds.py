"""Which field of an alert decides about which findings: the one table.

A finding without a row goes to alerts with *every other error* or *every other warning*
on. One of severity `info` without a row goes to no alert.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity
from clevertap_sync.insight.findings.account import count_held_seconds
from clevertap_sync.insight.findings.seen import list_short_days
from clevertap_sync.models import Alert

#: A share of fewer dead letters or late events than this means nothing.
FEWEST: Final = 5
#: A worker that restarts is away for a moment, which is no reason for an alert.
GONE_SECONDS: Final = 120
#: One night is often the delay of what CleverTap counts.
NIGHTS: Final = 2
_MINUTE: Final = 60
_HOUR: Final = 3600
#: Arguments: the alert's threshold, the finding, and the facts it was found in.
Reached = Callable[[int, Finding, Facts | None], bool]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A field of an alert, the findings that it decides about, and its condition."""

    column: str
    is_reached: Reached
    codes: frozenset[str] = frozenset()
    family: str = ""
    at_door: bool = False

    def decides_about(self, kind: type[Finding]) -> bool:
        """Return whether the field decides about findings of this kind."""
        return (
            kind.code in self.codes
            or (self.family in kind.families)
            or (kind.is_at_door and self.at_door)
        )

    def asks_for(self, alert: Alert, finding: Finding, facts: Facts | None) -> bool:
        """Return whether the alert asks for this finding by this field."""
        value = getattr(alert, self.column)
        if value is None or value is False:
            return False
        return self.is_reached(value, finding, facts)


def _is_hold_long(minutes: int, _: Finding, facts: Facts | None) -> bool:
    if facts is None or not facts.integration.hold_reason:
        return False
    return count_held_seconds(facts) >= minutes * _MINUTE


def _is_lag_reached(minutes: int, _: Finding, facts: Facts | None) -> bool:
    return facts is not None and facts.lag_seconds >= max(1, minutes * _MINUTE)


def _is_dead_share_reached(percent: int, _: Finding, facts: Facts | None) -> bool:
    if facts is None or facts.newest_outcomes.dead < FEWEST:
        return False
    return facts.newest_outcomes.dead * 100 >= percent * facts.newest_outcomes.records


def _is_expiry_near(days: int, finding: Finding, _: Facts | None) -> bool:
    """Return whether so few days are left; without a number, the last day has passed."""
    return finding.count is None or finding.count <= days


def _is_refused_share_reached(percent: int, finding: Finding, _: Facts | None) -> bool:
    return finding.percent is None or finding.percent >= percent


def _is_stale_share_reached(
    percent: int, finding: Finding, facts: Facts | None
) -> bool:
    is_some = finding.count is not None and finding.count >= FEWEST
    return is_some and _is_refused_share_reached(percent, finding, facts)


def _is_short_for_nights(percent: int, finding: Finding, facts: Facts | None) -> bool:
    """Return whether a day of the finding's cause lacks so much, two nights running."""
    if facts is None:
        return False
    short = list_short_days(facts, percent, NIGHTS)
    return any(each.cause == finding.detail for each in short)


def _has_lasted(hours: int, finding: Finding, _: Facts | None) -> bool:
    return finding.seconds is None or finding.seconds >= hours * _HOUR


def _is_worker_gone(_: int, finding: Finding, __: Facts | None) -> bool:
    return finding.seconds is None or finding.seconds >= GONE_SECONDS


def _always(_: int, __: Finding, ___: Facts | None) -> bool:
    return True


OTHER_ERRORS: Final = Threshold("other_errors", _always)
OTHER_WARNINGS: Final = Threshold("other_warnings", _always)
THRESHOLDS: Final = (
    Threshold("held_minutes", _is_hold_long, family="held"),
    Threshold("lag_minutes", _is_lag_reached, frozenset({"late"}), family="held"),
    Threshold(
        "dead_percent",
        _is_dead_share_reached,
        frozenset({"dead_letters", "nothing_delivered", "identity_missing"}),
    ),
    Threshold(
        "passcode_days", _is_expiry_near, frozenset({"key_expires"}), family="passcode"
    ),
    Threshold("refused_percent", _is_refused_share_reached, at_door=True),
    Threshold("quiet_hours", _has_lasted, frozenset({"quiet"})),
    Threshold("pause_hours", _has_lasted, frozenset({"pause_forgotten"})),
    Threshold("stale_percent", _is_stale_share_reached, frozenset({"stale_events"})),
    Threshold("fewer_percent", _is_short_for_nights, frozenset({"counts_fewer"})),
    Threshold("new_names", _always, frozenset({"new_name"})),
    Threshold("worker_gone", _is_worker_gone, frozenset({"no_worker"})),
    Threshold("failing_alerts", _always, frozenset({"alert_failing"})),
    Threshold(
        "failing_sources",
        _always,
        frozenset(
            {"calls_unverified", "calls_lost", "calls_spooled"}
            | {"source_silent", "all_ignored"}
        ),
    ),
)


def list_thresholds(kind: type[Finding]) -> list[Threshold]:
    """Return the thresholds for findings of this kind; none where no alert tells them."""
    named = [each for each in THRESHOLDS if each.decides_about(kind)]
    if named:
        return named
    if kind.severity is Severity.ERROR:
        return [OTHER_ERRORS]
    return [OTHER_WARNINGS] if kind.severity is Severity.WARNING else []


def is_wanted(alert: Alert, finding: Finding, facts: Facts | None) -> bool:
    """Return whether the alert asks to be told of this finding now."""
    if finding.is_provisional:
        # Told now, it would be told again by its cause a moment later.
        return False
    deciding = list_thresholds(type(finding))
    return any(each.asks_for(alert, finding, facts) for each in deciding)
