"""How long things took in this process, until it is written down.

That happens with the counts of what came in, every few seconds and at the process's end.
"""

import os
from collections.abc import Mapping

from clevertap_sync.process.durations import (
    Buckets,
    DurationCounter,
    DurationMetric,
    LabelValues,
    Series,
)
from referrals.ingest import background

_counter = DurationCounter()


def count_duration(metric: DurationMetric, labels: LabelValues, seconds: float) -> None:
    """Count how long something took. Never waits for a database.

    `labels` are in the metric's order, and never what a caller chose.
    """
    _counter.add(metric, labels, seconds)
    background.write_soon()


def take_durations() -> dict[Series, Buckets]:
    """Return what was counted, and begin anew."""
    return _counter.take()


def put_back_durations(taken: Mapping[Series, Buckets]) -> None:
    """Add back what could not be written."""
    _counter.put_back(taken)


def clear_durations() -> None:
    """Drop what is not written: for a process that begins anew, such as a fork or a test."""
    global _counter  # noqa: PLW0603 - one memory per process
    _counter = DurationCounter()


os.register_at_fork(after_in_child=clear_durations)
