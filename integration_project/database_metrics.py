"""Metrics of the database that all processes share, as workers last saw it."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from clevertap_sync.insight.machinery import DatabaseFacts
from clevertap_sync.insight.machinery_queries import read_database_facts
from clevertap_sync.process import clock
from integration_project.prometheus import Measurement, Metric


class _DatabaseMetric(NamedTuple):
    """A number of the database; None where it is not known."""

    name: str
    help: str
    read: Callable[[DatabaseFacts], float | None]


def list_database_metrics() -> Iterator[Metric]:
    """Yield the metrics of the database; without numbers before a worker's first look."""
    facts = read_database_facts(clock.read_now())
    for name, text, read in _METRICS:
        number = read(facts) if facts is not None else None
        samples = [] if number is None else [Measurement({}, number)]
        yield Metric(f"referrals_database_{name}", "gauge", text, samples)


def _read_lasts(facts: DatabaseFacts) -> float | None:
    lasts = facts.growth.lasts if facts.growth else None
    return None if lasts is None else lasts.total_seconds()


_METRICS: Final = (
    _DatabaseMetric(
        "size_bytes",
        "How large the database is.",
        lambda facts: facts.size_bytes,
    ),
    _DatabaseMetric(
        "connections",
        "The most connections that were open at once within the last two hours.",
        lambda facts: facts.connections,
    ),
    _DatabaseMetric(
        "connections_limit",
        "How many connections the database allows.",
        lambda facts: facts.connection_limit,
    ),
    _DatabaseMetric(
        "lasts_seconds",
        "After how long the database's room is used up at its present growth.",
        _read_lasts,
    ),
)
