"""Storing drafts: one short transaction under the app's lock."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from referrals import failpoints
from referrals.failpoints import Place
from referrals.log.completing import complete_rows
from referrals.log.dialects import find_dialect
from referrals.log.drafts import Draft
from referrals.log.names import number_names
from referrals.log.one_call import store_at_once
from referrals.log.results import Result, Status, make_conflict
from referrals.log.rows import FoundEvent, LogEnd, LogTip
from referrals.log.sightings import look_up_sightings, write_changes
from referrals.log.strict import has_refusal, take_back_new
from referrals.models import App
from referrals.signals import events_recorded
from referrals.vocabulary import EventType

Answers = Sequence[Result]
# To look a member up in its enum takes as long as to make an answer.
_ACCEPTED: Final = Status.ACCEPTED
_DUPLICATE: Final = Status.DUPLICATE
_IDENTIFY: Final = EventType.IDENTIFY
#: Gets the answers right after the commit, before a worker is rung.
Committed = Callable[[Answers], None]


def store_drafts(
    app_id: int,
    drafts: Sequence[Draft],
    *,
    strict: bool = False,
    committed: Committed | None = None,
) -> Answers:
    """Store the new ones of `drafts` after the log's head; answer each, in order.

    With `strict`, one conflict means that nothing is stored.
    """
    # To ask which connection is this thread's takes longer than to ask the connection.
    database = connections[DEFAULT_DB_ALIAS]
    answers = None if strict else _try_at_once(database, app_id, drafts, committed)
    if answers is None:
        answers = _store_in_steps(database, app_id, drafts, committed, strict=strict)
    return answers


def _try_at_once(
    database: BaseDatabaseWrapper,
    app_id: int,
    drafts: Sequence[Draft],
    committed: Committed | None,
) -> Answers | None:
    """Return None, and have stored nothing, where it takes several steps."""
    tip = store_at_once(database, app_id, drafts)
    if tip is None:
        return None
    fresh, answers = _decide(drafts, tip)
    if tip.found and fresh:
        return None
    if committed:
        _do_after_commit(database, partial(committed, answers))
    if fresh:
        _ring_after_commit(database, app_id, tip.head, fresh)
    return answers


def _store_in_steps(
    database: BaseDatabaseWrapper,
    app_id: int,
    drafts: Sequence[Draft],
    committed: Committed | None,
    *,
    strict: bool,
) -> Answers:
    dialect = find_dialect()
    with transaction.atomic(), database.cursor() as cursor:
        # In their order: keys that were made one after the other lie side by side.
        keys = list(dict.fromkeys(draft.key for draft in drafts))
        end = dialect.lock_and_look_up(cursor, app_id, keys)
        fresh, answers = _decide(drafts, end)
        if strict and has_refusal(answers):
            return take_back_new(answers, end.head)
        if committed:
            _do_after_commit(database, partial(committed, answers))
        if fresh:
            marks = {seen.mark for draft in fresh for seen in draft.sightings}
            earlier = look_up_sightings(cursor, app_id, dialect, marks)
            numbers = number_names(app_id, end.head, [draft.content for draft in fresh])
            rows = complete_rows(fresh, end.now, numbers, earlier)
            dialect.insert_rows(cursor, app_id, end, rows)
            write_changes(cursor, app_id, dialect, earlier)
            _ring_after_commit(database, app_id, end.head, fresh)
            failpoints.reach_failpoint(Place.APPEND_WRITTEN)
    return answers


def _decide(
    drafts: Sequence[Draft], end: LogEnd | LogTip
) -> tuple[Sequence[Draft], list[Result]]:
    """Return the new drafts, and the answer to each draft. Pure, given the log's end."""
    if not end.found and len({draft.key for draft in drafts}) == len(drafts):
        return drafts, [
            Result(draft.index, draft.key, _ACCEPTED, position, warnings=draft.warnings)
            for position, draft in enumerate(drafts, end.head + 1)
        ]
    found = dict(end.found)
    fresh: list[Draft] = []
    answers: list[Result] = []
    for draft in drafts:
        key = draft.key
        stored = found.get(key)
        if stored is None:
            fresh.append(draft)
            stored = found[key] = FoundEvent(end.head + len(fresh), draft.fingerprint)
            answer = _make_answer(draft, _ACCEPTED, stored.position)
        elif stored.fingerprint in (None, draft.fingerprint):
            answer = _make_answer(draft, _DUPLICATE, stored.position)
        else:
            answer = make_conflict(draft.index, key, stored.position)
        answers.append(answer)
    return fresh, answers


def _make_answer(draft: Draft, status: Status, position: int) -> Result:
    return Result(draft.index, draft.key, status, position, warnings=draft.warnings)


def _ring_after_commit(
    database: BaseDatabaseWrapper, app_id: int, before: int, fresh: Sequence[Draft]
) -> None:
    """Ring once `fresh`, which come after the head `before`, are committed."""
    only_people = all(draft.type is _IDENTIFY for draft in fresh)
    head = before + len(fresh)

    def ring() -> None:
        failpoints.reach_failpoint(Place.APPEND_COMMITTED)
        events_recorded.send_robust(
            sender=App, app_id=app_id, head=head, only_people=only_people
        )

    _do_after_commit(database, ring, robust=True)


def _do_after_commit(
    database: BaseDatabaseWrapper, do: Callable[[], None], *, robust: bool = False
) -> None:
    """Do it once the transaction commits: at once, where the call was one."""
    if database.in_atomic_block or failpoints.is_armed(Place.APPEND_COMMITTED):
        database.on_commit(do, robust=robust)
    else:
        do()
