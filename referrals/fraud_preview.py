"""What other fraud rules would have found in the last days. Changes nothing.

Reads the log, and judges each of its events anew, as if the rules had held when it came:
events of one append by the time at which they happened, and each after those before it.
Bounded in events and in seconds, and it says what it has left out.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from django.utils import timezone

from referrals import hashing, log
from referrals.fraud import (
    MEANINGS,
    FraudReason,
    SightingMemory,
    find_sightings,
    judge_fraud,
)
from referrals.fraud_rules import FraudRules, Limit
from referrals.log import LoggedEvent
from referrals.models import App
from referrals.schema import Event, Person
from referrals.vocabulary import FraudStatus

DAYS: Final = 30
EVENTS: Final = 100_000
SECONDS: Final = 5.0
SAMPLES: Final = 10
_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many events have a reason, and how many would have it."""

    reason: FraudReason
    meaning: str
    now: int
    then: int


@dataclass(frozen=True, slots=True)
class Sample:
    """An event that would be judged otherwise."""

    position: int
    received_at: datetime
    type: str
    reasons: tuple[str, ...]
    is_found: bool


@dataclass(slots=True)
class FraudPreview:
    """What the rules would have found among `judged` events.

    `left_out` are older events of these days, beyond `EVENTS`; `unread` the newest ones, for
    which there was no time. Events with a status of the producer's, erased ones and test
    events are counted apart.
    """

    left_out: int = 0
    unread: int = 0
    judged: int = 0
    decided: int = 0
    erased: int = 0
    tests: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    suspicious_now: int = 0
    suspicious_then: int = 0
    found: int = 0
    cleared: int = 0
    _now: Counter[str] = field(default_factory=Counter)
    _then: Counter[str] = field(default_factory=Counter)
    _found: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    _cleared: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def list_reasons(self) -> list[ReasonCount]:
        """Return a count for every reason."""
        return [
            ReasonCount(reason, meaning, self._now[reason], self._then[reason])
            for reason, meaning in MEANINGS.items()
        ]

    def list_samples(self) -> list[Sample]:
        """Return some events that would be judged otherwise, the newest first."""
        both = [*self._found, *self._cleared]
        return sorted(both, key=attrgetter("position"), reverse=True)

    def note_judged(self, entry: LoggedEvent, reasons: tuple[str, ...]) -> None:
        """Count an event that the rules would give these reasons."""
        old = entry.event.reasons
        self.judged += 1
        self.first_at = self.first_at or entry.received_at
        self.last_at = entry.received_at
        self._now.update(old)
        self._then.update(reasons)
        self.suspicious_now += bool(old)
        self.suspicious_then += bool(reasons)
        if bool(old) == bool(reasons):
            return
        self.found += bool(reasons)
        self.cleared += bool(old)
        sample = Sample(
            entry.position,
            entry.received_at,
            entry.event.type,
            reasons or old,
            bool(reasons),
        )
        (self._found if reasons else self._cleared).append(sample)


def preview_rules(app: App, rules: FraudRules) -> FraudPreview:
    """Return what `rules` would have found in the last `DAYS` days."""
    since = timezone.now() - timedelta(days=DAYS)
    head = log.read_head(app.pk)
    counted = log.find_position(app.pk, since) + 1
    first = max(_find_start(app, rules, since), head - EVENTS + 1)
    preview = FraudPreview(left_out=max(0, first - counted))
    judge = _Judge(preview, rules, hashing.make_signal_hasher(app.pk), counted)
    ends_at = time.monotonic() + SECONDS
    entries = _read_log(app.pk, first, head)
    for _, batch in groupby(entries, key=attrgetter("received_at")):
        position = judge.judge_batch(list(batch))
        if time.monotonic() > ends_at:
            preview.unread = head - position
            break
    return preview


def _find_start(app: App, rules: FraudRules, since: datetime) -> int:
    """Return the first position whose install may count for one after `since`."""
    windows = [_find_window(rules.installs), _find_window(rules.advertising_ids)]
    if None in windows:
        return log.find_tail(app.pk)
    longest = max(days for days in windows if days is not None)
    return log.find_position(app.pk, since - timedelta(days=longest)) + 1


def _find_window(limit: Limit) -> int | None:
    return 0 if limit.most is None else limit.days


def _read_log(app_id: int, first: int, head: int) -> Iterator[LoggedEvent]:
    for start in range(first, head + 1, _CHUNK):
        yield from log.read_range(app_id, start, min(head, start + _CHUNK - 1))


class _Judge:
    """Judges batch after batch, and remembers each install for the next ones."""

    def __init__(
        self,
        preview: FraudPreview,
        rules: FraudRules,
        hash_signal: Callable[[str], str],
        counted: int,
    ) -> None:
        self._preview = preview
        self._rules = rules
        self._hash_signal = hash_signal
        self._counted = counted
        self._memory = SightingMemory()

    def judge_batch(self, batch: list[LoggedEvent]) -> int:
        """Judge the events of one append; return the position of the last one."""
        for entry in sorted(
            batch, key=lambda each: (each.event.occurred_at, each.event.id)
        ):
            sightings = find_sightings(entry.event, self._hash_signal)
            if entry.position >= self._counted:
                _, reasons = judge_fraud(
                    entry.event, self._rules, sightings, self._memory
                )
                self._count(entry, reasons)
            for each in sightings:
                self._memory.add(each, entry.event.occurred_at)
        return batch[-1].position

    def _count(self, entry: LoggedEvent, reasons: tuple[str, ...]) -> None:
        event = entry.event
        if event.test:
            self._preview.tests += 1
        elif _is_erased(event.user) or _is_erased(event.referrer):
            self._preview.erased += 1
        elif _has_own_status(event):
            self._preview.decided += 1
        else:
            self._preview.note_judged(entry, reasons)


def _is_erased(person: Person | None) -> bool:
    return person is not None and person.erased


def _has_own_status(event: Event) -> bool:
    """Return whether its producer judged the event. A `valid` of theirs does not show."""
    return event.status is not FraudStatus.VALID and not event.reasons
