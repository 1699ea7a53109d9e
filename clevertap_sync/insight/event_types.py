"""Which event types an integration's settings send to CleverTap, and whether they changed.

CleverTap gives an account `limits.EVENT_TYPES` of them.
"""

from typing import Any

import msgspec

from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.models import Integration
from referrals.vocabulary import REFERRAL_TYPES, SIDES, EventType


def count_event_types(integration: Integration, custom_names: int) -> int:
    """Return how many of the account's event types the settings use.

    `custom_names` is how many of the app's names go to CleverTap. Reads nothing.
    """
    off = set(integration.not_sent)
    return sum(
        custom_names if event_type is EventType.CUSTOM else 1
        for event_type in REFERRAL_TYPES
        for side in SIDES[event_type]
        if f"{event_type}:{side}" not in off
    )


def have_send_settings_changed(
    integration: Integration, made_with: dict[str, Any] | None
) -> bool:
    """Return whether settings that keep records back changed since an upload. Reads nothing.

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
