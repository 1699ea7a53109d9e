"""Read the facts of the installation at one instant, and judge them."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Subquery

from clevertap_sync.insight.findings import Finding
from clevertap_sync.insight.findings.installation import KINDS
from clevertap_sync.insight.findings.installation_finding import (
    FailingAlert,
    InstallationFacts,
)
from clevertap_sync.insight.ingest_queries import IngestByApp
from clevertap_sync.insight.machinery_queries import (
    read_database_facts,
    read_processes,
)
from clevertap_sync.models import Notice
from clevertap_sync.process import worker_presence


def find_given_up_alerts() -> QuerySet[Notice]:
    """Return the failed notices of enabled alerts since one of the same alert was sent."""
    later = Notice.objects.filter(
        alert=OuterRef("alert"),
        state=Notice.State.SENT,
        sent_at__gt=OuterRef("due_at"),
    )
    failed = Notice.objects.filter(state=Notice.State.FAILED, alert__enabled=True)
    return failed.exclude(Exists(later))


def read_installation_facts(now: datetime, ingest: IngestByApp) -> InstallationFacts:
    """Return the installation's facts. It takes four queries."""
    newest = Notice.objects.filter(
        alert=OuterRef("alert"), state=Notice.State.FAILED
    ).order_by("-due_at", "-pk")
    # When the last attempt was due is when it was made: nothing waits after it.
    rows = (
        find_given_up_alerts()
        .values("alert", "alert__name", "alert__app")
        .annotate(
            count=Count("pk"),
            last_at=Max("due_at"),
            why=Subquery(newest.values("problem")[:1]),
        )
        .order_by("alert__name", "alert")
    )
    return InstallationFacts(
        now=now,
        refused=ingest.unknown_callers,
        sweeps=worker_presence.list_failing_sweeps(),
        processes=read_processes(now),
        database=read_database_facts(now),
        pool=settings.DATABASE_POOL,
        failing=tuple(
            FailingAlert(
                pk=row["alert"],
                name=row["alert__name"],
                app_id=row["alert__app"],
                count=row["count"],
                problem=row["why"],
                last_at=row["last_at"],
            )
            for row in rows
        ),
    )


def judge_installation(facts: InstallationFacts) -> list[Finding]:
    """Return the installation's findings, the most important first."""
    return [finding for kind in KINDS for finding in kind.find_all(facts)]
