"""One round: look, send what is due, call who waits for a heartbeat."""

from clevertap_sync.alerting import heartbeats, notices, watch


def look_and_send() -> None:
    """Do all three, as far as no other process does. Opens a connection, and leaves it open."""
    watch.watch_everything()
    notices.send_due()
    heartbeats.call_due()
