"""From a verified call to the log."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
from django.db import DatabaseError, InterfaceError

from referrals import log
from referrals.hooks import counting, outage, spool
from referrals.hooks.deadline import NotCommittedError, NotDoneError, append_within
from referrals.hooks.known_sources import KnownSource
from referrals.hooks.spool import NotSpooledError
from referrals.ingest.counter import WayIn
from referrals.log import Result, Sendable
from referrals.refusals import MEANINGS, Code
from referrals.schema import (
    EventProblem,
    IncomingEvent,
    check_object,
    decode_event,
)
from referrals.sources.call import Call
from referrals.sources.mapping.outcome import Ignored, Outcome
from referrals.sources.mapping.rules import Choices
from referrals.sources.mapping.translate import translate_call
from referrals.sources.verifiers import hide_secret

#: What the log has for a call. Branch waits two seconds for the answer.
DEADLINE_SECONDS: Final = 1.0

logger: Final = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder().encode


class Received(msgspec.Struct, frozen=True):
    """What became of a verified call.

    `outcomes` has one for each item: an event as the log takes it, the reason why there is
    none, or a refusal. `results` has the log's answer to each outcome that is no `Ignored`,
    in order; it is empty where nothing was committed, and `is_committed` is False then. With
    `is_spooled`, the good events wait in the spool, and come into the log by themselves.
    """

    outcomes: tuple[IncomingEvent | EventProblem | Ignored, ...]
    results: tuple[Result, ...] = ()
    is_committed: bool = True
    is_spooled: bool = False

    @property
    def events(self) -> list[IncomingEvent | EventProblem]:
        """What was there to append, refusals among it."""
        return [each for each in self.outcomes if not isinstance(each, Ignored)]


def read_events(
    source: KnownSource, call: Call, *, choices: Choices | None = None
) -> tuple[IncomingEvent | EventProblem | Ignored, ...]:
    """Return what becomes of each item of a verified call. Stores nothing; never raises."""
    return check_outcomes(
        translate_call(
            hide_secret(source.verifier, call),
            source.mapping,
            choices or source.choices,
            key=source.id_key,
        )
    )


def check_outcomes(
    outcomes: Iterable[Outcome],
) -> tuple[IncomingEvent | EventProblem | Ignored, ...]:
    """Return what a translation made, each event checked as the log checks those it takes."""
    now = datetime.now(UTC)
    return tuple(check_outcome(each, now) for each in outcomes)


def receive_call(
    source: KnownSource,
    call: Call,
    *,
    sample: str = "",
    request_id: str = "",
    seconds: float = DEADLINE_SECONDS,
) -> Received:
    """Append the events of the verified call `request_id`. Never raises a database's error.

    Raises `ArchivedAppError`. `sample` marks a sample of ours by a text that makes its ids
    its own: its events are test events, and count as those that a person sends.
    """
    if sample:
        choices = msgspec.structs.replace(source.choices, is_test=True)
        outcomes = rename_events(read_events(source, call, choices=choices), sample)
    else:
        outcomes = read_events(source, call)
    way = WayIn.ADMIN if sample else source.way
    return append_outcomes(
        source, outcomes, way=way, request_id=request_id, seconds=seconds
    )


def append_outcomes(
    source: KnownSource,
    outcomes: Sequence[IncomingEvent | EventProblem | Ignored],
    *,
    way: str = "",
    request_id: str = "",
    seconds: float = DEADLINE_SECONDS,
) -> Received:
    """Append the events among `outcomes`. Never raises a database's error.

    Raises `ArchivedAppError`. They count by `way`, the source's unless another is given;
    `request_id` names the call that brought them.
    """
    way = way or source.way
    # A sample of ours comes by another way, and a person can send it again.
    may_wait = not source.preset.resends and way == source.way
    received = Received(tuple(outcomes))
    now, events = datetime.now(UTC), received.events
    if not any(isinstance(each, IncomingEvent) for each in events):
        # Nothing for the database: refusals are only counted.
        results = log.append(source.app, events, way=way) if events else []
        return msgspec.structs.replace(received, results=tuple(results))
    # Who calls again may find the database back.
    if may_wait and not outage.database.begin_try():
        return _spool(source, received, now, request_id)
    try:
        results = _append(source, events, way, seconds, request_id)
    except (NotCommittedError, DatabaseError, InterfaceError) as error:
        logger.warning("A call was not committed: %s", type(error).__name__)
        outage.database.note_failure()
        if may_wait:
            return _spool(source, received, now, request_id, error)
        return msgspec.structs.replace(received, is_committed=False)
    outage.database.note_success()
    return msgspec.structs.replace(received, results=tuple(results))


def _spool(
    source: KnownSource,
    received: Received,
    received_at: datetime,
    request_id: str,
    error: Exception | None = None,
) -> Received:
    """Let the good events wait in the spool, or count them as lost: nobody sends them again."""
    good = [each for each in received.outcomes if isinstance(each, IncomingEvent)]
    try:
        spool.put_events(
            source.app, source.id, good, received_at, request_id=request_id
        )
    except NotSpooledError as failure:
        count_lost = partial(counting.count_lost, source, len(good), failure.reason)
        # What was late may still be committed, or put there.
        for late in (failure.late, error):
            if isinstance(late, NotDoneError):
                count_lost = partial(late.call_unless_done, count_lost)
        count_lost()
        return msgspec.structs.replace(received, is_committed=False)
    counting.count_spooled(source, len(good))
    if refused := [each for each in received.events if isinstance(each, EventProblem)]:
        log.append(source.app, refused, way=source.way)
    return msgspec.structs.replace(received, is_committed=False, is_spooled=True)


def _append(
    source: KnownSource,
    events: Sequence[Sendable],
    way: str,
    seconds: float,
    request_id: str,
) -> list[Result]:
    try:
        return append_within(
            source.app, events, way=way, seconds=seconds, request_id=request_id
        )
    except DatabaseError as error:
        if not log.is_fault_of_event(error):
            raise
        if len(events) > 1:
            return [
                msgspec.structs.replace(result, index=index)
                for index, event in enumerate(events)
                for result in _append(source, [event], way, seconds, request_id)
            ]
        logger.warning("The database refused an event: %s", type(error).__name__)
        (event,) = events
        problem = EventProblem(
            Code.UNSTORABLE, "", MEANINGS[Code.UNSTORABLE], getattr(event, "id", None)
        )
        return append_within(source.app, [problem], way=way, seconds=seconds)


def check_outcome(
    outcome: Outcome, now: datetime
) -> IncomingEvent | EventProblem | Ignored:
    """Return an outcome as the log takes it, or the same one where it is no event."""
    if isinstance(outcome, Ignored | EventProblem):
        return outcome
    try:
        raw = _encode(outcome)
    except UnicodeEncodeError:  # half a surrogate pair
        return check_object(outcome, now=now)
    # An encoder turns NaN into null without a word.
    is_doubtful = b"null" in raw
    return check_object(outcome, now=now) if is_doubtful else decode_event(raw, now=now)


def rename_events(
    outcomes: Iterable[IncomingEvent | EventProblem | Ignored], sample: str
) -> tuple[IncomingEvent | EventProblem | Ignored, ...]:
    """Return the outcomes of a sample, with ids that no call of the platform has."""
    return tuple(
        msgspec.structs.replace(each, id=f"sample.{sample}.{each.id}"[:200])
        if isinstance(each, IncomingEvent)
        else each
        for each in outcomes
    )
