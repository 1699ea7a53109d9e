"""What an alert may be: the rules of its form, and of a set-up file."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from clevertap_sync.clevertap.client.public_addresses import is_public
from clevertap_sync.models import Alert

MOST_RECIPIENTS: Final = 20
#: The least and the most that a column may hold.
LIMITS: Final = {
    "held_minutes": (0, 1440),
    # Events are late from two minutes on.
    "lag_minutes": (2, 10_080),
    "dead_percent": (1, 100),
    "passcode_days": (1, 365),
    "refused_percent": (1, 100),
    "quiet_hours": (1, 8760),
    "pause_hours": (1, 8760),
    "stale_percent": (1, 100),
    "fewer_percent": (1, 100),
    "heartbeat_minutes": (1, 60),
}


def find_address_problem(url: str) -> str:
    """Return the problem of a receiver's address in a sentence; "" for a good one."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "This is no address. It looks like https://hooks.slack.com/services/…."
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "Begin with https:// and a host name."
    if parts.username or parts.password or any(c.isspace() for c in url):
        return "Leave out user names, passwords and blanks."
    if not settings.ALERTS_TO_PRIVATE_ADDRESSES and _is_private(parts):
        return (
            "This is an address on a private network, where alerts do not go unless "
            "ALERTS_TO_PRIVATE_ADDRESSES is set."
        )
    return ""


def forget_last_heartbeat(alert: Alert) -> tuple[str, ...]:
    """Put on the row that its heartbeat was never called; return the columns.

    The result of the last call belongs to the old address.
    """
    alert.heartbeat_due_at = alert.heartbeat_at = None
    alert.heartbeat_owed = alert.heartbeat_problem = ""
    return "heartbeat_due_at", "heartbeat_at", "heartbeat_owed", "heartbeat_problem"


def _is_private(parts: SplitResult) -> bool:
    """Return whether the host is private by its text alone; sending checks the look-up."""
    host = parts.hostname or ""
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(
            (".localhost", ".internal", ".local")
        )
