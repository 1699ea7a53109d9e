"""Unknown outcomes by cause: how many requests of an integration had no readable answer.

Retention removes attempts with their uploads, and leaves no more than their number: where
`RETENTION_DAYS` is less than `SHOWN_DAYS`, the causes of what was removed are missing.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Count, Q

from clevertap_sync.clevertap.unknown_causes import describe_cause
from clevertap_sync.models import Attempt, Integration

SHOWN_DAYS: Final = 30


class UnknownOutcomes(NamedTuple):
    """`total` is of all times; `by_cause` of the last `SHOWN_DAYS`, most first."""

    total: int
    by_cause: dict[str, int]


class ShownCause(NamedTuple):
    """One cause as pages show it: "3 killed workers", and what to do."""

    code: str
    counted: str
    advice: str


def count_unknown_outcomes(integration: Integration, now: datetime) -> UnknownOutcomes:
    """Count the uploads' requests without a readable answer: one query, by an index."""
    attempts = Attempt.objects.filter(
        integration=integration, outcome_unknown=True, dry_run=False
    )
    is_late = Q(began_at__gte=now - timedelta(days=SHOWN_DAYS))
    sums = attempts.values_list("unknown_cause").annotate(
        ever=Count("*"), lately=Count("pk", filter=is_late)
    )
    rows = list(sums.order_by("-lately", "unknown_cause"))
    return UnknownOutcomes(
        total=integration.removed_unknown + sum(count for _, count, _ in rows),
        by_cause={code: lately for code, _, lately in rows if lately},
    )


def list_causes(integration: Integration, now: datetime) -> list[ShownCause]:
    """Return the causes of the last `SHOWN_DAYS`, most first, each with what to do."""
    by_cause = count_unknown_outcomes(integration, now).by_cause
    return [_show(code, count) for code, count in by_cause.items()]


def _show(code: str, count: int) -> ShownCause:
    words = describe_cause(code)
    return ShownCause(code, words.format_number(count), words.advice)
