"""Counts what became of a source's calls, in memory; `ingest` writes it down.

The log counts what it answers. What it cannot know is counted here: calls, and items that
became no event; and what the events of a call carry. A sample of ours is no call of the
platform's, and counts as nothing.
"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

from referrals.api.problems import ProblemError
from referrals.hooks import last_calls
from referrals.hooks.known_sources import KnownSource
from referrals.hooks.spool import LOSS_MEANINGS, LossReason
from referrals.ingest.background import count_each, count_ingest
from referrals.ingest.counter import NO_IDENTITY, CountKey, IngestOutcome
from referrals.log import Status
from referrals.schema import IncomingEvent
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import Reason
from referrals.sources.verifiers import Unverified

if TYPE_CHECKING:
    from referrals.hooks.receive_call import Received

_UNREADABLE: Final = "body_unreadable"
#: The column of a code is as long.
_CODE_CHARACTERS: Final = 255
_STORED: Final = (Status.ACCEPTED, Status.DUPLICATE, Status.CONFLICT)


def count_unverified(source: KnownSource, unverified: Unverified) -> None:
    """Count a call that is not the platform's, with the check that it did not pass."""
    outcome = IngestOutcome.UNAUTHORISED
    last_calls.note_call(source, [(outcome, unverified.check, 1)])
    count_ingest(
        CountKey(source.app.pk, source.way, outcome, unverified.check),
        detail=unverified.detail,
    )


def count_unreadable(source: KnownSource, problem: ProblemError) -> None:
    """Count a call whose body did not come whole, or is too large."""
    code = problem.kind.code or _UNREADABLE
    outcome = IngestOutcome.REJECTED
    last_calls.note_call(source, [(last_calls.UNREAD, code, 1)])
    count_ingest(
        CountKey(source.app.pk, source.way, outcome, code), detail=problem.detail
    )


def count_spooled(source: KnownSource, number: int) -> None:
    """Count events that were put into the spool."""
    count_ingest(CountKey(source.app.pk, source.way, IngestOutcome.SPOOLED), number)


def count_lost(source: KnownSource, number: int, reason: LossReason) -> None:
    """Count events that are neither in the log nor in the spool, and come no more."""
    count_ingest(
        CountKey(source.app.pk, source.way, IngestOutcome.LOST, reason),
        number,
        detail=LOSS_MEANINGS[reason],
    )


def count_received(
    source: KnownSource, received: "Received", *, is_sample: bool
) -> None:
    """Count a verified call, unless it is a sample. The log has counted its events."""
    last_calls.note_call(source, last_calls.judge_call(received), is_sample=is_sample)
    if is_sample:
        return
    last_calls.note_refused(source, received.results)
    app_id, way = source.app.pk, source.way
    # The call last, as a new hour's first one has all of it written at once.
    causes = chain(
        _list_ignored(received), _list_carried(received), ((IngestOutcome.CALL, ""),)
    )
    count_each([CountKey(app_id, way, outcome, code) for outcome, code in causes])
    last_calls.note_first_call(source)


def _list_ignored(received: "Received") -> Iterator[tuple[IngestOutcome, str]]:
    """Yield why items became no event, and the names of those that were not chosen."""
    for each in received.outcomes:
        if isinstance(each, Ignored):
            yield IngestOutcome.IGNORED, each.reason
            if each.reason is Reason.NOT_CHOSEN and each.kind:
                yield IngestOutcome.SEEN, _make_code(each.kind)


def _list_carried(received: "Received") -> Iterator[tuple[IngestOutcome, str]]:
    """Yield which identities the users of stored events carry, and missing referrers."""
    for event, result in zip(received.events, received.results, strict=False):
        if not isinstance(event, IncomingEvent) or result.status not in _STORED:
            continue
        if event.user is not None:
            for provider in event.user.identities or (NO_IDENTITY,):
                yield IngestOutcome.IDENTITY, provider
        if event.referrer is None:
            yield IngestOutcome.UNREFERRED, ""


def _make_code(kind: str) -> str:
    """Return what a platform calls an event as the database takes it."""
    storable = kind.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return storable.encode(errors="replace").decode()[:_CODE_CHARACTERS]
