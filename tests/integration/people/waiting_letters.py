"""Dead letters of records that wait for a person, waited in vain, or were delivered since."""

from datetime import timedelta
from typing import Any

from clevertap_sync.insight.mapping_settings import build_settings
from clevertap_sync.models import DeadLetter, Integration, Upload
from clevertap_sync.process import clock

State = DeadLetter.State


def a_waiting_letter(
    integration: Integration,
    position: int,
    *,
    ago: timedelta = timedelta(),
    **changes: Any,
) -> DeadLetter:
    """Write the letter of a record that has waited since so long ago, and its upload."""
    began = clock.read_now() - ago
    upload = Upload.objects.create(
        integration=integration,
        state=Upload.State.SETTLED,
        first=position,
        last=position,
        settings=build_settings(integration),
        records=1,
        waiting=1,
        created_at=began,
        settled_at=began,
        due_at=began,
    )
    defaults = {
        "side": "referred",
        "event_name": "Referred App Install",
        "reason": "waiting_for_identity",
        "state": State.WAITING,
        "created_at": began,
        "changed_at": began,
    }
    return DeadLetter.objects.create(
        integration=integration,
        upload=upload,
        position=position,
        **{**defaults, **changes},
    )


def a_linked_letter(
    integration: Integration,
    position: int,
    *,
    waited: timedelta,
    ago: timedelta = timedelta(),
    **changes: Any,
) -> DeadLetter:
    """Write the letter of a record that was delivered so long ago, after such a wait."""
    known = clock.read_now() - ago
    linked = {
        "state": State.DELIVERED,
        "created_at": known - waited,
        "linked_at": known,
        "delivered_at": known,
        "changed_at": known,
        **changes,
    }
    return a_waiting_letter(integration, position, **linked)
