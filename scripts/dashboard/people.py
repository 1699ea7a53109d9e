"""What waits for a person, and what CleverTap shows."""

from typing import Final

from scripts.dashboard.grafana import Panel, Query
from scripts.dashboard.queries import ALL, APP, WHOSE, list_gauge

PANELS: Final = (
    Panel(
        title="Records that wait for a person",
        about="By what they wait for. None of them is a dead letter.",
        queries=[
            Query(
                f"sum by (app, reason) (clevertap_waiting_records{{{ALL}}})",
                "{{app}} {{reason}}",
            )
        ],
        stacked=True,
    ),
    Panel(
        title="How waits end, in the last hour",
        about="Delivered since their person became known, or expired.",
        queries=[
            Query(f"sum(increase(clevertap_{name}_records_total{{{ALL}}}[1h]))", name)
            for name in ("revived", "expired")
        ],
    ),
    Panel(
        title="How long records waited",
        about="Those whose person became known in the last five minutes.",
        queries=[
            Query(
                f"histogram_quantile({share}, "
                f"sum by (le) (clevertap_recent_waits{{{ALL}}}))",
                name,
            )
            for share, name in ((0.5, "p50"), (0.95, "p95"))
        ],
        unit="s",
    ),
    Panel(
        title="Who is who is learned so late",
        about="Age of the oldest event that nothing was learned from yet.",
        queries=list_gauge("referrals_people_lag_seconds", "{{app}}", APP),
        unit="s",
    ),
    Panel(
        title="Identities that two people claimed",
        about="They name nobody any more.",
        queries=list_gauge("referrals_people_conflicts_total", "{{app}}", APP),
    ),
    Panel(
        title="The last comparison with CleverTap ended",
        about="So long ago. It is made by night.",
        queries=list_gauge("clevertap_seen_comparison_age_seconds"),
        unit="s",
    ),
    Panel(
        title="Names and days, by what CleverTap counts",
        about="Of the last week. What lies within doubt is none of them.",
        queries=[
            Query(f"sum by (result) (clevertap_seen_statements{{{ALL}}})", "{{result}}")
        ],
        stacked=True,
    ),
    Panel(
        title="Records that CleverTap counts fewer or more",
        about="Of the last week, without what lies within doubt.",
        queries=list_gauge(
            "clevertap_seen_difference_records", f"{WHOSE} {{{{direction}}}}"
        ),
    ),
    Panel(
        title="A new event shows after",
        about="From its first delivery to its first sight in CleverTap.",
        queries=list_gauge(
            "clevertap_seen_first_sight_seconds", f"{WHOSE} {{{{quantile}}}}"
        ),
        unit="s",
    ),
)
