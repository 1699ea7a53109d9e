"""How far apart an integration's events come, as this process's uploads of it tell."""

import time
from typing import Final, NamedTuple

from clevertap_sync.delivery.work import Claim

#: Whatever comes less often tells nothing: the integration is quiet.
LONGEST_GAP_SECONDS: Final = 0.2
#: The newest upload counts for a quarter.
_NEWEST: Final = 0.25


class _Pace(NamedTuple):
    """When the last upload was claimed, by our own clock, and the gap between two events."""

    claimed_at: float
    gap: float


#: Integration → its pace.
_paces: Final[dict[int, _Pace]] = {}


def note_claim(claim: Claim) -> None:
    """Note an upload. A range tells how many events came since the one before."""
    count = count_new_events(claim)
    if not count:
        return
    key, now = claim.integration.pk, time.monotonic()
    before = _paces.get(key, _Pace(0.0, LONGEST_GAP_SECONDS))
    gap = min((now - before.claimed_at) / count, LONGEST_GAP_SECONDS)
    _paces[key] = _Pace(now, before.gap + _NEWEST * (gap - before.gap))


def count_new_events(claim: Claim) -> int:
    """Return how many events a claim took that took all the log had; 0 for any other."""
    upload = claim.upload
    if claim.left_some or upload.picks is not None or upload.replay_id is not None:
        return 0
    return upload.last - upload.first + 1


def estimate_gap(integration_id: int) -> float:
    """Return the seconds after which the next event may be expected."""
    return (
        _paces[integration_id].gap if integration_id in _paces else LONGEST_GAP_SECONDS
    )


def forget_paces() -> None:
    """Expect nothing: for a process that begins anew, such as a test."""
    _paces.clear()
