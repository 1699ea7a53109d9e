"""A dead man's switch: an address that is called while all is well.

The service at that address tells people when the call stays away. So people hear even when
every process of this installation is dead and none can send an alert.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from clevertap_sync.alerting import notifiers
from clevertap_sync.models import Alert, Heartbeat
from clevertap_sync.process import clock

logger = logging.getLogger(__name__)

#: In SQL: whether an address is to be called.
ARE_OWED: Final = """
    EXISTS (SELECT 1 FROM clevertap_sync_alert WHERE enabled AND heartbeat_owed <> '')
"""


def schedule_heartbeat(alert: Alert, *, is_well: bool, now: datetime) -> None:
    """Write into the row which call is due: that all is well, or that it is not."""
    if not alert.heartbeat_url:
        return
    this, length = Alert.objects.filter(pk=alert.pk), alert.heartbeat_minutes
    if not is_well and alert.heartbeat_owed == Heartbeat.WELL:
        # The call was not made in time, and it would be wrong now.
        this.update(heartbeat_owed="")
    if not (is_well or alert.heartbeat_fails):
        return
    # A call that something is wrong is due within a minute, and every minute.
    due = now if is_well else now + timedelta(minutes=length - 1)
    is_due = Q(heartbeat_due_at=None) | Q(heartbeat_due_at__lte=due)
    this.filter(is_due).update(
        heartbeat_due_at=now + timedelta(minutes=length),
        heartbeat_owed=Heartbeat.WELL if is_well else Heartbeat.FAIL,
    )


def call_due_heartbeats() -> int:
    """Call each address that is due, once. Return how many answered.

    An address that does not answer is called again when its next call is due.
    """
    owed = Alert.objects.filter(enabled=True).exclude(heartbeat_owed="")
    return sum(_call_heartbeat(alert) for alert in list(owed))


def _call_heartbeat(alert: Alert) -> bool:
    """Call the address, unless another process took the call (compare-and-set)."""
    row = Alert.objects.filter(pk=alert.pk)
    claim = row.filter(heartbeat_owed=alert.heartbeat_owed)
    if not claim.update(heartbeat_owed=""):
        return False
    try:
        notifiers.call_heartbeat(
            alert.heartbeat_url, fails=alert.heartbeat_owed == Heartbeat.FAIL
        )
    except notifiers.AlertNotSentError as error:
        row.update(heartbeat_problem=str(error)[:200])
        logger.warning("The heartbeat of alert %s failed (%s)", alert.pk, error)
        return False
    row.update(heartbeat_at=clock.read_now(), heartbeat_problem="")
    return True
