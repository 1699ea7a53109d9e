"""All integrations that a person may see, a line each; those with findings first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from clevertap_sync import insight
from clevertap_sync.admin.overview.cards import (
    CHANGE,
    FindingOnCard,
    StandingLine,
    build_line,
    list_findings_on_card,
)
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.ingest_queries import read_app_ingest
from clevertap_sync.models import Integration
from referrals import access

if TYPE_CHECKING:
    from referrals.access import AdminUser

SEES_INGEST: Final = "referrals.view_referralevent"


@dataclass(frozen=True, slots=True)
class Standing:
    """The lines of integrations, and the findings about apps and the installation.

    `elsewhere` has the latter, each with the name of its app or of the installation.
    """

    lines: Sequence[StandingLine]
    elsewhere: Sequence[tuple[str, tuple[FindingOnCard, ...]]]


def read_standing(person: "AdminUser", now: datetime) -> Standing:
    """Return the integrations and findings that the person may see, without archived ones.

    Call it inside `insight.read_in_snapshot()`.
    """
    visible = access.limit_to_apps(
        Integration.objects.all(),
        person,
        "app",
        *("clevertap_sync.view_integration", CHANGE),
    )
    app_ingest = read_app_ingest(now).limit_lonely(
        lambda app: access.has_permission(person, SEES_INGEST, app)
    )
    lines = [
        build_line(facts)
        for facts in read_facts(
            insight.list_integrations_shown(visible), now, app_ingest
        )
    ]
    elsewhere = [
        (str(app or "This installation"), list_findings_on_card(findings))
        for app, findings in insight.find_findings_elsewhere(now, app_ingest)
        if access.has_permission(person, SEES_INGEST, app)
    ]
    return Standing(sorted(lines, key=lambda line: line.rank), elsewhere)
