"""What is noted of calls beside their numbers, in memory, and written along with the counts.

The last calls of each source with their verdicts, when its first one came, and the items
that the log refused. Nothing of it holds what a call said, but for the id and the place of
a refused item.
"""

import os
import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from django.db import transaction

from referrals.hooks.known_sources import KnownSource
from referrals.ingest import background
from referrals.ingest.counter import IngestOutcome
from referrals.log import Result, Status
from referrals.models import Source, SourceCall
from referrals.refusals import Code
from referrals.rejections import record_rejections
from referrals.sources.mapping.outcome import Ignored

if TYPE_CHECKING:
    from referrals.hooks.receive_call import Received

#: Of each source.
KEPT_CALLS: Final = 20
#: Of each source, beside them: calls that were not known to be the platform's. Whoever knows
#: the address can send any number of those.
KEPT_STRANGE: Final = 5
#: Refused items that wait to be written: the newest of a process, so that a flood writes as
#: many rows every few seconds.
MOST_REFUSED: Final = 100
#: The verdict on items that the platform was asked to send again.
BUSY: Final = "busy"
#: The verdict on a call that could not be read, and so not be checked.
UNREAD: Final = "unread"

#: Verdicts on calls that are not known to be the platform's.
_STRANGE: Final = (IngestOutcome.UNAUTHORISED.value, UNREAD)
_SOURCE_CHARACTERS: Final = 30

#: How many items of a call had an outcome and a code.
Verdict = Sequence[tuple[str, str, int]]


class _Call(NamedTuple):
    at: datetime
    is_sample: bool
    verdict: Verdict


class _Shelf(NamedTuple):
    """Where a call is kept: strange ones push out only one another."""

    source_id: int
    is_strange: bool

    @property
    def room(self) -> int:
        return KEPT_STRANGE if self.is_strange else KEPT_CALLS


class _Refused(NamedTuple):
    app_id: int
    source_id: int
    result: Result


class _Notes(NamedTuple):
    """What was noted and is not written yet. Its size follows from the number of sources."""

    calls: dict[_Shelf, deque[_Call]]
    first: dict[int, datetime]
    refused: deque[_Refused]


def _make_notes() -> _Notes:
    return _Notes({}, {}, deque(maxlen=MOST_REFUSED))


class _Notebook:
    """The notes of this process, until `take` removes them. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._notes = _make_notes()
        # The sources whose first call was noted.
        self._called: set[int] = set()

    def add_call(self, shelf: _Shelf, call: _Call) -> None:
        """Note a call; the oldest beyond those that are kept goes."""
        with self._mutex:
            self._find_calls(shelf).append(call)

    def add_first(self, source_id: int, at: datetime) -> bool:
        """Note a first call; return whether none was noted before."""
        with self._mutex:
            is_first = source_id not in self._called
            self._called.add(source_id)
            if is_first:
                self._notes.first[source_id] = at
        return is_first

    def add_refused(self, refused: Iterable[_Refused]) -> None:
        """Note refused items; the oldest beyond the bound go."""
        with self._mutex:
            self._notes.refused.extend(refused)

    def take(self) -> _Notes:
        """Return the notes, and begin anew."""
        with self._mutex:
            taken, self._notes = self._notes, _make_notes()
        return taken

    def put_back(self, taken: _Notes) -> None:
        """Add back notes that could not be written, without the refused items.

        One may name a person who is erased before the database answers again.
        """
        with self._mutex:
            for shelf, calls in taken.calls.items():
                kept = self._find_calls(shelf)
                newer = list(kept)
                kept.clear()
                kept.extend([*calls, *newer])
            self._notes.first.update(taken.first)

    def _find_calls(self, shelf: _Shelf) -> deque[_Call]:
        return self._notes.calls.setdefault(shelf, deque(maxlen=shelf.room))


_notebook = _Notebook()


def note_call(
    source: KnownSource, verdict: Verdict, *, is_sample: bool = False
) -> None:
    """Note a call of a source and what became of it."""
    _notebook.add_call(
        _find_shelf(source.id, verdict), _Call(datetime.now(UTC), is_sample, verdict)
    )
    background.write_soon()


def note_first_call(source: KnownSource) -> None:
    """Note a verified call that is no sample, and have it written at once if it is the first."""
    if source.has_been_called:
        return
    if _notebook.add_first(source.id, datetime.now(UTC)):
        background.write_soon(at_once=True)


def note_refused(source: KnownSource, results: Iterable[Result]) -> None:
    """Note the items of a call that the log refused."""
    refused = [
        _Refused(source.app.pk, source.id, each)
        for each in results
        if each.status is Status.REJECTED
    ]
    if refused:
        _notebook.add_refused(refused)


def judge_call(received: "Received") -> Verdict:
    """Return what became of the items of a verified call."""
    results = iter(received.results)
    absent = IngestOutcome.SPOOLED.value if received.is_spooled else BUSY
    if len(received.outcomes) == 1 and received.results:
        # Nearly every call has one event.
        return [(*_judge_result(received.results[0], absent), 1)]
    verdict = Counter(
        (IngestOutcome.IGNORED.value, each.reason.value)
        if isinstance(each, Ignored)
        else _judge_result(next(results, None), absent)
        for each in received.outcomes
    )
    return [(outcome, code, number) for (outcome, code), number in verdict.items()]


def write_last_calls() -> None:
    """Write what was noted, in one transaction. It is kept while the database is away.

    Raises the database's errors.
    """
    taken = _notebook.take()
    if not any(taken):
        return
    try:
        with transaction.atomic():
            _write(taken)
    except Exception:
        _notebook.put_back(taken)
        raise


def clear_last_calls() -> None:
    """Drop what is not written, and what this process remembers."""
    global _notebook  # noqa: PLW0603 - one memory per process
    _notebook = _Notebook()


def _judge_result(result: Result | None, absent: str) -> tuple[str, str]:
    if result is None:
        return absent, ""
    if result.status is Status.CONFLICT:
        return IngestOutcome.DUPLICATE.value, Code.CONFLICT.value
    return result.status.value, result.code or ""


def _write(taken: _Notes) -> None:
    # A source that is gone meanwhile would be in the way of the others.
    asked = {each.source_id for each in taken.calls}
    asked |= {each.source_id for each in taken.refused}
    rows = Source.objects.filter(pk__in=asked).order_by()
    names = dict(rows.values_list("pk", "name"))
    for source_id, at in sorted(taken.first.items()):
        Source.objects.filter(pk=source_id, first_call_at=None).update(first_call_at=at)
    _keep_calls(
        {
            shelf: calls
            for shelf, calls in taken.calls.items()
            if shelf.source_id in names
        }
    )
    for app_id, source_id in sorted({each[:2] for each in taken.refused}):
        results = [each.result for each in taken.refused if each.source_id == source_id]
        if source_id in names:
            record_rejections(app_id, names[source_id][:_SOURCE_CHARACTERS], results)


def _keep_calls(calls: dict[_Shelf, deque[_Call]]) -> None:
    if not calls:
        return
    noted = [(shelf.source_id, call) for shelf in calls for call in calls[shelf]]
    SourceCall.objects.bulk_create(
        SourceCall(source_id=source_id, **call._asdict())
        for source_id, call in sorted(noted, key=lambda each: (each[0], each[1].at))
    )
    surplus = _list_surplus({shelf.source_id for shelf in calls})
    # Rows that another process removes at this moment are skipped.
    mine = SourceCall.objects.select_for_update(skip_locked=True).filter(pk__in=surplus)
    SourceCall.objects.filter(pk__in=list(mine.values_list("pk", flat=True))).delete()


def _list_surplus(sources: set[int]) -> list[int]:
    """Return the rows beyond those that are kept. There are few: each write removes them."""
    rows = SourceCall.objects.filter(source__in=sources).order_by("-pk")
    seen: Counter[_Shelf] = Counter()
    surplus = []
    for pk, source_id, verdict in rows.values_list("pk", "source_id", "verdict"):
        shelf = _find_shelf(source_id, verdict)
        seen[shelf] += 1
        if seen[shelf] > shelf.room:
            surplus.append(pk)
    return surplus


def _find_shelf(source_id: int, verdict: Verdict) -> _Shelf:
    return _Shelf(source_id, bool(verdict) and verdict[0][0] in _STRANGE)


background.write_along(write_last_calls)
os.register_at_fork(after_in_child=clear_last_calls)
