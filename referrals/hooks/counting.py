"""Counts what became of a source's calls, in memory; `ingest` writes it down."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from referrals.api.problems import ProblemError
from referrals.hooks.known_sources import KnownSource
from referrals.ingest.background import count_ingest
from referrals.ingest.counter import CountKey, IngestOutcome
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.verifiers import Unverified

if TYPE_CHECKING:
    from referrals.hooks.receive_call import Received

_UNREADABLE: Final = "body_unreadable"


def count_unverified(source: KnownSource, unverified: Unverified) -> None:
    """Count a call that is not the platform's, with the check that it did not pass."""
    count_ingest(
        CountKey(
            source.app.pk, source.way, IngestOutcome.UNAUTHORISED, unverified.check
        ),
        detail=unverified.detail,
    )


def count_unreadable(source: KnownSource, problem: ProblemError) -> None:
    """Count a call whose body did not come whole, or is too large."""
    code = problem.kind.code or _UNREADABLE
    count_ingest(
        CountKey(source.app.pk, source.way, IngestOutcome.REJECTED, code),
        detail=problem.detail,
    )


def count_received(
    source: KnownSource, received: "Received", *, is_sample: bool
) -> None:
    """Count a verified call, unless it is a sample. The log has counted its events."""
    if is_sample:
        return
    reasons = Counter(
        each.reason for each in received.outcomes if isinstance(each, Ignored)
    )
    count_ingest(CountKey(source.app.pk, source.way, IngestOutcome.CALL))
    for reason, number in reasons.items():
        count_ingest(
            CountKey(source.app.pk, source.way, IngestOutcome.IGNORED, reason), number
        )
