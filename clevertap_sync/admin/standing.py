"""How everything stands that a person may see: a line each, sick ones first."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from clevertap_sync import insight
from clevertap_sync.admin.cards import CHANGE, Cause, Line, causes_of, line_of
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.models import Integration
from referrals import access

if TYPE_CHECKING:
    from referrals.access import Person

SEES_INGEST: Final = "referrals.view_referralevent"


def lines_of(person: "Person", now: datetime) -> list[Line]:
    """Return each integration that the person sees and that is not archived.

    Call it inside `insight.snapshot()`.
    """
    seen = access.limited(
        Integration.objects.all(),
        person,
        "app",
        *("clevertap_sync.view_integration", CHANGE),
    )
    lines = [line_of(facts) for facts in read_facts(insight.shown(seen), now)]
    return sorted(lines, key=lambda line: line.rank)


def causes_elsewhere(
    person: "Person", now: datetime
) -> list[tuple[str, tuple[Cause, ...]]]:
    """Return what is not well beside the integrations, of what the person may see.

    Each with the name of the app that it is about. Call it inside `insight.snapshot()`.
    """
    return [
        (str(app or "This installation"), causes_of(findings))
        for app, findings in insight.findings_elsewhere(now)
        if access.may(person, SEES_INGEST, app)
    ]
