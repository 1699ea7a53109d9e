"""A step of the projection: learn from the next events of an app's log.

The caller's transaction holds the lock of the app's progress, so that steps follow one
another; with it, all of a step is written, or nothing.
"""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from referrals import log, suppression
from referrals.learning.known import Known, Learned
from referrals.learning.learner import Learner
from referrals.learning.mentions import PeopleRules
from referrals.models import KnownPerson, PeopleProgress, ReferrerDecision
from referrals.people import lately, tables
from referrals.people.app_rules import read_rules
from referrals.people.loading import load_known
from referrals.people.removal import begin_anew, remove_learned
from referrals.people.sides import StepSides, read_sides

STEP_EVENTS: Final = 1000
# Sets these advisory locks apart from the log's, and from other programs'.
_LOCK_NAMESPACE: Final = 0x50454F
_LARGEST_LOCK: Final = 2**31 - 1
_CHUNK: Final = 1000

# Part of each step: the ORM takes ten times as long to compose it.
_PROGRESS: Final = "SELECT * FROM referrals_peopleprogress WHERE app_id = %s"

logger = logging.getLogger(__name__)


class Step(msgspec.Struct):
    """What a step learned from the events `first` to `last` of a log that ends at `head`.

    `linked` has, by (test, hash), every identity whose person may be known now, or which
    names nobody any more, and the position that did it. `decided` has the hash of the
    referrer's identity by the position of an event that names `"last"`. `has_more`: there
    is more to learn right now. `ends_with_identify`: the last only says who is who, so that nobody
    was rung for to pass by it. Nobody is known before learning `is_complete`; the step that
    `completes` it makes everybody known at once, whom `linked` does not name.
    """

    app_id: int
    first: int
    last: int
    head: int
    linked: dict[tuple[bool, str], int] = {}
    decided: dict[int, str] = {}
    has_more: bool = False
    ends_with_identify: bool = False
    is_complete: bool = False
    completes: bool = False


class Lesson(msgspec.Struct):
    """What the events beyond `before` teach, and what that rests on; nothing is written yet."""

    before: int
    generation: int
    rules: PeopleRules
    limit: int
    sides: StepSides
    known: dict[bool, Known] = {}
    learned: dict[bool, Learned] = {}
    newest_suppression: int = 0

    @property
    def is_unsettled(self) -> bool:
        """Whether something that was learned before is no longer true."""
        return any(each.unsettled for each in self.learned.values())


def study_ahead(app_id: int, *, limit: int = STEP_EVENTS) -> Lesson | None:
    """Return what the next step would learn, without its lock, for `take_step`.

    None where nothing can be said before.
    """
    rules = read_rules(app_id)
    progress = PeopleProgress.objects.filter(app=app_id).first() if rules else None
    if rules is None or progress is None or progress.emptying:
        return None
    # Before the log is read: who is erased from it is suppressed first.
    newest = suppression.find_newest_suppression(app_id)
    try:
        lesson = _study(app_id, progress.cursor, progress.generation, rules, limit)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001 - the step finds out which event it is
        return None
    lesson.newest_suppression = newest
    return lesson


def take_step(
    app_id: int, *, limit: int = STEP_EVENTS, lesson: Lesson | None = None
) -> Step | None:
    """Learn from up to `limit` events. None: the app does not learn, or another step runs.

    A `lesson` that was learned ahead is written down, if it still holds. Belongs inside a
    transaction, whose end releases the lock.
    """
    progress = _lock(app_id)
    rules = read_rules(app_id)
    if rules is None:
        return None
    if progress is None:
        progress = _begin(app_id, rules)
    if progress is None:
        return None
    if not _is_ruled_by(progress, rules):
        begin_anew(progress)
    if progress.emptying:
        return _empty(progress, rules, limit)
    return _learn_carefully(progress, rules, limit, lesson)


def _lock(app_id: int) -> PeopleProgress | None:
    can_lock = connection.features.has_select_for_update_skip_locked
    statement = f"{_PROGRESS} FOR UPDATE SKIP LOCKED" if can_lock else _PROGRESS
    return next(iter(PeopleProgress.objects.raw(statement, [app_id])), None)


def _begin(app_id: int, rules: PeopleRules) -> PeopleProgress | None:
    """Begin to learn, at the log's tail, unless another process does."""
    # An insert would wait for the step that holds the row, though it has nothing to do.
    is_begun = PeopleProgress.objects.filter(app=app_id).exists()
    if is_begun or not _may_begin(app_id):
        return None
    begun = PeopleProgress(
        app_id=app_id, complete_at=log.read_head(app_id), since=datetime.now(UTC)
    )
    _follow(begun, rules)
    PeopleProgress.objects.bulk_create([begun], ignore_conflicts=True)
    return _lock(app_id)


def _may_begin(app_id: int) -> bool:
    """Return whether no other process begins: it has no row yet that could be locked."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, %s)",
            [_LOCK_NAMESPACE, app_id % _LARGEST_LOCK],
        )
        is_free: bool = cursor.fetchone()[0]
    return is_free


def _is_ruled_by(progress: PeopleProgress, rules: PeopleRules) -> bool:
    stored = (tuple(progress.keys), frozenset(progress.loose), progress.remembers)
    return stored == (rules.keys, rules.loose, rules.remembers)


def _follow(progress: PeopleProgress, rules: PeopleRules) -> None:
    progress.keys = list(rules.keys)
    progress.loose = sorted(rules.loose)
    progress.remembers = rules.remembers


def _empty(progress: PeopleProgress, rules: PeopleRules, limit: int) -> Step:
    """Remove the next of what was learned by other rules; with the last, begin anew."""
    head = log.read_head(progress.app_id)
    if remove_learned(progress.app_id, limit=limit) < limit:
        progress.emptying = False
        progress.complete_at = head
        progress.since = datetime.now(UTC)
        progress.shared = progress.refused = progress.skipped = 0
    _follow(progress, rules)
    progress.save()
    at = progress.cursor
    return Step(progress.app_id, at + 1, at, head, has_more=True)


def _learn_carefully(
    progress: PeopleProgress,
    rules: PeopleRules,
    limit: int,
    lesson: Lesson | None = None,
) -> Step:
    """Learn from up to `limit` events, and from half as many where that fails.

    One that fails alone is skipped: it must not stop the others.
    """
    before = progress.cursor
    try:
        with transaction.atomic():
            return _learn(progress, rules, limit, lesson)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an event does
        progress.refresh_from_db()
        if limit > 1:
            return _learn_carefully(progress, rules, limit // 2)
        # Not its message, which may repeat an identity.
        logger.error(  # noqa: TRY400
            "people.skipped",
            extra={"app_id": progress.app_id, "error": type(error).__name__},
        )
        progress.cursor = log.scan_people(progress.app_id, before, limit=1)[0][0]
        progress.skipped += 1
        progress.save()
        return _make_step(progress, before)


def _learn(
    progress: PeopleProgress, rules: PeopleRules, limit: int, lesson: Lesson | None
) -> Step:
    if lesson is None or not _still_holds(lesson, progress, rules, limit):
        lesson = _study(
            progress.app_id, progress.cursor, progress.generation, rules, limit
        )
    return _write_lesson(progress, lesson)


def _study(
    app_id: int, before: int, generation: int, rules: PeopleRules, limit: int
) -> Lesson:
    """Learn from the next events beyond `before`, and write nothing of it."""
    known_lately = lately.recall(app_id, generation)
    sides = read_sides(app_id, rules, known_lately, before, limit=limit)
    lesson = Lesson(before, generation, rules, limit, sides)
    if sides.last == before:
        return lesson
    lesson.known = load_known(app_id, rules, sides.events)
    lesson.learned = _learn_events(rules, sides, lesson.known)
    if lesson.is_unsettled and sides.left_out:
        # What was left out may have stood behind what made it untrue.
        lately.forget_app(app_id)
        return _study(app_id, before, generation, rules, limit)
    return lesson


def _still_holds(
    lesson: Lesson, progress: PeopleProgress, rules: PeopleRules, limit: int
) -> bool:
    """Return whether the same would be learned now, under the lock.

    Whoever else writes what was learned moves the cursor, or raises the generation.
    """
    return (
        (lesson.before, lesson.generation) == (progress.cursor, progress.generation)
        and (lesson.rules, lesson.limit) == (rules, limit)
        and lesson.newest_suppression
        == suppression.find_newest_suppression(progress.app_id)
    )


def _write_lesson(progress: PeopleProgress, lesson: Lesson) -> Step:
    before, sides = progress.cursor, lesson.sides
    if sides.last == before:
        return _make_step(progress, before, head=before)
    for test, each in lesson.learned.items():
        _write(progress.app_id, each, lesson.known[test], test=test)
    progress.generation += lesson.is_unsettled
    _advance(progress, sides, lesson.learned)
    if not lesson.is_unsettled:
        remember = partial(_remember, progress, sides, lesson.known)
        transaction.on_commit(remember, robust=True)
    head = sides.last if sides.is_end else None
    step = _make_step(progress, before, lesson.learned, head=head)
    step.ends_with_identify = sides.ends_with_identify
    return step


def _learn_events(
    rules: PeopleRules, sides: StepSides, known: dict[bool, Known]
) -> dict[bool, Learned]:
    learners = {
        test: Learner(rules, each, limit=settings.PERSON_IDENTITIES)
        for test, each in known.items()
    }
    for test, event in sides.events:
        learners[test].learn_event(event)
    return {test: learner.learned for test, learner in learners.items()}


def _advance(
    progress: PeopleProgress, sides: StepSides, learned: dict[bool, Learned]
) -> None:
    progress.cursor = sides.last
    progress.shared += sum(len(each.shared) for each in learned.values())
    progress.refused += sum(each.refused for each in learned.values())
    progress.skipped += sides.skipped
    progress.advanced_at = datetime.now(UTC)
    tables.write_advance(progress)


def _make_step(
    progress: PeopleProgress,
    before: int,
    learned: dict[bool, Learned] | None = None,
    *,
    head: int | None = None,
) -> Step:
    head = log.read_head(progress.app_id) if head is None else head
    step = Step(
        progress.app_id,
        before + 1,
        progress.cursor,
        head,
        has_more=progress.cursor < head,
        is_complete=progress.cursor >= progress.complete_at,
        completes=before < progress.complete_at <= progress.cursor,
    )
    for test, each in (learned or {}).items():
        step.linked.update(((test, name), at) for name, at in each.linked.items())
        step.decided |= each.decided
    return step


def _write(app_id: int, learned: Learned, known: Known, *, test: bool) -> None:
    # A person's side by side: who looks for one of them later reads a page in place of several.
    identities = [known.identities[each] for each in sorted(learned.identities)]
    identities.sort(key=lambda each: each.person or 0)
    tables.write_identities(app_id, ((test, each) for each in identities))
    tables.write_people(
        app_id, ((test, known.people[each]) for each in sorted(learned.people))
    )
    if learned.gone:
        gone = KnownPerson.objects.filter(app_id=app_id, number__in=learned.gone)
        gone.delete()
    tables.write_decisions(
        app_id, ((test, position, each) for position, each in learned.asked.items())
    )
    by_referrer: dict[str, list[int]] = {}
    for position, referrer in learned.decided.items():
        if position not in learned.asked:
            by_referrer.setdefault(referrer, []).append(position)
    for referrer, positions in by_referrer.items():
        # One user may have asked any number of times: more than SQLite takes at once.
        for start in range(0, len(positions), _CHUNK):
            chunk = positions[start : start + _CHUNK]
            waiting = ReferrerDecision.objects.filter(app_id=app_id, position__in=chunk)
            waiting.update(referrer=referrer)


def _remember(
    progress: PeopleProgress, sides: StepSides, known: dict[bool, Known]
) -> None:
    """Remember what was learned, once it is committed."""
    remembered = lately.recall(progress.app_id, progress.generation)
    remembered.add(
        (
            side,
            min(
                [at]
                + [
                    identity.seen_at
                    for each in mentions.all
                    if (identity := known[side[0]].identities.get(each.hash))
                ]
            ),
        )
        for side, mentions, at in sides.met
    )
