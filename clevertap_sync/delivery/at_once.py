"""Begin at once: a busy integration's small range is leased and begun in one transaction.

Its upload and its attempt are written together, where they took a transaction each. The
account stays locked while a few events are read and mapped.

Only for a thread that has delivered the integration a moment ago. An event that kills whoever
maps it leaves no trace here, and would kill the next one, too. But a process that begins anew
claims first, and so counts its claims in vain.
"""

from dataclasses import replace
from typing import Final

from clevertap_sync.delivery import map_upload, send
from clevertap_sync.delivery.sql import open_floor, row_writer
from clevertap_sync.delivery.work import Claim, MappedUpload
from clevertap_sync.models import Integration, Upload

#: So few are read and mapped in a millisecond.
MOST_EVENTS: Final = 20


def may_begin(integration: Integration, events: int) -> bool:
    """Return whether a new range of so many events is simple enough."""
    is_well = not (integration.failures or integration.hold_reason)
    return events <= MOST_EVENTS and is_well and not integration.wants_canary


def map_range(upload: Upload, integration: Integration) -> MappedUpload:
    """Map a new range before it is leased."""
    return map_upload.map_upload(Claim(upload, integration, upload.lease_token))


def lease_and_begin(
    upload: Upload,
    integration: Integration,
    mapped: MappedUpload,
    served: row_writer.UpdateRow,
) -> Claim | None:
    """Write a new range as leased and begun, and `served`; None where nothing was written.

    That is where there is nothing to send, or more than a request takes.
    """
    claim = Claim(upload, integration, upload.lease_token + 1)
    if not mapped.records or map_upload.group_picks(claim, mapped):
        return None
    upload.lease_token = claim.token
    sending = send.begin_new_upload(claim, mapped, served)
    open_floor.learn_new_upload(integration.account_id, integration.pk, upload.pk)
    return replace(claim, sending=sending)
