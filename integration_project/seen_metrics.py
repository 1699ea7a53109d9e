"""Metrics of what CleverTap counts beside what was delivered; none where that is off.

The numbers are an account's: integrations that share it repeat them.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from clevertap_sync import insight
from clevertap_sync.insight.seen_grid import DayState
from clevertap_sync.insight.seen_numbers import SeenNumbers, read_seen_numbers
from clevertap_sync.process import clock
from integration_project.prometheus import Measurement, Metric

#: What a statement came to, in the order in which it is listed.
_RESULTS: Final = (
    DayState.EQUAL,
    DayState.FEWER,
    DayState.MORE,
    DayState.IN_DOUBT,
    DayState.NOT_COMPARED,
)

#: Further labels, and the value, of each measurement of an account.
_Values = list[tuple[dict[str, str], float]]


class _SeenMetric(NamedTuple):
    """A metric of each account that is compared."""

    name: str
    help: str
    read: Callable[[SeenNumbers, datetime], _Values]


def list_seen_metrics() -> Iterator[Metric]:
    """Return the metrics of the integrations that are compared."""
    now = clock.read_now()
    shown = [each for each in insight.list_integrations_shown() if each.reconciles]
    numbers = read_seen_numbers(shown, now)
    for name, text, read in _METRICS:
        samples = [
            Measurement(
                {"app": each.app.slug, "integration": each.name, **labels}, value
            )
            for each in shown
            for labels, value in read(numbers[each.account_id], now)
        ]
        yield Metric(f"clevertap_seen_{name}", "gauge", text, samples)


def _read_age(seen: SeenNumbers, now: datetime) -> _Values:
    ended = seen.last.ended_at if seen.last else None
    return [({}, (now - ended).total_seconds())] if ended else []


def _read_requests(seen: SeenNumbers, _: datetime) -> _Values:
    return [({}, seen.last.requests)] if seen.last else []


def _read_results(seen: SeenNumbers, _: datetime) -> _Values:
    return [({"result": result}, seen.states.get(result, 0)) for result in _RESULTS]


def _read_differences(seen: SeenNumbers, _: datetime) -> _Values:
    return [({"direction": "fewer"}, seen.fewer), ({"direction": "more"}, seen.more)]


def _read_delays(seen: SeenNumbers, _: datetime) -> _Values:
    delays = seen.delays
    if delays is None:
        return []
    return [({"quantile": "0.5"}, delays.p50), ({"quantile": "0.99"}, delays.p99)]


_METRICS: Final = (
    _SeenMetric(
        "comparison_age_seconds",
        "Seconds since the last comparison with CleverTap ended; none if none ever did.",
        _read_age,
    ),
    _SeenMetric(
        "requests",
        "Requests to CleverTap that the last comparison took.",
        _read_requests,
    ),
    _SeenMetric(
        "statements",
        "Names and days of the last week, by what CleverTap counts of them.",
        _read_results,
    ),
    _SeenMetric(
        "difference_records",
        "Records of the last week that CleverTap counts fewer, or more, than delivered.",
        _read_differences,
    ),
    _SeenMetric(
        "first_sight_seconds",
        "How soon CleverTap showed a name after its first delivery, by quantile.",
        _read_delays,
    ),
)
