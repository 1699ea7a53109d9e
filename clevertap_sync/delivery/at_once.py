"""Begin at once: a busy integration's small range is leased and begun in one transaction.

Its upload and its attempt are written together, where they took a transaction each. The
account stays locked while a few events are read and mapped.

Only for a thread that has delivered the integration a moment ago. An event that kills whoever
maps it leaves no trace here, and would kill the next one, too. But a process that begins anew
claims first, and so counts its claims in vain.
"""

from typing import Final

from clevertap_sync.delivery import map_upload, send
from clevertap_sync.delivery.sql import open_floor, row_writer
from clevertap_sync.delivery.work import Begun, Claim
from clevertap_sync.models import Integration, Upload

#: So few are read and mapped in a millisecond.
MOST_EVENTS: Final = 20


def may_begin(integration: Integration, events: int) -> bool:
    """Return whether a new range of so many events is simple enough."""
    is_well = not (integration.failures or integration.hold_reason)
    return events <= MOST_EVENTS and is_well and not integration.wants_canary


def lease_and_begin(
    upload: Upload, integration: Integration, served: row_writer.UpdateRow
) -> Claim | None:
    """Write a new range as leased and begun, and `served`; None where nothing was written.

    That is where there is nothing to send, or more than a request takes.
    """
    token = upload.lease_token + 1
    draft = Claim(upload, integration, token)
    mapped = map_upload.map_upload(draft)
    if not mapped.records or map_upload.group_picks(draft, mapped):
        return None
    upload.lease_token = token
    sending = send.begin_new_upload(draft, mapped, served)
    open_floor.learn_new_upload(integration.account_id, integration.pk, upload.pk)
    return Claim(upload, integration, token, begun=Begun(mapped, sending))
