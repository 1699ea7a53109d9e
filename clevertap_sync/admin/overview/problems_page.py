"""Problems: dead letters grouped by integration and reason, each with what to do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from clevertap_sync import insight
from clevertap_sync.admin.deliveries import replay_plan
from clevertap_sync.admin.overview.cards import FindingOnCard
from clevertap_sync.admin.overview.standing import read_standing
from clevertap_sync.clevertap.reasons import (
    OUTCOME_UNKNOWN,
    REASONS,
    Reason,
    find_reason,
)
from clevertap_sync.insight.findings import Severity
from clevertap_sync.insight.findings.delivery import LettersFinding
from clevertap_sync.insight.parked_letters import count_parked_letters
from clevertap_sync.models import DeadLetter, Integration, Replay
from clevertap_sync.process import clock
from referrals import access
from referrals.admin import rejected_admin
from referrals.admin.kit.base import demand_permission

_SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class LettersOfReason:
    """The open dead letters of one integration and reason.

    `first_seen` and `last_seen` are about its oldest and its newest event in the log.
    """

    integration: Integration
    reason: Reason
    count: int
    percent: int
    first_seen: datetime | None
    last_seen: datetime | None
    samples: tuple[DeadLetter, ...]
    letters_url: str
    may_replay: bool
    #: What CleverTap's counts say of them, where they are of unknown outcome.
    in_counts: str = ""


@require_safe
def show_problems(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the open dead letters in groups, the largest first."""
    demand_permission(request, "clevertap_sync.view_deadletter")
    context = {
        **site.each_context(request),
        "title": "Problems",
        "problems": group_open_letters(request),
        "causes": list_other_findings(request),
        "rejected": rejected_admin.list_newest_rejected(request),
    }
    return TemplateResponse(request, "clevertap_sync/problems.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def show_problem_replay(
    request: HttpRequest, integration_id: int, reason: str, site: AdminSite
) -> HttpResponse:
    """Show the plan for all open dead letters of a reason; a POST orders it."""
    if reason not in REASONS:
        raise Http404
    integration = get_object_or_404(
        Integration.objects.select_related("app", "account"),
        pk=integration_id,
        archived_at=None,
    )
    demand_permission(request, replay_plan.REPLAY, integration.app)
    if request.method == "POST":
        page = site.get_model_admin(Replay)
        ordered = replay_plan.order_replay(request, page, integration, reasons=[reason])
        return redirect("admin:clevertap_sync_replay_change", ordered.pk)
    context = {
        **site.each_context(request),
        "title": "Replay these dead letters?",
        "plans": [replay_plan.plan_replay(integration, reasons=[reason])],
        "reason": REASONS[reason],
        "back": reverse("admin:problems"),
    }
    return TemplateResponse(request, "clevertap_sync/replay_plan.html", context)


def list_other_findings(request: HttpRequest) -> list[tuple[str, FindingOnCard]]:
    """Return (subject, finding) for findings other than dead letters."""
    with insight.read_in_snapshot():
        standing = read_standing(request.user, clock.read_now())
    lines = [(str(line.integration), line.causes) for line in standing.lines]
    return [
        (name, cause)
        for name, shown in (*lines, *standing.elsewhere)
        for cause in shown
        if not isinstance(cause.finding, LettersFinding)
        and cause.finding.severity is not Severity.INFO
    ]


def group_open_letters(request: HttpRequest) -> list[LettersOfReason]:
    """Return the open dead letters that the person may see, in groups, largest first."""
    visible = access.limit_to_apps(
        Integration.objects.all(),
        request.user,
        "app",
        "clevertap_sync.view_deadletter",
    )
    integrations = {each.pk: each for each in insight.list_integrations_shown(visible)}
    # Everything is in the index `open_reasons`: no row is read.
    rows: list[Any] = list(
        DeadLetter.objects.open()
        .filter(integration__in=list(integrations))
        .values("integration", "reason")
        .annotate(n=Count("*"))
        .order_by("-n", "reason")
    )
    total = sum(row["n"] for row in rows)
    return [
        _describe_group(request, row, integrations[row["integration"]], total)
        for row in rows
    ]


def _describe_group(
    request: HttpRequest, row: dict[str, Any], integration: Integration, total: int
) -> LettersOfReason:
    letters = DeadLetter.objects.open().filter(
        integration=integration, reason=row["reason"]
    )
    code = row["reason"]
    is_doubtful = code == OUTCOME_UNKNOWN
    parked = count_parked_letters([integration.pk]) if is_doubtful else {}
    samples = tuple(letters.order_by("-position")[:_SAMPLES])
    oldest = letters.order_by("position").first()
    shown = [each for each in (oldest, *samples) if each is not None]
    query = urlencode(
        [
            ("integration__id__exact", integration.pk),
            ("reason", code),
            ("state__exact", DeadLetter.State.OPEN),
        ]
    )
    return LettersOfReason(
        integration=integration,
        reason=find_reason(code),
        count=row["n"],
        percent=round(100 * row["n"] / total),
        first_seen=min((each.created_at for each in shown), default=None),
        last_seen=max((each.changed_at for each in shown), default=None),
        samples=samples,
        in_counts=parked[integration.pk].sentence if parked else "",
        may_replay=request.user.has_perm(replay_plan.REPLAY, integration.app),
        letters_url=f"{reverse('admin:clevertap_sync_deadletter_changelist')}?{query}",
    )
