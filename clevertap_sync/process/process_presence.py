"""Which processes are at work and what they take: each writes it down every few seconds.

It goes along with the counts of what came in, in one thread of the process, and so stops
with them while the database is away. A process that ends in order takes its row along; one
that was killed leaves it behind for a day.
"""

import os
import time
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from clevertap_sync.models import ProcessSeen
from clevertap_sync.process import clock
from clevertap_sync.process.vitals import read_vitals
from clevertap_sync.process.worker_presence import name_worker

#: How far apart a process writes its vitals, to the next flush.
VITALS_SECONDS: Final = 15.0
#: A process that was not seen for so long is silent: it was killed, hangs, or cannot
#: reach the database.
SILENT_AFTER: Final = timedelta(seconds=90)

_FORGOTTEN_AFTER: Final = timedelta(days=1)
_RELEASE_CHARACTERS: Final = 100
_SINCE: Final = ExpressionWrapper(Now() - F("seen_at"), output_field=DurationField())
# A clock is read again where the look took longer, because half of that is how far it may
# be wrong.
_PROMPT_SECONDS: Final = 0.02
_MOST_LOOKS: Final = 3
_VITALS: Final = (
    *("kind", "release", "started_at", "seen_at", "clock_offset_seconds"),
    *("resident_bytes", "cpu_seconds", "threads", "open_files"),
)


class _Presence:
    """What this process knows of itself."""

    def __init__(self) -> None:
        self.kind: ProcessSeen.Kind | None = None
        #: By the database's clock. Kept, so that it is the same in each row.
        self.started_at: datetime | None = None
        #: By the monotonic clock.
        self.due_at = 0.0


class ClockLook(NamedTuple):
    """The database's instant, and by how many seconds this host's clock is ahead of it."""

    now: datetime
    offset: float


class ProcessSilence(NamedTuple):
    """A process that was seen within the last day, and how long ago."""

    process: ProcessSeen
    seconds: float

    @property
    def is_silent(self) -> bool:
        """Whether it should have been seen again by now."""
        return self.seconds > SILENT_AFTER.total_seconds()


_presence = _Presence()


def show_as(kind: ProcessSeen.Kind) -> None:
    """Have this process write its vitals along with its counts, as one of this kind.

    One that has nothing to count needs `background.write_soon()`, too.
    """
    _presence.kind = kind


def write_vitals() -> None:
    """Write this process's row, if it is due. Raises the database's errors."""
    if _presence.kind is None or time.monotonic() < _presence.due_at:
        return
    _write_row(_presence.kind)
    _presence.due_at = time.monotonic() + VITALS_SECONDS


def remove_row() -> None:
    """Take this process's row along: it ends in order."""
    if _presence.kind is not None:
        ProcessSeen.objects.filter(name=name_worker()).delete()


def list_processes() -> list[ProcessSilence]:
    """Return the processes that were seen within the last day, by kind and name."""
    rows = ProcessSeen.objects.annotate(since=_SINCE).order_by("kind", "name")
    found = [ProcessSilence(row, max(0.0, row.since.total_seconds())) for row in rows]
    return [each for each in found if each.seconds < _FORGOTTEN_AFTER.total_seconds()]


def look_at_clock() -> ClockLook:
    """Compare this host's clock with the database's, to about a hundredth of a second."""
    # To connect takes its time, too.
    connection.ensure_connection()
    best, took = _look_once()
    for _ in range(_MOST_LOOKS - 1):
        if took < _PROMPT_SECONDS:
            break
        look, seconds = _look_once()
        if seconds < took:
            best, took = look, seconds
    return best


def clear_presence() -> None:
    """Forget what kind of process this is: for one that begins anew, as a fork or a test."""
    global _presence  # noqa: PLW0603 - one memory per process
    _presence = _Presence()


def _look_once() -> tuple[ClockLook, float]:
    """Return a look and the seconds that it took; it is wrong by at most half of them."""
    began, began_at = time.monotonic(), time.time()
    now = clock.read_now()
    took = time.monotonic() - began
    offset = round(began_at + took / 2 - now.timestamp(), 3)
    return ClockLook(now, offset), took


def _write_row(kind: ProcessSeen.Kind) -> None:
    look = look_at_clock()
    vitals = read_vitals()
    if _presence.started_at is None:
        _presence.started_at = look.now - timedelta(seconds=vitals.age_seconds)
    row = ProcessSeen(
        name=name_worker(),
        kind=kind,
        release=settings.SENTRY_RELEASE[:_RELEASE_CHARACTERS],
        started_at=_presence.started_at,
        seen_at=look.now,
        clock_offset_seconds=look.offset,
        resident_bytes=vitals.resident_bytes,
        cpu_seconds=vitals.cpu_seconds,
        threads=vitals.threads,
        open_files=vitals.open_files,
    )
    # Each statement by itself: no two processes wait for each other.
    ProcessSeen.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=_VITALS,
    )
    ProcessSeen.objects.filter(seen_at__lt=look.now - _FORGOTTEN_AFTER).delete()


os.register_at_fork(after_in_child=clear_presence)
