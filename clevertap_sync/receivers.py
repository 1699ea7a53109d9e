"""When the log grows, ring for each integration that reads it."""

from time import monotonic
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.dispatch import receiver

from clevertap_sync.process import doorbell
from referrals.signals import events_recorded

#: Somebody who enables a second integration within it may wait for the sweep, once. The
#: first of an app is heard at once: that nobody reads is never remembered. Without this,
#: each append walks the versions of the row that every claim writes, for as long as some
#: transaction keeps vacuum from them.
REMEMBERED_SECONDS: Final = 1.0
# To write it took the ORM as long as to store the event.
_READERS = """
    SELECT id FROM clevertap_sync_integration
    WHERE app_id = %s AND enabled AND archived_at IS NULL
"""


@receiver(events_recorded, dispatch_uid="clevertap_sync.ring")
def ring_for_app(app_id: int, **_: Any) -> None:
    """Ring for the app's enabled integrations. The events are safe whatever happens here."""
    if not settings.REDIS_URL:
        return
    try:
        ids = _readers_of(app_id)
    except DatabaseError:
        return
    for integration_id in ids:
        doorbell.ring_doorbell(integration_id)


def clear_remembered_readers() -> None:
    """Forget what this process remembers, so that the next append looks again."""
    _remembered.clear()


def _readers_of(app_id: int) -> list[int]:
    now = monotonic()
    until, ids = _remembered.get(app_id, (now, []))
    if now < until:
        return ids
    with connection.cursor() as cursor:
        cursor.execute(_READERS, [app_id])
        ids = [row[0] for row in cursor.fetchall()]
    if ids:
        _remembered[app_id] = now + REMEMBERED_SECONDS, ids
    return ids


_remembered: Final[dict[int, tuple[float, list[int]]]] = {}
