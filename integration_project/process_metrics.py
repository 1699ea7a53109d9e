"""Metrics of each process that was seen within the last day.

What a process takes is told only while it is at work, so that sums are of what is taken.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from clevertap_sync.models import ProcessSeen
from clevertap_sync.process.process_presence import list_processes
from integration_project.prometheus import Measurement, Metric, MetricKind


class _VitalMetric(NamedTuple):
    """A number of a process that is at work; None where the process does not know it."""

    name: str
    kind: MetricKind
    help: str
    read: Callable[[ProcessSeen], float | None]


def list_process_metrics() -> Iterator[Metric]:
    """Yield the metrics of processes."""
    found = list_processes()
    at_work = [each.process for each in found if not each.is_silent]
    for name, kind, text, read in _VITALS:
        numbers = [(each, read(each)) for each in at_work]
        samples = [
            Measurement(_label(each), number)
            for each, number in numbers
            if number is not None
        ]
        yield Metric(f"referrals_process_{name}", kind, text, samples)
    yield Metric(
        "referrals_process_silence_seconds",
        "gauge",
        "Seconds since the process was last seen; gone a day later, or when it ends.",
        [Measurement(_label(each.process), each.seconds) for each in found],
    )
    yield Metric(
        "referrals_process_info",
        "gauge",
        "1 for each process that is at work, with its release.",
        [Measurement(_label(each) | {"release": each.release}, 1) for each in at_work],
    )


def _label(process: ProcessSeen) -> dict[str, str]:
    return {"kind": process.kind, "process": process.name}


_VITALS: Final = (
    _VitalMetric(
        "resident_memory_bytes",
        "gauge",
        "Memory that the process holds.",
        lambda process: process.resident_bytes,
    ),
    _VitalMetric(
        "cpu_seconds_total",
        "counter",
        "CPU time of the process since its start.",
        lambda process: process.cpu_seconds,
    ),
    _VitalMetric(
        "threads",
        "gauge",
        "Threads of the process.",
        lambda process: process.threads,
    ),
    _VitalMetric(
        "open_files",
        "gauge",
        "Files and sockets that the process has open; none where nothing tells it.",
        lambda process: process.open_files,
    ),
    _VitalMetric(
        "start_time_seconds",
        "gauge",
        "When the process started, by the database's clock, in Unix seconds.",
        lambda process: process.started_at.timestamp(),
    ),
    _VitalMetric(
        "clock_offset_seconds",
        "gauge",
        "By how much the clock of the process's host is ahead of the database's.",
        lambda process: process.clock_offset_seconds,
    ),
)
