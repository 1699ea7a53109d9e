"""One round of alerting: update incidents, send notices, call heartbeats."""

from clevertap_sync.alerting import heartbeats, notices, watch


def run_alert_round() -> None:
    """Run a round, without what another process is doing. Leaves its connection open."""
    watch.update_incidents()
    notices.send_due_notices()
    heartbeats.call_due_heartbeats()
