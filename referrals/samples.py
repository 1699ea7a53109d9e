"""Sample events, as a backend sends them: for previews, tests of a connection, and docs.

Pure. The people are made up, under a host that is reserved for documentation (RFC 2606).
"""

from collections.abc import Mapping
from typing import Any, Final

from referrals.vocabulary import SIDES, EventType, FraudStatus, Side, Via

#: Ann came because Bob invited her.
ANN: Final = {"email": "ann@example.com", "custom_id": "ann-42"}
BOB: Final = {"email": "bob@example.com", "custom_id": "bob-7"}
CUSTOM_NAME: Final = "Subscription Started"


def make_sample_event(
    event_type: EventType,
    *,
    event_id: str,
    user: Mapping[str, str],
    referrer: Mapping[str, str] | None,
    name: str = CUSTOM_NAME,
    test: bool = False,
) -> dict[str, Any]:
    """Return an event of this type. `user` and `referrer` are their identities.

    Without a referrer it came by a marketing link; a link click has only a referrer.
    It has a status, so that earlier installs of real people cannot make it suspicious.
    """
    event: dict[str, Any] = {"id": event_id, "type": event_type.value}
    if Side.REFERRED in SIDES[event_type]:
        event["user"] = {"identities": dict(user)}
    if referrer is not None:
        event["referrer"] = {"identities": dict(referrer)}
    event["via"] = (Via.SMART_LINK if referrer is None else Via.SMART_INVITE).value
    if event_type is EventType.CUSTOM:
        event |= {"name": name, "event_data": {"plan": "gold", "trial days": 14}}
    else:
        event |= {"channel": "email", "content": "sample"}
    return event | {"status": FraudStatus.VALID.value, "test": test}
