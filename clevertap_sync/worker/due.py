"""Find the integrations that have something to do now, for the sweep."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from clevertap_sync.delivery import hold
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.models import Integration, Replay, Upload
from clevertap_sync.process import clock
from referrals import log


def find_due_integrations() -> Iterator[tuple[int, int]]:
    """Yield (integration ID, number of threads that would find something to do).

    Without a broker no ring comes, so only this number gets several uploads in flight.
    """
    now = clock.read_now()
    ready = Q(held_until=None) | Q(held_until__lte=now)
    for integration in (
        Integration.objects.enabled().filter(ready).select_related("account")
    ):
        if wanted := _count_workers_wanted(integration, now):
            yield integration.pk, wanted


def _count_workers_wanted(integration: Integration, now: datetime) -> int:
    if hold.is_waiting_for_person(integration):
        return 0
    waiting = log.read_head(integration.app_id) - integration.cursor
    wanted = -(-waiting // EVENTS_PER_UPLOAD)
    free = Q(leased_until=None, due_at__lte=now) | Q(leased_until__lte=now)
    wanted += Upload.objects.open().filter(free, integration=integration).count()
    if not wanted:
        running = Replay.objects.filter(
            integration=integration, state=Replay.State.RUNNING
        )
        # A probe has to end a hold even where nothing is left to send.
        wanted = int(integration.hold_probes or running.exists())
    # While it fails, its uploads go one at a time.
    most = 1 if integration.failures else integration.account.current_limit
    return min(wanted, most)
