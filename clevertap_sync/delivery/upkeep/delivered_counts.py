"""Delivered counts: what uploads counted, added up by name and quarter-hour.

Each upload once, in the transaction that moves `Integration.tallied_to` past it, or that
removes it. They are never taken back: what CleverTap stored it goes on counting.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
from django.db import connection
from django.db.models import Exists, OuterRef

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS
from clevertap_sync.delivery.counts import KEEP_COUNTS_FOR
from clevertap_sync.insight.delivered_counts import (
    COUNTS_OF_UPLOAD,
    read_count_columns,
)
from clevertap_sync.models import DeliveredCount, Integration

ROWS_PER_CHUNK: Final = 1_000
_UPLOADS: Final = {
    "postgresql": "SELECT value::bigint FROM json_array_elements_text(%s::json)",
    "sqlite": "SELECT value FROM json_each(%s)",
}
_LATER: Final = {"postgresql": "GREATEST", "sqlite": "MAX"}
_ADD_UP: Final = """
    INSERT INTO clevertap_sync_deliveredcount AS known (integration_id, name, quarter,
        delivered, maybe_more, maybe_fewer, settled_at)
    SELECT u.integration_id, {name}, {quarter}, SUM({delivered}), SUM({maybe_more}),
        SUM({maybe_fewer}), MAX(u.settled_at)
    FROM clevertap_sync_upload u CROSS JOIN {counts}
    WHERE u.id IN ({uploads})
    GROUP BY 1, 2, 3
    ON CONFLICT (integration_id, name, quarter) DO UPDATE SET
        delivered = known.delivered + excluded.delivered,
        maybe_more = known.maybe_more + excluded.maybe_more,
        maybe_fewer = known.maybe_fewer + excluded.maybe_fewer,
        settled_at = {later}(known.settled_at, excluded.settled_at)
"""


def add_up_counts(integration: Integration, upload_ids: Iterable[int]) -> None:
    """Add what these uploads of the integration counted. The caller holds the account's lock."""
    if not integration.reconciles:
        return
    vendor = connection.vendor
    statement = _ADD_UP.format(
        counts=COUNTS_OF_UPLOAD[vendor],
        uploads=_UPLOADS[vendor],
        later=_LATER[vendor],
        **read_count_columns(),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [msgspec.json.encode(list(upload_ids)).decode()])


def trim_delivered_counts(now: datetime, *, limit: int = ROWS_PER_CHUNK) -> bool:
    """Remove up to `limit` counts that are past their days; return whether there may be more."""
    before = int((now - KEEP_COUNTS_FOR).timestamp()) // QUARTER_SECONDS
    old = DeliveredCount.objects.filter(quarter__lt=before)
    # By integration, as the index is.
    has_old = Exists(old.filter(integration=OuterRef("pk")))
    first = Integration.objects.filter(has_old).first()
    if first is None:
        return False
    keys = list(old.filter(integration=first).values_list("pk", flat=True)[:limit])
    DeliveredCount.objects.filter(pk__in=keys).delete()
    return True
