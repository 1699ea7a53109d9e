"""Drains the spool into the log: a step of each sweep of each worker.

Entries are appended first and removed then, by their bytes. Whoever dies in between, or
drains at the same time, finds duplicates: the log has each event once, by its key. What is
removed is counted by whoever removed it.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from time import monotonic
from typing import Final

from django.db import DatabaseError, transaction

from referrals import failpoints, log
from referrals.failpoints import Place
from referrals.hooks import spool, spool_losses
from referrals.hooks.spool import (
    SpoolAwayError,
    SpoolEntry,
    SpoolStore,
    Unreadable,
    decrypt_entry,
)
from referrals.ingest.background import count_ingest, flush_counts
from referrals.ingest.counter import CountKey, IngestOutcome
from referrals.log import ArchivedAppError, PreparedEvent
from referrals.models import App
from referrals.refusals import MEANINGS, Code
from referrals.schema import EventProblem

#: Of a sweep, which has more to do.
DRAIN_SECONDS: Final = 3.0

_ASIDE_MESSAGES: Final = {
    Unreadable.LOST_KEY: "No key in FIELD_ENCRYPTION_KEYS decrypts %s entries of the "
    "spool. They are kept aside until their key is back in the list.",
    Unreadable.OTHER_RELEASE: "Another release has put %s entries into the spool. They "
    "are kept aside until a worker of it runs.",
}

#: An entry, with what the store has of it.
_Stored = tuple[bytes, SpoolEntry]

logger: Final = logging.getLogger(__name__)


class _Aside:
    """From where on this process looks next at what is kept aside."""

    start = 0


def clear_aside() -> None:
    """Look at what is kept aside from its beginning, the next time."""
    _Aside.start = 0


def drain_spool(*, seconds: float = DRAIN_SECONDS) -> None:
    """Append what waits in the spool, for about so many seconds; count what is missing.

    Raises a database's errors. The entries are still there then.
    """
    store, is_empty = spool.find_store(), True
    try:
        if store is not None:
            if spool.is_silent():
                return
            # Nearly always it is: then one question is all that a sweep asks of Redis.
            is_empty = store.measure().is_empty
            if not is_empty:
                _drain(store, monotonic() + seconds)
                is_empty = store.measure().is_empty
        spool_losses.watch_losses(is_empty=is_empty)
    except SpoolAwayError as error:
        spool.begin_silence()
        logger.warning("The spool did not answer (%s)", error)


def _drain(store: SpoolStore, until: float) -> None:
    before: list[bytes] = []
    # What does not go away would be appended for ever.
    while (stored := store.read("waiting")) and stored != before:
        _append_and_remove(store, _sort_out(store, stored, "waiting"), "waiting")
        if monotonic() > until:
            return
        before = stored
    _drain_aside(store)


def _drain_aside(store: SpoolStore) -> None:
    """Append some of what was kept aside, if its key is back."""
    stored = store.read("aside", _Aside.start)
    if not stored and _Aside.start:
        # It was looked through to its end.
        _Aside.start = 0
        stored = store.read("aside", 0)
    if not stored:
        return
    before = store.measure().aside
    _append_and_remove(store, _sort_out(store, stored, "aside"), "aside")
    removed = before - store.measure().aside
    _Aside.start += max(0, len(stored) - removed)


def _sort_out(
    store: SpoolStore, stored: Sequence[bytes], place: spool.Place
) -> list[_Stored]:
    """Return what can be read; keep aside what may be read later, remove what is none."""
    found = [(each, decrypt_entry(each)) for each in stored]
    garbage = [each for each, entry in found if entry is Unreadable.GARBAGE]
    if garbage:
        store.remove(garbage, place)
        logger.error("The spool had %s entries that are none of ours", len(garbage))
    if place == "waiting":
        for reason, message in _ASIDE_MESSAGES.items():
            if locked := [each for each, entry in found if entry is reason]:
                logger.error(message, store.set_aside(locked))
    return [(each, entry) for each, entry in found if isinstance(entry, SpoolEntry)]


def _append_and_remove(
    store: SpoolStore, stored: Sequence[_Stored], place: spool.Place
) -> None:
    apps = App.objects.in_bulk({entry.app_id for _, entry in stored}) if stored else {}
    for app in apps.values():
        of_app = [
            each for each in stored if each[1].app_id == app.pk and each[1].is_of(app)
        ]
        if not of_app:
            continue
        entries = [entry for _, entry in of_app]
        _append(app, entries)
        failpoints.reach_failpoint(Place.SPOOL_APPENDED)
        removed = store.remove([each for each, _ in of_app], place)
        _count_removed([e for e, gone in zip(entries, removed, strict=True) if gone])
    homeless = [
        each for each, entry in stored if not entry.is_of(apps.get(entry.app_id))
    ]
    if homeless and place == "waiting":
        logger.error(
            "The spool has %s entries of apps that this database does not have. They are "
            "kept aside.",
            store.set_aside(homeless),
        )


def _append(app: App, entries: Sequence[SpoolEntry]) -> None:
    """Append the events of these entries in one transaction.

    Those of an archived app are counted as refused, as is an event that the database
    refuses for ever.
    """
    if app.archived_at is not None:
        for entry in entries:
            with suppress(ArchivedAppError):
                log.append_prepared(app, entry.events, way=entry.way)
        return
    try:
        with transaction.atomic():
            for way, run in groupby(entries, key=lambda entry: entry.way):
                events = [event for entry in run for event in entry.events]
                log.append_prepared(app, events, way=way)
    except DatabaseError as error:
        if not log.is_fault_of_event(error):
            raise
        for entry in entries:
            for event in entry.events:
                _append_alone(app, event, entry.way)


def _append_alone(app: App, event: PreparedEvent, way: str) -> None:
    try:
        log.append_prepared(app, [event], way=way)
    except DatabaseError as error:
        if not log.is_fault_of_event(error):
            raise
        logger.warning("The database refused an event: %s", type(error).__name__)
        problem = EventProblem(
            Code.UNSTORABLE, "", MEANINGS[Code.UNSTORABLE], event.event.id
        )
        log.append(app, [problem], way=way)


def _count_removed(entries: Sequence[SpoolEntry]) -> None:
    """Count at once what is not in the spool any more."""
    counts: Counter[CountKey] = Counter()
    for entry in entries:
        key = CountKey(entry.app_id, entry.way, IngestOutcome.DRAINED)
        counts[key] += len(entry.events)
    for count_key, number in counts.items():
        count_ingest(count_key, number)
    flush_counts()
