"""Metrics of what CleverTap counts beside what was delivered; none where that is off.

The numbers are an account's: integrations that share it repeat them.
"""

from collections.abc import Callable, Iterator

from clevertap_sync import insight
from clevertap_sync.insight.seen_grid import DayState
from clevertap_sync.insight.seen_numbers import SeenNumbers, read_seen_numbers
from clevertap_sync.process import clock
from integration_project.prometheus import Measurement, Metric

#: What a statement came to, in the order in which it is listed.
_RESULTS = (DayState.EQUAL, DayState.FEWER, DayState.MORE, DayState.NOT_COMPARED)

#: Label and value of each measurement of an account.
_Values = list[tuple[dict[str, str], float]]


def list_seen_metrics() -> Iterator[Metric]:
    """Return the metrics of the integrations that are compared."""
    now = clock.read_now()
    shown = [each for each in insight.list_integrations_shown() if each.reconciles]
    numbers = read_seen_numbers(shown, now)

    def measure(read: Callable[[SeenNumbers], _Values]) -> list[Measurement]:
        return [
            Measurement(
                {"app": each.app.slug, "integration": each.name, **labels}, value
            )
            for each in shown
            for labels, value in read(numbers[each.account_id])
        ]

    def read_age(seen: SeenNumbers) -> _Values:
        ended = seen.last.ended_at if seen.last else None
        return [({}, (now - ended).total_seconds())] if ended else []

    yield Metric(
        "clevertap_seen_comparison_age_seconds",
        "gauge",
        "Seconds since the last comparison with CleverTap ended; none if none ever did.",
        measure(read_age),
    )
    yield Metric(
        "clevertap_seen_requests",
        "gauge",
        "Requests to CleverTap that the last comparison took.",
        measure(_read_requests),
    )
    yield Metric(
        "clevertap_seen_statements",
        "gauge",
        "Names and days of the last week, by what CleverTap counts of them.",
        measure(_read_results),
    )
    yield Metric(
        "clevertap_seen_difference_records",
        "gauge",
        "Records of the last week that CleverTap counts fewer, or more, than delivered.",
        measure(_read_differences),
    )
    yield Metric(
        "clevertap_seen_first_sight_seconds",
        "gauge",
        "How soon CleverTap showed a name after its first delivery, by quantile.",
        measure(_read_delays),
    )


def _read_requests(seen: SeenNumbers) -> _Values:
    return [({}, seen.last.requests)] if seen.last else []


def _read_results(seen: SeenNumbers) -> _Values:
    return [({"result": result}, seen.states.get(result, 0)) for result in _RESULTS]


def _read_differences(seen: SeenNumbers) -> _Values:
    return [({"direction": "fewer"}, seen.fewer), ({"direction": "more"}, seen.more)]


def _read_delays(seen: SeenNumbers) -> _Values:
    if seen.delays is None:
        return []
    delays = seen.delays
    return [({"quantile": "0.5"}, delays.p50), ({"quantile": "0.99"}, delays.p99)]
