"""Unknown outcomes by cause: how many requests of an integration had no readable answer.

Retention removes attempts with their uploads, and leaves no more than their number: where
`RETENTION_DAYS` is less than `SHOWN_DAYS`, the causes of what was removed are missing.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from clevertap_sync.clevertap.unknown_causes import describe_cause
from clevertap_sync.insight.integration_query import ask_about
from clevertap_sync.models import Integration

SHOWN_DAYS: Final = 30


_CAUSES: Final = """
    SELECT integration_id, unknown_cause, count(*),
        count(CASE WHEN began_at >= %(since)s THEN 1 END) AS lately
    FROM clevertap_sync_attempt
    WHERE integration_id IN ({ids}) AND outcome_unknown AND NOT dry_run
    GROUP BY integration_id, unknown_cause
    ORDER BY lately DESC, unknown_cause
"""


class UnknownOutcomes(NamedTuple):
    """`total` is of all times; `by_cause` of the last `SHOWN_DAYS`, most first."""

    total: int
    by_cause: dict[str, int]


class ShownCause(NamedTuple):
    """One cause as pages show it: "3 killed workers", and what to do."""

    code: str
    counted: str
    advice: str


def read_unknown_outcomes(
    integrations: Sequence[Integration], now: datetime
) -> dict[int, UnknownOutcomes]:
    """Count the uploads' requests without a readable answer: one query, by an index."""
    since = now - timedelta(days=SHOWN_DAYS)
    rows = ask_about([each.pk for each in integrations], _CAUSES, since=since)
    causes: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for key, *cause in rows:
        causes[key].append((cause[0], cause[1], cause[2]))
    return {
        each.pk: UnknownOutcomes(
            total=each.removed_unknown + sum(ever for _, ever, _ in causes[each.pk]),
            by_cause={code: lately for code, _, lately in causes[each.pk] if lately},
        )
        for each in integrations
    }


def list_causes(integration: Integration, now: datetime) -> list[ShownCause]:
    """Return the causes of the last `SHOWN_DAYS`, most first, each with what to do."""
    by_cause = read_unknown_outcomes([integration], now)[integration.pk].by_cause
    return [_show(code, count) for code, count in by_cause.items()]


def _show(code: str, count: int) -> ShownCause:
    words = describe_cause(code)
    return ShownCause(code, words.format_number(count), words.advice)
