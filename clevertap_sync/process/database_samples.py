"""How large the database was, hour by hour: one row an hour, written along by the workers."""

from datetime import timedelta
from typing import Final

from django.db.models import F, Min, OuterRef, Subquery
from django.db.models.functions import Greatest

from clevertap_sync.models import DatabaseSample
from clevertap_sync.process import clock
from clevertap_sync.process.database_look import look_at_database
from referrals.models import App, ReferralEvent

KEPT_FOR: Final = timedelta(days=40)


def record_sample() -> None:
    """Write what a look finds into the row of this hour, and remove rows past their days.

    Safe to run anywhere, any number of times: the size is that of the newest look, the
    connections are the most that any look of the hour has seen.
    """
    now = clock.read_now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    look = look_at_database()
    use = look.connections
    found = {
        "size_bytes": look.size_bytes,
        "free_bytes": look.free_bytes,
        "connection_limit": use.limit if use else None,
        "oldest_event_at": _find_oldest_event(),
    }
    most = {"connections": Greatest(F("connections"), use.used)} if use else {}
    if not DatabaseSample.objects.filter(hour=hour).update(**found, **most):
        row = DatabaseSample(hour=hour, connections=use.used if use else None, **found)
        # Another worker may have been quicker; then its look is as good.
        DatabaseSample.objects.bulk_create([row], ignore_conflicts=True)
        DatabaseSample.objects.filter(hour__lt=now - KEPT_FOR).delete()


def _find_oldest_event() -> object:
    """Return when the oldest event was received that retention may remove one day.

    The newest of each app's log does not count, since it always stays.
    """
    events = ReferralEvent.objects.filter(app=OuterRef("pk")).order_by("position")
    received = events.values("received_at")
    logs = App.objects.annotate(
        first=Subquery(received[:1]), second=Subquery(received[1:2])
    )
    return logs.filter(second__isnull=False).aggregate(at=Min("first"))["at"]
