"""Replace an upload by parts that cover exactly its records.

A part is an upload of its own: same settings, its own lease, its own verdicts. The
caller holds the upload's lease, or the account's lock while it has none.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from clevertap_sync.delivery.work import MappedUpload
from clevertap_sync.insight.picks import SIDES, make_pick, read_position
from clevertap_sync.models import Upload


def split_into_parts(
    parent: Upload, groups: Iterable[Sequence[int]], now: datetime
) -> list[Upload]:
    """Replace `parent` by one part for each group of its records, and return the parts."""
    parts = [_make_part(parent, sorted(group), now) for group in groups if group]
    return _replace_by_parts(
        parent, parts, now, records=sum(part.covers or 0 for part in parts)
    )


def halve_picks(picks: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the picks in two groups of nearly the same size."""
    middle = (len(picks) + 1) // 2
    return picks[:middle], picks[middle:]


def halve_records(mapped: MappedUpload) -> list[list[int]]:
    """Return an upload's picks in two groups that send half of its records each."""
    left, right = halve_picks(mapped.picks)
    return [[*left, *mapped.picks_without_record], [*right]]


def split_in_halves(upload: Upload, now: datetime) -> Upload:
    """Split an upload that workers claim and never send; return the part to try first.

    One of its events may end the workers, so no event is read here, and the number of its
    records stays open. An upload of a single record is returned as it is: the step that maps
    it gives the record its verdict.
    """
    picks = upload.picks or _list_picks(upload.first, upload.last)
    if len(picks) == 1:
        return upload
    parts = [_make_part(upload, half, now) for half in halve_picks(picks)]
    for part in parts:
        part.covers = None
    return _replace_by_parts(upload, parts, now, records=None)[0]


def _make_part(parent: Upload, picks: Sequence[int], now: datetime) -> Upload:
    return Upload(
        integration_id=parent.integration_id,
        replay_id=parent.replay_id,
        parent=parent,
        root_id=parent.root_id or parent.pk,
        first=read_position(picks[0]),
        last=read_position(picks[-1]),
        picks=list(picks),
        covers=len(picks),
        identities=_inherit_identities(parent, picks),
        known_at=parent.known_at,
        settings=parent.settings,
        # What may be stored already goes again as it was, in parts too, and no record
        # gets more tries by being in a part.
        unknown_outcomes=parent.unknown_outcomes,
        failures=parent.failures,
        created_at=now,
        due_at=now,
    )


def _inherit_identities(parent: Upload, picks: Sequence[int]) -> dict[str, str] | None:
    """Return under which identities the part's records go out, if the parent pinned any."""
    if parent.identities is None:
        return None
    return {str(pick): parent.identities[str(pick)] for pick in picks}


def _replace_by_parts(
    parent: Upload, parts: list[Upload], now: datetime, *, records: int | None
) -> list[Upload]:
    Upload.objects.filter(pk=parent.pk).update(
        state=Upload.State.SPLIT,
        leased_until=None,
        settled_at=now,
        records=records,
        identities=None,
    )
    return Upload.objects.bulk_create(parts)


def _list_picks(first: int, last: int) -> list[int]:
    return [
        make_pick(position, side)
        for position in range(first, last + 1)
        for side in SIDES
    ]
