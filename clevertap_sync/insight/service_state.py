"""What strangers are told of delivery: the findings' verdict, without their words."""

from collections.abc import Sequence
from typing import Final

from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity, account, delivery
from clevertap_sync.insight.findings.account import HELD
from clevertap_sync.insight.findings.sentences import LATE_SECONDS
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.insight.status import list_integrations_shown, read_in_snapshot
from clevertap_sync.process import clock, worker_presence
from referrals.api.public_status import ServiceState

_KINDS: Final[Sequence[type[Finding]]] = (*account.KINDS, *delivery.KINDS)


def read_service_states() -> tuple[ServiceState, ServiceState]:
    """Return the state of delivery and that of the workers."""
    workers = _judge_workers()
    with read_in_snapshot():
        now = clock.read_now()
        rows = list(list_integrations_shown())
        facts = read_facts(rows, now, read_app_ingest(now))
    return judge_delivery(facts, workers), workers


def judge_delivery(facts: Sequence[Facts], workers: ServiceState) -> ServiceState:
    """Return `down` where no integration that a person wants delivers, for now or at all.

    What ends by itself within two minutes is no trouble, nor is a pause.
    """
    wanted = [each for each in facts if each.is_running or _is_stopped(each)]
    if workers is ServiceState.DOWN or (wanted and all(map(_is_stopped, wanted))):
        return ServiceState.DOWN
    if workers is ServiceState.DEGRADED or any(map(_is_troubled, wanted)):
        return ServiceState.DEGRADED
    return ServiceState.OK


def _judge_workers() -> ServiceState:
    silence = worker_presence.read_worker_silence()
    if silence is None or silence.is_too_long:
        return ServiceState.DOWN
    if worker_presence.list_failing_sweeps():
        return ServiceState.DEGRADED
    return ServiceState.OK


def _is_stopped(facts: Facts) -> bool:
    """Return whether a hold stops delivery that does not end by itself, or has lasted."""
    return any(
        HELD in finding.families
        and (finding.severity is Severity.ERROR or _is_late(facts))
        for kind in account.KINDS
        for finding in kind.find(facts)
    )


def _is_troubled(facts: Facts) -> bool:
    found = (finding for kind in _KINDS for finding in kind.find(facts))
    return _is_late(facts) or any(each.severity is Severity.ERROR for each in found)


def _is_late(facts: Facts) -> bool:
    return facts.lag_seconds > LATE_SECONDS
