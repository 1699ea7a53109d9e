"""How long deliveries took since their events were accepted.

When an event was accepted, the log knows. Uploads do without it, so it is asked for later,
once for all uploads of some seconds.
"""

import os
import threading
from collections import deque
from datetime import datetime
from typing import Final, NamedTuple

from clevertap_sync.models import Integration
from clevertap_sync.process import duration_counts
from clevertap_sync.process.durations import DELIVERY, LabelValues
from referrals import log
from referrals.ingest import background

#: Uploads that wait to be counted, while the database is away; the oldest beyond it go.
MOST_WAITING: Final = 5_000


class _Delivery(NamedTuple):
    """An upload that was delivered at an instant, and its oldest event."""

    labels: LabelValues
    app_id: int
    position: int
    at: datetime


_mutex: Final = threading.Lock()
_noted: deque[_Delivery] = deque(maxlen=MOST_WAITING)


def note_delivery(integration: Integration, position: int, at: datetime) -> None:
    """Note an upload. `position` is that of its oldest event, `at` the database's instant."""
    labels = (integration.app.slug, integration.name)
    with _mutex:
        _noted.append(_Delivery(labels, integration.app_id, position, at))
    background.write_soon()


def count_deliveries() -> None:
    """Count the uploads that were noted. They stay while the database is away.

    Raises the database's errors.
    """
    with _mutex:
        noted = list(_noted)
    if not noted:
        return
    received = log.read_received_at({(each.app_id, each.position) for each in noted})
    for each in noted:
        accepted_at = received.get((each.app_id, each.position))
        if accepted_at is not None:
            seconds = (each.at - accepted_at).total_seconds()
            duration_counts.count_duration(DELIVERY, each.labels, max(0.0, seconds))
    _forget(len(noted))


def clear_deliveries() -> None:
    """Forget what was noted: for a process that begins anew, such as a fork or a test."""
    _noted.clear()


def _forget(number: int) -> None:
    with _mutex:
        for _ in range(min(number, len(_noted))):
            _noted.popleft()


os.register_at_fork(after_in_child=clear_deliveries)
