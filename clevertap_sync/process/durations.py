"""How long things took, counted by bucket in this process until it is written down. Pure.

To count costs one look into a dictionary under a lock that is held for less than a
microsecond. The size follows from the number of distinct labels, never from traffic.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Stands for the first label beyond the bound of a metric.
OTHER: Final = "other"
#: Upper end of a histogram's last bucket.
NO_END: Final = "+Inf"

#: A value for each label of a metric, in the metric's order.
LabelValues = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DurationMetric:
    """A histogram. `ends` are the upper ends of its buckets in seconds, ascending.

    A process tells `most` combinations of labels apart, and calls the first label of
    further ones `other`. Labels are words of ours, never what a caller chose.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    ends: tuple[float, ...]
    most: int


HTTP_REQUEST: Final = DurationMetric(
    "referrals_http_request_duration_seconds",
    "How long requests were served, from when a thread took them.",
    labels=("route", "method", "status"),
    ends=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    most=300,
)
CLEVERTAP_REQUEST: Final = DurationMetric(
    "clevertap_request_duration_seconds",
    "How long CleverTap took to answer uploads. Dry runs are not among them.",
    labels=("app", "integration", "outcome"),
    ends=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
    most=2_000,
)
DELIVERY: Final = DurationMetric(
    "clevertap_delivery_seconds",
    "From when an upload's oldest event was accepted to its delivery, without replays.",
    labels=("app", "integration"),
    ends=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400),
    most=1_000,
)
METRICS: Final = (HTTP_REQUEST, CLEVERTAP_REQUEST, DELIVERY)


#: A metric with one combination of its labels.
Series = tuple[DurationMetric, LabelValues]


class Buckets:
    """How many durations fell into each bucket, and their sum in seconds; the last has no end."""

    __slots__ = ("counts", "seconds")

    def __init__(self, number: int) -> None:
        self.counts = [0] * number
        self.seconds = [0.0] * number


class DurationCounter:
    """Counts durations until `take` removes the counts. Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: dict[Series, Buckets] = {}
        self._known: dict[DurationMetric, set[LabelValues]] = {}

    def add(self, metric: DurationMetric, labels: LabelValues, seconds: float) -> None:
        """Count one duration."""
        place = bisect_left(metric.ends, seconds)
        with self._mutex:
            buckets = self._counts.get((metric, labels))
            if buckets is None:
                buckets = self._open(metric, labels)
            buckets.counts[place] += 1
            buckets.seconds[place] += seconds

    def take(self) -> dict[Series, Buckets]:
        """Return the counts, and begin anew."""
        with self._mutex:
            taken, self._counts = self._counts, {}
        return taken

    def put_back(self, taken: Mapping[Series, Buckets]) -> None:
        """Add back counts that could not be written."""
        with self._mutex:
            for (metric, labels), buckets in taken.items():
                kept = self._open(metric, labels)
                for place, number in enumerate(buckets.counts):
                    kept.counts[place] += number
                    kept.seconds[place] += buckets.seconds[place]

    def _open(self, metric: DurationMetric, labels: LabelValues) -> Buckets:
        """Return the buckets of these labels, or of those that stand for all beyond the bound."""
        known = self._known.setdefault(metric, set())
        if labels not in known:
            if len(known) >= metric.most:
                labels = (OTHER, *labels[1:])
            known.add(labels)
        return self._counts.setdefault((metric, labels), Buckets(len(metric.ends) + 1))
