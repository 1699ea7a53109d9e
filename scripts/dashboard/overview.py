"""Whether all is well, and what is not."""

from typing import Final

from scripts.dashboard.grafana import Panel, Query, build_stat
from scripts.dashboard.queries import ALL, APP, HERE, write_rate

PANELS: Final = (
    build_stat(
        "Errors",
        "Findings by which accepted events do not arrive, or events are refused.",
        f'sum(clevertap_findings{{{ALL}, severity="error"}}) or vector(0)',
        alarm=1,
    ),
    build_stat(
        "Warnings",
        "Findings by which some events do not arrive, or soon will not.",
        f'sum(clevertap_findings{{{ALL}, severity="warning"}}) or vector(0)',
        warn=1,
    ),
    build_stat(
        "Integrations held",
        "By a fault of their account. Nothing is lost meanwhile.",
        f"sum(clevertap_held{{{ALL}}})",
        alarm=1,
    ),
    build_stat(
        "Oldest event not delivered",
        "The largest lag of an integration, paused ones included.",
        f"max(clevertap_lag_seconds{{{ALL}}})",
        unit="s",
        warn=120,
        alarm=600,
    ),
    build_stat(
        "A worker was seen",
        "So long ago. None that is red delivers.",
        f"max(clevertap_worker_silence_seconds{{{HERE}}})",
        unit="s",
        warn=30,
        alarm=60,
    ),
    build_stat(
        "Books out of balance",
        "Integrations of which a record is missing or counted twice: a fault of this product.",
        f"sum(1 - clevertap_balanced{{{ALL}}})",
        alarm=1,
    ),
    Panel(
        title="What is not well",
        about="The findings, as the admin's overview has them with a sentence and a remedy.",
        queries=[Query(f"clevertap_findings{{{ALL}}} > 0")],
        kind="table",
        width=12,
    ),
    Panel(
        title="In and out",
        about="Events that were accepted, and records that CleverTap accepted. Most events make "
        "two records.",
        queries=[
            Query(
                write_rate(
                    "referrals_ingested_events_total", f'{APP}, outcome="accepted"'
                ),
                "events in",
            ),
            Query(write_rate("clevertap_delivered_records_total", ALL), "records out"),
        ],
        unit="cps",
        width=12,
    ),
    Panel(
        title="Alerts",
        about="Of ops/prometheus/alerts.yml, while they fire.",
        queries=[
            Query(
                f"max by (alertname, app, integration, code) (ALERTS{{{APP}, "
                'alertname=~"Referrals.+", alertstate="firing"})',
                "{{alertname}} {{app}} {{integration}} {{code}}",
            )
        ],
        kind="state-timeline",
        alarm=1,
        width=24,
        height=6,
    ),
)
