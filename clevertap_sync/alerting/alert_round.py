"""One round: look, send what is due, call who waits for a heartbeat."""

from clevertap_sync.alerting import heartbeats, notices, watch


def run_alert_round() -> None:
    """Do all three, as far as no other process does. Opens a connection, and leaves it open."""
    watch.update_incidents()
    notices.send_due_notices()
    heartbeats.call_due_heartbeats()
