"""What the expressions of all rows are made of: selectors, rates, quantiles."""

from typing import Final

from scripts.dashboard.grafana import Query

#: By the dashboard's variables. An installation is scraped at one address. All apps include the empty one, of senders whom nobody knows.
HERE: Final = 'instance=~"$instance"'
APP: Final = f'{HERE}, app=~"$app"'
ALL: Final = f'{APP}, integration=~"$integration"'
#: The legend of what each integration has.
WHOSE: Final = "{{app}}/{{integration}}"


def list_gauge(metric: str, legend: str = WHOSE, selector: str = ALL) -> list[Query]:
    """Return a gauge as it is."""
    return [Query(f"{metric}{{{selector}}}", legend)]


def write_rate(metric: str, selector: str, *by: str) -> str:
    """Return the rate of a counter, added up by labels."""
    whose = f" by ({', '.join(by)}) " if by else ""
    return f"sum{whose}(rate({metric}{{{selector}}}[$__rate_interval]))"


def list_quantiles(metric: str, selector: str) -> list[Query]:
    """Return the median and the slow end of a histogram."""
    rate = write_rate(f"{metric}_bucket", selector, "le")
    return [
        Query(f"histogram_quantile({share}, {rate})", name)
        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    ]
