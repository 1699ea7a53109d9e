"""Delivery: every finding that pages and alerts read, and each integration that is well.

Findings about the installation and about apps without an integration are read along; each
stands in the area that it is about.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from clevertap_sync import insight
from clevertap_sync.insight import IntegrationStatus
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import (
    Finding,
    Link,
    Scope,
    Severity,
    judge_facts,
)
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.process import clock
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.reporting import report_finding
from referrals.words import format_count, format_span

_check = partial(Check, area=Area.DELIVERY)


def examine_delivery(*, checks_all_books: bool = True) -> Iterator[Check]:
    """Yield the findings, and a line for each integration that has no bad one.

    All books take the longer, the more uploads there are; otherwise the newest are checked.
    """
    with insight.read_in_snapshot():
        now = clock.read_now()
        rows = list(insight.list_integrations_shown())
        ingest = read_app_ingest(now)
        facts = read_facts(rows, now, ingest)
        statuses = insight.read_status_of_each(rows, checks_all_books=checks_all_books)
        elsewhere = insight.find_findings_elsewhere(now, ingest)
    books = "the books balance" if checks_all_books else "the newest books balance"
    for known, status in zip(facts, statuses, strict=True):
        yield from report_integration(known, status, books=books)
    for app, findings in elsewhere:
        for finding in findings:
            yield report_finding(finding, str(app) if app else "")
    if not rows:
        yield _check(
            code="no_integration_yet",
            state=State.INFO,
            sentence="There is no integration: nothing is delivered to CleverTap.",
            remedy="Connect CleverTap.",
            link=Link("Connect CleverTap", "clevertap_sync_integration_add"),
        )


def report_integration(
    facts: Facts, status: IntegrationStatus, *, books: str
) -> Iterator[Check]:
    """Yield the integration's findings; where none is bad, also where it stands."""
    integration = facts.integration
    findings = judge_facts(replace(facts, imbalances=status.imbalances))
    # What several integrations are told alike stands there once.
    subjects = {
        Scope.INTEGRATION: str(integration),
        Scope.APP: str(integration.app),
        Scope.INSTALLATION: "",
    }
    for finding in findings:
        yield report_finding(finding, subjects[finding.scope])
    if not any(map(_is_bad, findings)):
        yield _check(
            code="balanced",
            state=State.OK,
            sentence=f"{integration}: {_describe_standing(status)}, and {books}.",
            link=Link(
                "Open the integration",
                "clevertap_sync_integration_change",
                (integration.pk,),
            ),
            values={
                "integration": integration.pk,
                "backlog_events": status.backlog,
                "lag_seconds": status.lag_seconds,
                "delivered_records": status.delivered,
                "dead_letters": sum(status.dead_letters.values()),
            },
        )


def _is_bad(finding: Finding) -> bool:
    return finding.severity is not Severity.INFO


def _describe_standing(status: IntegrationStatus) -> str:
    waits = (
        f"{format_count(status.backlog, 'event')} in its backlog, the oldest "
        f"{format_span(status.lag_seconds)} old"
        if status.backlog
        else "nothing waits in the log"
    )
    return f"{format_count(status.delivered, 'record')} delivered, {waits}"
