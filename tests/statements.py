"""Rows that `reconciliation` writes, complete and plausible, each changed by keywords."""

from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.models import Account, Comparison, FirstSight, Statement

INSTALL: Final = "Referred App Install"
#: When a comparison began: as soon as yesterday had ended. Pages show the week before now.
NIGHT: Final = datetime.combine(datetime.now(UTC).date(), time(), UTC)
YESTERDAY: Final = NIGHT.date() - timedelta(days=1)


def a_statement(account: Account, **changes: Any) -> Statement:
    """Write a statement of yesterday's app installs: ten, as delivered."""
    name = changes.setdefault("name", INSTALL)
    defaults = {
        "folded_name": normalise_event_name(name),
        "day": YESTERDAY,
        "delivered": 10,
        "counted": 10,
        "compared_at": NIGHT,
    }
    return Statement.objects.create(account=account, **{**defaults, **changes})


def a_cause(code: str = "name_discarded", size: int = -3, sentence: str = "") -> Any:
    """Return a cause as a statement keeps it."""
    return {"code": code, "size": size, "sentence": sentence or f"It is {code}."}


def a_comparison(account: Account, **changes: Any) -> Comparison:
    """Write a comparison that ended two minutes after it began, at night."""
    defaults = {
        "kind": Comparison.Kind.NIGHTLY,
        "night": NIGHT.date(),
        "state": Comparison.State.DONE,
        "created_at": NIGHT,
        "began_at": NIGHT,
        "ended_at": NIGHT + timedelta(minutes=2),
        "requests": 8,
        "compared": 7,
    }
    return Comparison.objects.create(account=account, **{**defaults, **changes})


def a_first_sight(
    account: Account, minutes: float | None = 3, **changes: Any
) -> FirstSight:
    """Write the first sight of app installs; None: it was never shown."""
    name = changes.setdefault("name", INSTALL)
    shown_at = None if minutes is None else NIGHT + timedelta(minutes=minutes)
    defaults = {
        "folded_name": normalise_event_name(name),
        "first_at": NIGHT,
        "is_new": True,
        "asked": 3,
        "delivered": 10,
        "counted": 0 if minutes is None else 10,
        "asked_at": shown_at,
        "shown_at": shown_at,
    }
    return FirstSight.objects.create(account=account, **{**defaults, **changes})
