"""Caution: while an integration fails, little is handed out at a time.

CleverTap does not recognise repeats, so a request that it never answers may count each of
its records once more. Nobody knows whether it will answer the next one. So after a failure
new work is handed out in small uploads until one succeeds, and one of those tries the account
out before a large upload goes again whose outcome is unknown: a second doubt costs
`CAUTIOUS_RECORDS` repeats, not `MAX_RECORDS`.

Any failure makes the sizes cautious, not an unknown outcome alone: the integration knows
nothing else once a dry run was answered, and a success, which makes them full again, comes
with the first request. What goes first does depend on the doubt, which an upload counts
itself: one that CleverTap refused as a whole has stored nothing, and may go again at once.

Nagle's rule needs no word of this: while an integration fails its uploads go one at a time,
so that any range goes alone.
"""

from collections.abc import Sequence
from typing import Final

from clevertap_sync.clevertap.limits import MAX_RECORDS
from clevertap_sync.delivery.unknown_outcomes import HALVED_FROM
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.models import Integration, Upload

#: An event names at most two people.
CAUTIOUS_EVENTS: Final = 50
CAUTIOUS_RECORDS: Final = 2 * CAUTIOUS_EVENTS


def choose_events_per_upload(integration: Integration) -> int:
    """Return how many events the next upload of new work may cover."""
    return CAUTIOUS_EVENTS if integration.failures else EVENTS_PER_UPLOAD


def choose_records_per_upload(integration: Integration) -> int:
    """Return how many records the next upload of new work may cover."""
    return CAUTIOUS_RECORDS if integration.failures else MAX_RECORDS


def wants_new_work_first(integration: Integration, waiting: Sequence[Upload]) -> bool:
    """Return whether a little new work should go before all that wait, which are large."""
    return _wants_try_out(integration, waiting) and not any(map(_is_small, waiting))


def choose_first(integration: Integration, waiting: Sequence[Upload]) -> Upload:
    """Return which upload goes first: the first in log order, or a small one before it.

    One that was often sent in vain shows that the size is not the reason. Then none goes
    first, nor does new work, until those before it have their verdicts: nothing is starved.
    """
    if not _wants_try_out(integration, waiting):
        return waiting[0]
    small = filter(_is_small, waiting)
    fit = (upload for upload in small if upload.unknown_outcomes < HALVED_FROM)
    return next(fit, waiting[0])


def _wants_try_out(integration: Integration, waiting: Sequence[Upload]) -> bool:
    """Return whether a large upload is first, and what one of them led to is unknown."""
    if not integration.failures or not waiting or _is_small(waiting[0]):
        return False
    return any(upload.unknown_outcomes for upload in waiting)


def _is_small(upload: Upload) -> bool:
    most = 2 * (upload.last - upload.first + 1)
    return (upload.records or len(upload.picks or ()) or most) <= CAUTIOUS_RECORDS
