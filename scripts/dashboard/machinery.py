"""Processes and the database."""

from typing import Final

from scripts.dashboard.grafana import Panel, Query
from scripts.dashboard.queries import HERE, list_gauge

_PROCESS: Final = "{{kind}} {{process}}"

PANELS: Final = (
    Panel(
        title="Processes",
        about="Those that are at work, and their releases.",
        queries=[Query(f"referrals_process_info{{{HERE}}}")],
        kind="table",
        hidden=("Value",),
    ),
    Panel(
        title="Memory",
        about="Resident, of each process that is at work.",
        queries=list_gauge("referrals_process_resident_memory_bytes", _PROCESS, HERE),
        unit="bytes",
    ),
    Panel(
        title="CPU",
        about="1 is a whole core.",
        queries=[
            Query(
                f"rate(referrals_process_cpu_seconds_total{{{HERE}}}[$__rate_interval])",
                _PROCESS,
            )
        ],
    ),
    Panel(
        title="Threads",
        about="Of each process that is at work.",
        queries=list_gauge("referrals_process_threads", _PROCESS, HERE),
    ),
    Panel(
        title="Open files and sockets",
        about="Of each process that is at work.",
        queries=list_gauge("referrals_process_open_files", _PROCESS, HERE),
    ),
    Panel(
        title="Clock ahead of the database's",
        about="Behind it, where the number is negative.",
        queries=list_gauge("referrals_process_clock_offset_seconds", _PROCESS, HERE),
        unit="s",
        lowest=None,
    ),
    Panel(
        title="Started",
        about="So long ago: what restarts draws a saw.",
        queries=[
            Query(f"time() - referrals_process_start_time_seconds{{{HERE}}}", _PROCESS)
        ],
        unit="s",
    ),
    Panel(
        title="Database's size",
        about="`manage.py doctor` says what grows, and how long it lasts.",
        queries=list_gauge("referrals_database_size_bytes", "size", HERE),
        unit="bytes",
    ),
    Panel(
        title="Database's connections",
        about="In use, and as many as the server allows.",
        queries=[
            *list_gauge("referrals_database_connections", "in use", HERE),
            *list_gauge("referrals_database_connections_limit", "limit", HERE),
        ],
    ),
)
