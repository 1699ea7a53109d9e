"""Which workers are at work: each records it with every sweep, by the database's clock.

The row is written in SQL, because each sweep writes it: the ORM would take longer to compose
the statement than the database to carry it out.
"""

import os
import socket
from datetime import timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from clevertap_sync.models import LONGEST_FAILING, WorkerSeen
from clevertap_sync.process import clock

# A worker's silence is too long after so many missed sweeps, but not before so many seconds.
_MISSED_SWEEPS: Final = 4
_SHORTEST_SILENCE: Final = 30.0
_FORGOTTEN_AFTER: Final = timedelta(days=1)
_RECORD: Final = """
    INSERT INTO clevertap_sync_workerseen (name, seen_at, sweep_seconds, failing)
    VALUES (%(name)s, {now}, %(sweep_seconds)s, %(failing)s)
    ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at,
        sweep_seconds = excluded.sweep_seconds, failing = excluded.failing
"""
_SINCE: Final = ExpressionWrapper(Now() - F("seen_at"), output_field=DurationField())


class WorkerSilence(NamedTuple):
    """The seconds since any worker was last seen, and how often that worker sweeps."""

    seconds: float
    sweep_seconds: float

    @property
    def is_too_long(self) -> bool:
        """Whether the worker should have been seen again by now."""
        longest = max(_SHORTEST_SILENCE, self.sweep_seconds * _MISSED_SWEEPS)
        return self.seconds > longest


class FailingSweep(NamedTuple):
    """A worker that is at work, and the steps of its sweep that fail, in words."""

    worker: str
    what: str

    @property
    def clause(self) -> str:
        """Return the beginning of a sentence that names the worker and the steps."""
        return (
            f"Of what the worker {self.worker} does with each sweep, this fails: "
            f"{self.what}"
        )


def name_worker() -> str:
    """Return this process's name in attempts and on the overview: host and process ID."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}"


def record_presence(name: str, failing: str = "") -> None:
    """Record that the worker `name` is at work now.

    `failing` names the steps of its sweep that fail, if any.
    """
    now, parameters = clock.write_instant("now")
    parameters |= {"name": name, "sweep_seconds": settings.SWEEP_SECONDS}
    parameters["failing"] = failing[:LONGEST_FAILING]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(now=now), parameters)


def forget_workers() -> None:
    """Remove workers that were not seen for a day."""
    WorkerSeen.objects.filter(seen_at__lt=Now() - _FORGOTTEN_AFTER).delete()


def read_worker_silence() -> WorkerSilence | None:
    """Return how long no worker was seen, or None if none ever was."""
    newest = (
        WorkerSeen.objects.annotate(since=_SINCE)
        .order_by("-seen_at")
        .values_list("since", "sweep_seconds")
        .first()
    )
    if newest is None:
        return None
    return WorkerSilence(max(0.0, newest[0].total_seconds()), newest[1])


def count_present_workers() -> int:
    """Return how many workers are at work, each by the time that it sweeps in."""
    rows = WorkerSeen.objects.annotate(since=_SINCE).values_list(
        "since", "sweep_seconds"
    )
    silences = [WorkerSilence(since.total_seconds(), sweep) for since, sweep in rows]
    return sum(not silence.is_too_long for silence in silences)


def list_failing_sweeps() -> list[FailingSweep]:
    """Return the failing sweeps of the workers that are at work, by the worker's name."""
    rows = WorkerSeen.objects.exclude(failing="").annotate(since=_SINCE)
    return [
        FailingSweep(row.name, row.failing)
        for row in rows.order_by("name")
        if not WorkerSilence(row.since.total_seconds(), row.sweep_seconds).is_too_long
    ]
