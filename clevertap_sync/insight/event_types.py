"""What the settings let an integration's events become: which types, and which not at all.

CleverTap gives an account 512 event types.
"""

from typing import Any

import msgspec

from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.models import Integration
from referrals.vocabulary import SIDES, EventType


def count_event_types(integration: Integration, custom_names: int) -> int:
    """Return how many event types the settings let the events take.

    `custom_names` of the app go to CleverTap. Reads nothing.
    """
    off = set(integration.not_sent)
    return sum(
        custom_names if event_type is EventType.CUSTOM else 1
        for event_type in EventType
        for side in SIDES[event_type]
        if f"{event_type}:{side}" not in off
    )


def have_send_settings_changed(
    integration: Integration, made_with: dict[str, Any] | None
) -> bool:
    """Return whether what keeps records back is not as it was on an upload. Reads nothing.

    `made_with` are the upload's mapping settings; None where there is no upload.
    """
    if made_with is None:
        return False
    then = msgspec.convert(made_with, MappingSettings)
    since = integration.deliver_since
    now = msgspec.structs.replace(
        then,
        event_kinds=integration.event_kinds,
        send_suspicious=integration.send_suspicious,
        send_rejected=integration.send_rejected,
        not_sent=tuple(integration.not_sent),
        since=since.timestamp() if since else None,
    )
    return now != then
