"""Counts: what an upload brought to CleverTap, by name and quarter-hour of the `ts` sent.

Only where the integration compares with CleverTap. Every way in which an upload settles
writes them in the same statement. CleverTap should count at least what is delivered less
what is maybe fewer, and at most what is delivered and maybe more.

Each request that was never answered may have stored each of its records. What a part
inherits of its parent's unknown outcomes counts as well, so that nothing has to be counted
where an upload is split.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS
from clevertap_sync.clevertap.client import UploadResult
from clevertap_sync.clevertap.mapping import EventRecord
from clevertap_sync.delivery.work import MappedUpload
from clevertap_sync.models import Integration, Upload

#: Counts are kept for so long, and nothing older is counted: a backfill of years would
#: write a row for each quarter-hour.
KEEP_COUNTS_FOR: Final = timedelta(days=40)

#: [name, quarter, delivered, maybe more, maybe fewer]
Counts = list[list[str | int]]
_Group = tuple[str, int]


def count_answered(
    integration: Integration,
    upload: Upload,
    mapped: MappedUpload,
    result: UploadResult,
    *,
    to_retry: Collection[int] = (),
) -> Counts | None:
    """Count an upload that was answered; None where nothing is counted.

    The picks `to_retry` are counted by the part that sends them again.
    """
    if not integration.reconciles:
        return None
    if not result.refused:
        accepted, refused, unidentified = mapped.records, [], 0
    else:
        known = {each.index for each in result.refused if each.index is not None}
        unidentified = sum(each.index is None for each in result.refused)
        accepted = [r for i, r in enumerate(mapped.records) if i not in known]
        again = set(to_retry)
        refused = [mapped.records[i] for i in known if mapped.picks[i] not in again]
    return _count_up(
        integration,
        upload,
        accepted,
        [*refused, *mapped.given_up],
        fewer=len(accepted) if result.miscounted else unidentified,
    )


def count_undelivered(
    integration: Integration, upload: Upload, records: Sequence[EventRecord]
) -> Counts | None:
    """Count records that settle undelivered: each unanswered request may have stored them."""
    if not integration.reconciles:
        return None
    return _count_up(integration, upload, [], records, fewer=0)


def _count_up(
    integration: Integration,
    upload: Upload,
    accepted: Sequence[EventRecord],
    refused: Sequence[EventRecord],
    *,
    fewer: int,
) -> Counts | None:
    """Return the counts. `fewer` records among the accepted may have been refused."""
    delivered = _group_records(accepted)
    times = upload.unknown_outcomes
    sent = delivered + _group_records(refused) if times else delivered
    # Both by the database's clock.
    now = integration.last_served_at or upload.created_at
    first = int((now - KEEP_COUNTS_FOR).timestamp()) // QUARTER_SECONDS
    counts: Counts = []
    for group, number in sent.items():
        if group[1] >= first:
            count = delivered[group]
            counts.append([*group, count, times * number, min(count, fewer)])
    return counts or None


def _group_records(records: Sequence[EventRecord]) -> Counter[_Group]:
    """Count the records by name and quarter-hour."""
    if not records:
        return Counter()
    times = [record.ts for record in records]
    names = [record.name for record in records]
    first, last = min(times) // QUARTER_SECONDS, max(times) // QUARTER_SECONDS
    if first == last:
        # The usual upload. To count names alone takes half as long.
        by_name = Counter(names)
        return Counter({(name, first): count for name, count in by_name.items()})
    quarters = [ts // QUARTER_SECONDS for ts in times]
    return Counter(zip(names, quarters, strict=True))
