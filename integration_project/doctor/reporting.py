"""Checks out of what is judged elsewhere: a finding keeps its words, its code and its link."""

from typing import Final

from clevertap_sync.insight.findings import Finding, Severity
from integration_project.doctor.check import Area, Check, State

#: Where a finding's check stands; all others are about what is delivered.
AREAS: Final = {
    "connections_short": Area.DATABASE,
    "database_full_soon": Area.DISK,
    "clock_skewed": Area.CLOCK,
    "sweep_failing": Area.PROCESSES,
    "alert_failing": Area.ALERTS,
    "keys_unknown": Area.KEYS,
    "key_expired": Area.KEYS,
    "key_expires": Area.KEYS,
    "key_revoked": Area.KEYS,
    "source_unreadable": Area.KEYS,
    "unreadable_passcode": Area.KEYS,
    "restored_backup": Area.BACKUP,
}
_STATES: Final = {
    Severity.ERROR: State.ERROR,
    Severity.WARNING: State.WARNING,
    Severity.INFO: State.INFO,
}


def report_finding(finding: Finding, subject: str = "") -> Check:
    """Return the check that repeats a finding about `subject`, or about the installation."""
    return Check(
        area=AREAS.get(finding.code, Area.DELIVERY),
        code=finding.code,
        state=_STATES[finding.severity],
        sentence=f"{subject}: {finding.sentence}" if subject else finding.sentence,
        remedy=finding.remedy,
        link=finding.link,
        values={"count": finding.count},
    )
