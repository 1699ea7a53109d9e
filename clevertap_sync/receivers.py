"""When the log grows, ring for each integration that reads it."""

from time import monotonic
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.dispatch import receiver

from clevertap_sync.process import doorbell
from referrals.signals import events_recorded

#: For so long, a second integration that is enabled may wait for the sweep, once. An app's
#: first one is rung at once, because "no integration" is not remembered. Without this
#: memory, each append would walk all versions of the row that every claim writes, while a
#: long transaction keeps vacuum away.
REMEMBERED_SECONDS: Final = 1.0
# Plain SQL: the ORM took as long to write this query as to store the event.
_READERS = """
    SELECT id FROM clevertap_sync_integration
    WHERE app_id = %s AND enabled AND archived_at IS NULL
"""


@receiver(events_recorded, dispatch_uid="clevertap_sync.ring")
def ring_for_app(app_id: int, *, only_people: bool = False, **_: Any) -> None:
    """Ring for the app's enabled integrations. A failure here loses no event.

    What only says who is who (`only_people`) is nothing to send, and one ring is enough to
    learn it. The step that has learned it rings for who passes it by.
    """
    if not settings.REDIS_URL:
        return
    try:
        ids = _readers_of(app_id)
    except DatabaseError:
        return
    if only_people:
        for integration_id in ids[:1]:
            doorbell.ring_to_learn(app_id, integration_id)
        return
    for integration_id in ids:
        doorbell.ring_doorbell(integration_id)


def clear_remembered_readers() -> None:
    """Clear this process's memory, so that the next append reads the integrations."""
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
