"""One round of alerting: update incidents, send notices, call heartbeats."""

from typing import Final

from clevertap_sync.alerting import heartbeats, notices, watch

#: How far apart two looks at the findings are.
EVERY: Final = watch.EVERY
#: In SQL: whether a round would find something to do now.
HAS_WORK: Final = f"({watch.IS_DUE} OR {notices.ARE_DUE} OR {heartbeats.ARE_OWED})"


def run_alert_round() -> None:
    """Run a round, without what another process is doing. Leaves its connection open."""
    watch.update_incidents()
    notices.send_due_notices()
    heartbeats.call_due_heartbeats()
