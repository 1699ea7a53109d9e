"""When the log grows, ring for each integration that reads it."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.dispatch import receiver

from clevertap_sync import doorbell
from referrals.signals import events_recorded

# Part of every request. To write it took the ORM as long as to store the event.
_READERS = """
    SELECT id FROM clevertap_sync_integration
    WHERE app_id = %s AND enabled AND archived_at IS NULL
"""


@receiver(events_recorded, dispatch_uid="clevertap_sync.ring")
def ring_for(app_id: int, **_: Any) -> None:  # noqa: ANN401 - Django's signal protocol
    """Ring for the app's enabled integrations. The events are safe whatever happens here."""
    if not settings.REDIS_URL:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_READERS, [app_id])
            ids = [row[0] for row in cursor.fetchall()]
    except DatabaseError:
        return
    for integration_id in ids:
        doorbell.ring(integration_id)
