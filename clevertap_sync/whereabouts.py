"""Where records went: the upload that has each, and the dead letter that it left.

For a page of events at once. It takes as many queries for one event as for fifty, however
far apart they are in the log and however many integrations the app has; where uploads
were split, one more for each time that parts were split again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import F, OuterRef, Subquery

from clevertap_sync.delivery.work import SIDES, pick_of, position_of
from clevertap_sync.models import DeadLetter, Integration, Upload
from referrals.models import ReferralEvent
from referrals.vocabulary import Side

#: A record's place: the integration's number, and the record's own within the log.
Place = tuple[int, int]

_SPLIT: Final = Upload.State.SPLIT


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of the records of some events."""

    uploads: dict[Place, Upload]
    letters: dict[Place, DeadLetter]


def find_records(
    app_id: int, integrations: Sequence[Integration], positions: Collection[int]
) -> Whereabouts:
    """Return where the records at `positions` went. What is in no upload yet has no entry."""
    if not integrations or not positions:
        return Whereabouts({}, {})
    ids = [integration.pk for integration in integrations]
    uploads = _uploads(app_id, ids, positions)
    _descend(uploads)
    return Whereabouts(uploads, _letters(ids, positions))


def _uploads(
    app_id: int, ids: Sequence[int], positions: Collection[int]
) -> dict[Place, Upload]:
    """Return the range that covers each record, whole or split."""
    covering = Upload.objects.ranges().filter(
        integration=OuterRef("integration"), first__lte=OuterRef("position")
    )
    # One look into an index for each pair, where a join would read all uploads between.
    pairs = (
        ReferralEvent.objects.filter(app=app_id, position__in=positions)
        .annotate(integration=F("app__integrations"))
        .filter(integration__in=ids)
        .annotate(upload=Subquery(covering.order_by("-first").values("pk")[:1]))
    )
    ranges = Upload.objects.filter(pk__in=pairs.values("upload"))
    return {
        (upload.integration_id, pick_of(position, side)): upload
        for upload in ranges
        for position in positions
        if upload.first <= position <= upload.last
        for side in SIDES
    }


def _descend(uploads: dict[Place, Upload]) -> None:
    """Put the part, of a part, … that has a record in the place of what was split."""
    split = {upload.pk for upload in uploads.values() if upload.state == _SPLIT}
    while split:
        parts = _parts_by_pick(split, [position_of(pick) for _, pick in uploads])
        split = set()
        for place, upload in uploads.items():
            part = parts.get((upload.pk, place[1]))
            if part is not None:
                uploads[place] = part
                split |= {part.pk} if part.state == _SPLIT else set()


def _parts_by_pick(
    parents: Collection[int], positions: Collection[int]
) -> dict[tuple[int | None, int], Upload]:
    parts = Upload.objects.filter(
        parent__in=parents, first__lte=max(positions), last__gte=min(positions)
    )
    return {(part.parent_id, pick): part for part in parts for pick in part.picks or ()}


def _letters(ids: Sequence[int], positions: Collection[int]) -> dict[Place, DeadLetter]:
    found = DeadLetter.objects.filter(integration__in=ids, position__in=positions)
    return {
        (each.integration_id, pick_of(each.position, Side(each.side))): each
        for each in found
        if each.position is not None
    }
