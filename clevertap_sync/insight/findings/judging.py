"""All kinds of findings, and the order in which they count. Pure."""

from collections.abc import Sequence
from typing import Final

from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import (
    account,
    content,
    delivery,
    ingest,
    seen,
    sources,
)
from clevertap_sync.insight.findings.finding import Finding, Severity

#: Within a severity, an earlier kind counts more: a cause stands before its consequences.
KINDS: Final[Sequence[type[Finding]]] = (
    *account.KINDS,
    *ingest.KINDS,
    *sources.KINDS,
    *content.KINDS,
    *delivery.KINDS,
    *seen.KINDS,
)
_AT_DOORS: Final[Sequence[type[Finding]]] = (*ingest.KINDS, *sources.KINDS)
_ORDER: Final = {severity: rank for rank, severity in enumerate(Severity)}


def judge_ingest(facts: Facts) -> list[Finding]:
    """Return the findings of an app that has no integration, by rank."""
    return [finding for kind in _AT_DOORS for finding in kind.find(facts)]


def judge_facts(facts: Facts) -> list[Finding]:
    """Return the findings, by severity, then by rank. An empty list: all is well."""
    found = [finding for kind in KINDS for finding in kind.find(facts)]
    return sorted(found, key=lambda finding: _ORDER[finding.severity])
