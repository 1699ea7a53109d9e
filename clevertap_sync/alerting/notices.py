"""Sends the notices that `watch` wrote: each by one worker, a few times, then given up.

If a worker dies between sending a notice and noting that, the notice goes out again: an
alert twice is better than none. A webhook carries the notice's key, which stays the same.
"""

import logging
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from clevertap_sync.alerting import messages, notifiers
from clevertap_sync.models import Alert, Notice
from clevertap_sync.process import clock

logger = logging.getLogger(__name__)

#: How long to wait after each attempt; after the last of them, no more.
WAITS: Final = tuple(timedelta(seconds=s) for s in (10, 30, 120, 600, 1800))
#: Longer than any attempt takes.
LEASE: Final = timedelta(seconds=60)
_AT_ONCE: Final = 20
_LONGEST: Final = 200
#: In SQL: whether a notice may be sent now.
ARE_DUE: Final = """
    EXISTS (SELECT 1 FROM clevertap_sync_notice n
        JOIN clevertap_sync_alert a ON a.id = n.alert_id AND a.enabled
        WHERE n.state = 'pending' AND n.due_at <= {now}
        AND (n.leased_until IS NULL OR n.leased_until <= {now}))
"""


def send_due_notices(now: datetime | None = None) -> int:
    """Send the notices that are due. Return how many got through."""
    return sum(send_notice(pk) for pk in list(_find_due(now or clock.read_now())))


def send_notice(notice_id: int) -> bool:
    """Send one notice, unless another worker does. Return whether it got through."""
    notice = _lease_notice(notice_id)
    if notice is None:
        return False
    try:
        notifiers.send_message(notice.alert, notice)
    except notifiers.AlertNotSentError as error:
        _note_failure(notice, str(error))
        return False
    mine = Notice.objects.filter(pk=notice.pk, attempts=notice.attempts)
    mine.update(
        state=Notice.State.SENT, sent_at=clock.read_now(), leased_until=None, problem=""
    )
    return True


def send_test_notice(alert: Alert) -> Notice:
    """Send a test notice at once, and return it with its outcome."""
    now = clock.read_now()
    notice = Notice.objects.create(
        alert=alert,
        moment=Notice.Moment.TEST,
        key=uuid.uuid4(),
        content=messages.write_test_message(alert, now),
        created_at=now,
        due_at=now,
    )
    send_notice(notice.pk)
    notice.refresh_from_db()
    return notice


def _find_due(now: datetime) -> Iterator[int]:
    """Yield the IDs of due notices, oldest first. An end waits while its start is pending."""
    start = Notice.objects.filter(
        incident=OuterRef("incident"),
        moment=Notice.Moment.STARTED,
        state=Notice.State.PENDING,
    )
    early = Q(moment=Notice.Moment.ENDED) & Q(Exists(start))
    due = _unleased(now).filter(due_at__lte=now, alert__enabled=True).exclude(early)
    yield from due.order_by("due_at", "pk").values_list("pk", flat=True)[:_AT_ONCE]


def _unleased(now: datetime) -> QuerySet[Notice]:
    unleased = Q(leased_until=None) | Q(leased_until__lte=now)
    return Notice.objects.filter(unleased, state=Notice.State.PENDING)


def _lease_notice(notice_id: int) -> Notice | None:
    """Lease the notice by compare-and-set; None where another worker has it."""
    now = clock.read_now()
    claimed = _unleased(now).filter(pk=notice_id)
    if not claimed.update(leased_until=now + LEASE, attempts=F("attempts") + 1):
        return None
    return Notice.objects.select_related("alert__app").get(pk=notice_id)


def _note_failure(notice: Notice, problem: str) -> None:
    """Plan the next attempt, or give up. The page and a log line say why."""
    tried = notice.attempts
    is_last = notice.moment == Notice.Moment.TEST or tried > len(WAITS)
    Notice.objects.filter(pk=notice.pk, attempts=tried).update(
        state=Notice.State.FAILED if is_last else Notice.State.PENDING,
        due_at=notice.due_at if is_last else clock.read_now() + WAITS[tried - 1],
        leased_until=None,
        problem=problem[:_LONGEST],
    )
    what = "given up" if is_last else "it is tried again"
    logger.warning(
        "Alert %s could not be sent (%s); %s", notice.alert_id, problem, what
    )
