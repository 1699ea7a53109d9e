"""Prometheus' text format, version 0.0.4. Pure.

Reference: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

MetricKind = Literal["gauge", "counter", "histogram"]


class Measurement(NamedTuple):
    """One number, with the labels that say what it counts.

    `suffix` follows the metric's name, where one measurement has several numbers.
    """

    labels: Mapping[str, str]
    value: float
    suffix: str = ""


class Bucket(NamedTuple):
    """The values of a histogram up to `end`, and above the bucket before."""

    end: float
    number: int
    sum: float


class Metric(NamedTuple):
    """A metric with its type, its help, and its measurements."""

    name: str
    kind: MetricKind
    help: str
    samples: Iterable[Measurement]


def render_page(metrics: Iterable[Metric]) -> str:
    """Return the page. A metric without samples still says that it exists."""
    return "".join(f"{line}\n" for metric in metrics for line in _lines(metric))


def list_histogram(
    labels: Mapping[str, str], ends: Iterable[float], buckets: Sequence[Bucket]
) -> Iterator[Measurement]:
    """Yield the numbers of a histogram: how many values are at most as large as each end.

    `buckets` may have other ends, as those of an earlier release: each counts from the
    next end on.
    """
    for end in (*ends, math.inf):
        count = sum(each.number for each in buckets if each.end <= end)
        yield Measurement({**labels, "le": _write_end(end)}, count, "_bucket")
    yield Measurement(labels, sum(each.sum for each in buckets), "_sum")
    yield Measurement(labels, sum(each.number for each in buckets), "_count")


def _lines(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {_escaped(metric.help)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for sample in metric.samples:
        name = f"{metric.name}{sample.suffix}"
        yield f"{name}{_labels(sample.labels)} {_number(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _write_end(end: float) -> str:
    return "+Inf" if math.isinf(end) else f"{end:g}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
