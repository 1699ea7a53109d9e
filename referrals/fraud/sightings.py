"""What an install leaves behind for judging later ones. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from referrals.fraud.people import list_compared
from referrals.fraud.reasons import FraudReason
from referrals.schema import Event
from referrals.vocabulary import EventType

_INSTALLS = {EventType.APP_INSTALL, EventType.APP_REINSTALL}


class SightingKey(NamedTuple):
    """A sighting: a mark, a value, and what too many other values at the mark mean.

    Mark and value are keyed hashes. The mark of a device carries its advertising IDs; the
    mark of an IP address together with a referrer carries installs.
    """

    mark: str
    value: str
    meaning: FraudReason


def find_sightings(
    event: Event, hash_signal: Callable[[str], str]
) -> tuple[SightingKey, ...]:
    """Return the sightings to look up before judging `event`, and to store afterwards.

    Only installs that carry signals leave anything. Test events meet only test events.
    """
    user = event.user
    if user is None or event.type not in _INSTALLS:
        return ()
    kind = "test" if event.test else "production"
    found = []
    if user.device_id and user.advertising_id:
        mark = hash_signal(f"{kind} device:{user.device_id}")
        found.append(
            SightingKey(mark, user.advertising_id, FraudReason.ADVERTISING_ID_RESET)
        )
    if user.ip and event.referrer and event.type is EventType.APP_INSTALL:
        # By its own id: an event that is sent again is no second install.
        value = hash_signal(f"{kind} event:{event.id}")
        for identity in sorted(list_compared(event.referrer)):
            mark = hash_signal(f"{kind} install:{user.ip}:{':'.join(identity)}")
            found.append(SightingKey(mark, value, FraudReason.INSTALLS_FROM_SAME_IP))
    return tuple(found)
