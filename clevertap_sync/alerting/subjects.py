"""Groups findings into cases: those of one code about one subject.

All facts are read once for all alerts, in one snapshot. One case makes one incident, so
that several findings of one kind are one message.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from clevertap_sync import insight
from clevertap_sync.alerting.thresholds import is_wanted
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import (
    KINDS as INTEGRATION_KINDS,
    Finding,
    Scope,
    Severity,
    judge_facts,
    judge_ingest,
)
from clevertap_sync.insight.findings.account import HoldFinding
from clevertap_sync.insight.findings.delivery import WorkerGone
from clevertap_sync.insight.findings.installation import (
    KINDS as INSTALLATION_KINDS,
    AlertFailing,
)
from clevertap_sync.insight.ingest_queries import read_app_ingest, read_lonely_facts
from clevertap_sync.insight.installation_facts import (
    judge_installation,
    read_installation_facts,
)
from clevertap_sync.models import Alert, Integration
from clevertap_sync.process import worker_presence
from referrals.models import App

INSTALLATION: Final = "installation"
THE_INSTALLATION: Final = "This installation"
KINDS_BY_CODE: Final[dict[str, type[Finding]]] = {
    kind.code: kind for kind in (*INTEGRATION_KINDS, *INSTALLATION_KINDS)
}

CaseKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SubjectFinding:
    """One finding, its subject, and the facts of the app that it was found in, if any."""

    finding: Finding
    subject: str
    about: str
    facts: Facts | None = None

    @property
    def key(self) -> CaseKey:
        """Return code and subject: what identifies its case within an alert."""
        return self.finding.code, self.subject


@dataclass(frozen=True, slots=True)
class AlertCase:
    """All findings of one code about one subject, the most important first; never none."""

    findings: tuple[SubjectFinding, ...]

    @property
    def kind(self) -> type[Finding]:
        """Return the kind of its findings."""
        return type(self.first.finding)

    @property
    def first(self) -> SubjectFinding:
        """Return the most important finding."""
        return self.findings[0]

    @property
    def app(self) -> App | None:
        """Return the app that the case is about; None if it is about the installation."""
        if _scope_of(self.kind) is Scope.INSTALLATION or self.first.facts is None:
            return None
        return self.first.facts.integration.app

    @property
    def integration(self) -> Integration | None:
        """Return the integration that the case is about, if it is about one."""
        if _scope_of(self.kind) is not Scope.INTEGRATION or self.first.facts is None:
            return None
        return self.first.facts.integration


@dataclass(frozen=True, slots=True)
class AlertView:
    """All findings of this instant, before any alert selects its own."""

    findings: Sequence[SubjectFinding]
    facts: Sequence[Facts]
    #: The alerts that are on.
    alert_ids: frozenset[int]
    has_worker: bool

    def select_findings(self, alert: Alert) -> Iterator[SubjectFinding]:
        """Yield the findings of the alert's app, without the alert's own failure."""
        for each in self.findings:
            finding = each.finding
            if isinstance(finding, AlertFailing):
                is_own = finding.alert.pk == alert.pk
                is_its = alert.app_id in {None, finding.alert.app_id} and not is_own
            else:
                of_app = each.facts.integration.app_id if each.facts else None
                is_its = alert.app_id in {None, of_app}
            if is_its:
                yield each

    def is_well(self, alert: Alert) -> bool:
        """Return whether a worker is at work and the alert sees no error and no hold.

        A hold that ends by itself is only a warning, but nothing is delivered meanwhile.
        """
        return self.has_worker and not any(
            each.finding.severity is Severity.ERROR
            or isinstance(each.finding, HoldFinding)
            for each in self.select_findings(alert)
        )

    def find_excuse(self, key: CaseKey) -> str:
        """Return why a case is over although it was not mended; "" where it was."""
        code, subject = key
        name, _, number = subject.partition(":")
        if name == "alert" and int(number) not in self.alert_ids:
            return "it was switched off"
        if name in {"integration", "app"}:
            shown = [facts for facts in self.facts if subject in _subjects_in(facts)]
            if not shown:
                return "it was archived"
            if name == "integration" and not shown[0].is_running:
                return "a person paused delivery"
        if code == WorkerGone.code and not self.has_worker:
            return "delivery is paused everywhere"
        return "it is below what the alert asks for" if self._has_left(key) else ""

    def _has_left(self, key: CaseKey) -> bool:
        """Return whether a finding of the same family is still there for this subject."""
        code, subject = key
        kind = KINDS_BY_CODE.get(code)
        return any(
            each.subject == subject
            and (each.finding.code == code or is_of_family(type(each.finding), kind))
            for each in self.findings
        )


def read_alert_view(alerts: Sequence[Alert], now: datetime) -> AlertView:
    """Return all findings of now, judged by the lowest threshold of any alert."""
    with insight.read_in_snapshot():
        app_ingest = read_app_ingest(now)
        read = read_facts(insight.list_integrations_shown(), now, app_ingest)
        silence = read[0].silence if read else worker_presence.read_worker_silence()
        apps_alone = read_lonely_facts(now, app_ingest)
        installation = read_installation_facts(now, app_ingest)
    known = [_lower_thresholds(facts, alerts) for facts in read]
    findings = [
        *(
            _attach_subject(each, facts)
            for facts in known
            for each in judge_facts(facts)
        ),
        *(
            _attach_subject(each, facts)
            for facts in apps_alone
            for each in judge_ingest(facts)
        ),
        *map(_attach_subject_elsewhere, judge_installation(installation)),
    ]
    return AlertView(
        findings,
        [*known, *apps_alone],
        alert_ids=frozenset(alert.pk for alert in alerts),
        has_worker=silence is not None and not silence.is_too_long,
    )


def _attach_subject(finding: Finding, facts: Facts) -> SubjectFinding:
    return SubjectFinding(
        finding, _subject_of(finding, facts), _about(finding, facts), facts
    )


def _attach_subject_elsewhere(finding: Finding) -> SubjectFinding:
    if isinstance(finding, AlertFailing):
        alert = finding.alert
        return SubjectFinding(finding, f"alert:{alert.pk}", f"Alert {alert.name}")
    return SubjectFinding(finding, INSTALLATION, THE_INSTALLATION)


def list_cases(alert: Alert, view: AlertView) -> dict[CaseKey, AlertCase]:
    """Return the cases that the alert asks for, by code and subject."""
    found: dict[CaseKey, tuple[SubjectFinding, ...]] = {}
    for each in view.select_findings(alert):
        if is_wanted(alert, each.finding, each.facts):
            found[each.key] = (*found.get(each.key, ()), each)
    return {key: AlertCase(findings) for key, findings in found.items()}


def is_of_family(kind: type[Finding], other: type[Finding] | None) -> bool:
    """Return whether the two kinds of findings have a family in common."""
    return other is not None and not kind.families.isdisjoint(other.families)


def _lower_thresholds(facts: Facts, alerts: Sequence[Alert]) -> Facts:
    """Return the facts with the most careful threshold of the alerts."""
    days = [each.passcode_days for each in alerts if each.passcode_days is not None]
    silences = [each.quiet_hours for each in alerts if each.quiet_hours is not None]
    hours = [each.pause_hours for each in alerts if each.pause_hours is not None]
    shares = [each.stale_percent for each in alerts if each.stale_percent is not None]
    fewer = [each.fewer_percent for each in alerts if each.fewer_percent is not None]
    return replace(
        facts,
        remind_days=max([facts.remind_days, *days]),
        pause_hours=min([facts.pause_hours, *hours]),
        quiet_hours=min([facts.quiet_hours, *silences]),
        stale_percent=min([facts.stale_percent, *shares]),
        fewer_percent=min([facts.fewer_percent, *fewer]),
    )


def _subject_of(finding: Finding, facts: Facts) -> str:
    match _scope_of(type(finding)):
        case Scope.INSTALLATION:
            return INSTALLATION
        case Scope.APP:
            return _subjects_in(facts)[1]
        case _:
            return _subjects_in(facts)[0]


def _about(finding: Finding, facts: Facts) -> str:
    match _scope_of(type(finding)):
        case Scope.INSTALLATION:
            return THE_INSTALLATION
        case Scope.APP:
            return str(facts.integration.app)
        case _:
            return str(facts.integration)


def _scope_of(kind: type[Finding]) -> Scope:
    # A refusal at an app's door is found in the facts of each of its integrations.
    return Scope.APP if kind.is_at_door else kind.scope


def _subjects_in(facts: Facts) -> tuple[str, str]:
    integration = facts.integration
    return f"integration:{integration.pk}", f"app:{integration.app_id}"
