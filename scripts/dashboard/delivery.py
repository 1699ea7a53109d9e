"""From the log to CleverTap."""

from typing import Final

from scripts.dashboard.grafana import Panel, Query
from scripts.dashboard.queries import ALL, WHOSE, list_gauge, list_quantiles, write_rate

PANELS: Final = (
    Panel(
        title="Backlog",
        about="Events that no upload covers yet.",
        queries=list_gauge("clevertap_backlog_events"),
    ),
    Panel(
        title="Lag",
        about="Age of the oldest event that is not delivered.",
        queries=list_gauge("clevertap_lag_seconds"),
        unit="s",
    ),
    Panel(
        title="Records delivered",
        about="That CleverTap accepted.",
        queries=[
            Query(
                write_rate(
                    "clevertap_delivered_records_total", ALL, "app", "integration"
                ),
                WHOSE,
            )
        ],
        unit="cps",
        stacked=True,
    ),
    Panel(
        title="Accepted to delivered",
        about="Per upload, of its oldest event. Replays are not among them.",
        queries=list_quantiles("clevertap_delivery_seconds", ALL),
        unit="s",
    ),
    Panel(
        title="Requests to CleverTap by outcome",
        about="ok, refused, failed; unknown where no answer came that can be read.",
        queries=[
            Query(
                write_rate("clevertap_request_duration_seconds_count", ALL, "outcome"),
                "{{outcome}}",
            )
        ],
        unit="reqps",
        stacked=True,
    ),
    Panel(
        title="How long CleverTap takes",
        about="To answer an upload.",
        queries=list_quantiles("clevertap_request_duration_seconds", ALL),
        unit="s",
    ),
    Panel(
        title="Held, by reason",
        about="docs/troubleshooting.md has what each reason means.",
        queries=[
            Query(
                f"max by (app, integration, reason) (clevertap_hold{{{ALL}}})",
                f"{WHOSE} {{{{reason}}}}",
            )
        ],
        kind="state-timeline",
        alarm=1,
    ),
    Panel(
        title="Dead letters by reason",
        about="Records that were not delivered and wait for a person.",
        queries=[
            Query(
                f"sum by (app, reason) (clevertap_dead_letters{{{ALL}}})",
                "{{app}} {{reason}}",
            )
        ],
        stacked=True,
    ),
    Panel(
        title="Under way",
        about="Records in uploads that were sent, and that wait to be sent.",
        queries=[
            Query(f"sum(clevertap_in_flight_records{{{ALL}}})", "in flight"),
            Query(f"sum(clevertap_queued_records{{{ALL}}})", "queued"),
        ],
    ),
    Panel(
        title="Attempts of the last five minutes",
        about="By outcome, with the code of what went wrong.",
        queries=[
            Query(
                f"sum by (app, outcome) (clevertap_recent_attempts{{{ALL}}})",
                "{{app}} {{outcome}}",
            )
        ],
        width=12,
    ),
    Panel(
        title="Unknown outcomes in the last hour",
        about="Attempts whose answer never came: their records are sent again.",
        queries=[
            Query(
                "sum by (app, integration) "
                f"(increase(clevertap_unknown_outcomes_total{{{ALL}}}[1h]))",
                WHOSE,
            )
        ],
        width=12,
    ),
)
