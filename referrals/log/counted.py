"""Counts the log's answers, for `ingest`."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from referrals.ingest.background import count_ingest
from referrals.ingest.counter import CountKey, IngestOutcome, redact_pointer
from referrals.log.results import Result, Status, count_statuses
from referrals.models import is_way_of_source
from referrals.refusals import Code

_TAKEN: Final = {
    Status.ACCEPTED: IngestOutcome.ACCEPTED,
    Status.DUPLICATE: IngestOutcome.DUPLICATE,
}
_REFUSED: Final = {
    Status.CONFLICT: IngestOutcome.CONFLICT,
    Status.REJECTED: IngestOutcome.REJECTED,
}


def count_answers(
    database: BaseDatabaseWrapper,
    app_id: int,
    way: str,
    answers: Sequence[Result],
    *,
    may_differ: bool = False,
) -> None:
    """Count the answers to one request that came by `way`, once they hold.

    A conflict is counted as a duplicate where a platform told of the events, by a source
    or as `may_differ` says: it may know more by then, and nobody can mend it there.
    """
    may_differ = may_differ or is_way_of_source(way)
    if database.in_atomic_block:
        # If the caller's transaction rolls back, the answers never held.
        count = partial(_count, app_id, way, answers, may_differ=may_differ)
        database.on_commit(count, robust=True)
    else:
        _count(app_id, way, answers, may_differ=may_differ)


def count_archived(app_id: int, way: str, number: int, detail: str) -> None:
    """Count the events of a request to an archived app."""
    count_key = CountKey(app_id, way, IngestOutcome.REJECTED, Code.APP_ARCHIVED)
    count_ingest(count_key, number, detail=detail)


def _count(
    app_id: int, way: str, answers: Sequence[Result], *, may_differ: bool
) -> None:
    statuses = count_statuses(answers)
    if may_differ and (number := statuses.pop(Status.CONFLICT, 0)):
        count_ingest(
            CountKey(app_id, way, IngestOutcome.DUPLICATE, Code.CONFLICT), number
        )
    for status, outcome in _TAKEN.items():
        if number := statuses.pop(status, 0):
            count_ingest(CountKey(app_id, way, outcome), number)
    if any(statuses.values()):
        _count_refused(app_id, way, answers, may_differ=may_differ)


def _count_refused(
    app_id: int, way: str, answers: Iterable[Result], *, may_differ: bool
) -> None:
    for answer in answers:
        outcome = _REFUSED.get(answer.status)
        if outcome and not (may_differ and outcome is IngestOutcome.CONFLICT):
            count_ingest(
                CountKey(app_id, way, outcome, answer.code or ""),
                pointer=redact_pointer(answer.pointer or ""),
                detail=answer.detail or "",
                key=answer.id or "" if outcome is IngestOutcome.CONFLICT else "",
            )
