"""Histograms of durations, which all processes add up in the database."""

from collections.abc import Collection, Iterator
from typing import Final

from clevertap_sync.process.duration_rows import read_durations
from clevertap_sync.process.durations import METRICS, DurationMetric
from integration_project.prometheus import Bucket, Measurement, Metric, list_histogram

_OF_INTEGRATION: Final = ("app", "integration")


def list_duration_metrics(
    shown: Collection[tuple[str | None, str | None]],
) -> Iterator[Metric]:
    """Yield each histogram. `shown` are the apps and integrations that the page is about."""
    for metric in METRICS:
        yield Metric(
            metric.name, "histogram", metric.help, _list_measurements(metric, shown)
        )


def _list_measurements(
    metric: DurationMetric, shown: Collection[tuple[str | None, str | None]]
) -> Iterator[Measurement]:
    is_of_integration = metric.labels[:2] == _OF_INTEGRATION
    for values, rows in read_durations(metric).items():
        if is_of_integration and values[:2] not in shown:
            continue
        labels = dict(zip(metric.labels, values, strict=True))
        buckets = [Bucket(float(row.le), row.number, row.seconds) for row in rows]
        yield from list_histogram(labels, metric.ends, buckets)
