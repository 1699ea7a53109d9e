"""What is said of the events that the log has answered: to their caller, and in the log line."""

from collections.abc import Mapping, Sequence
from typing import Any

from referrals.api.answers import Receipt
from referrals.log import Result, Status
from referrals.models import App

StatusCounts = Mapping[Status, int]


def is_nothing_stored(counts: StatusCounts, number: int) -> bool:
    """Return whether all of so many events were refused: the same would be so again."""
    return counts[Status.REJECTED] + counts[Status.CONFLICT] == number


def make_receipt(counts: StatusCounts, results: Sequence[Result]) -> Receipt:
    """Return the answer to events of which some are in the log."""
    return Receipt(
        accepted=counts[Status.ACCEPTED],
        duplicates=counts[Status.DUPLICATE],
        conflicts=counts[Status.CONFLICT],
        rejected=counts[Status.REJECTED],
        results=results,
    )


def list_log_fields(app: App, counts: StatusCounts) -> dict[str, Any]:
    """Return what the request's log line says beside its status: the app, and the numbers."""
    numbers = {status.value: number for status, number in counts.items() if number}
    return {"app": app.slug, **numbers}
