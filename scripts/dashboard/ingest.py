"""What comes in, and how it is answered."""

from typing import Final

from scripts.dashboard.grafana import Panel, Query
from scripts.dashboard.queries import APP, HERE, list_quantiles, write_rate

PANELS: Final = (
    Panel(
        title="Events by what became of them",
        about="At the door: accepted, duplicate, conflict, rejected or unauthorised.",
        queries=[
            Query(
                write_rate("referrals_ingested_events_total", APP, "outcome"),
                "{{outcome}}",
            )
        ],
        unit="cps",
        stacked=True,
    ),
    Panel(
        title="Refused, by cause",
        about="The admin's page Ingest has samples and what to do.",
        queries=[
            Query(
                write_rate(
                    "referrals_ingested_events_total",
                    f'{APP}, outcome=~"conflict|rejected|unauthorised"',
                    "app",
                    "outcome",
                    "code",
                ),
                "{{app}} {{outcome}} {{code}}",
            )
        ],
        unit="cps",
    ),
    Panel(
        title="Calls of sources",
        about="Verified calls, and what became of what they brought.",
        queries=[
            Query(
                write_rate("referrals_source_calls_total", APP, "platform", "outcome"),
                "{{platform}} {{outcome}}",
            )
        ],
        unit="cps",
    ),
    Panel(
        title="HTTP requests by status",
        about="Of all routes, the admin's too.",
        queries=[
            Query(
                write_rate(
                    "referrals_http_request_duration_seconds_count", HERE, "status"
                ),
                "{{status}}",
            )
        ],
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="How long events' requests take",
        about="Of the routes that bring events, /v1/….",
        queries=list_quantiles(
            "referrals_http_request_duration_seconds",
            f'{HERE}, route=~"/v1/.*", route!="/v1/status"',
        ),
        unit="s",
    ),
    Panel(
        title="Slowest routes (p95)",
        about="Pages of the admin are among them.",
        queries=[
            Query(
                "topk(8, histogram_quantile(0.95, "
                + write_rate(
                    "referrals_http_request_duration_seconds_bucket",
                    HERE,
                    "le",
                    "route",
                )
                + "))",
                "{{route}}",
            )
        ],
        unit="s",
    ),
)
