"""How many of CleverTap's event types an integration's events take: 512 an account."""

from clevertap_sync.models import Integration
from referrals.vocabulary import EventType, Side


def count_event_types(integration: Integration, custom_names: int) -> int:
    """Return how many event types the settings let the events take.

    `custom_names` of the app go to CleverTap. Reads nothing.
    """
    off = set(integration.not_sent)
    return sum(
        custom_names if event_type is EventType.CUSTOM else 1
        for event_type in EventType
        for side in Side
        if (event_type, side) != (EventType.LINK_CLICK, Side.REFERRED)
        and f"{event_type}:{side}" not in off
    )
