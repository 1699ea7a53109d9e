"""Where records went: the uploads that have each record, and its dead letter.

For a page of events at once. One event takes as many queries as fifty, however far apart they
are in the log and however many integrations the app has. Where uploads were split, each level
of parts takes one query more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db.models import F, OuterRef, Subquery

from clevertap_sync.clevertap.mapping import KeptBack, map_event
from clevertap_sync.insight.mapping_settings import read_settings
from clevertap_sync.insight.picks import SIDES, make_pick, read_position
from clevertap_sync.models import DeadLetter, Integration, Upload, UploadQuerySet
from referrals.models import ReferralEvent
from referrals.schema import Event
from referrals.vocabulary import Side

#: A record's place: the integration's number, and the record's own within the log.
Place = tuple[int, int]
#: A record in the log's own upload, or in that of a replay of a range: its number, or None.
_Track = tuple[int, int, int | None]

_SPLIT: Final = Upload.State.SPLIT


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The uploads and dead letters of some events' records.

    `uploads` are those of the log itself; `replays` those of replayed ranges, in the order
    of the replays. A replay of dead letters is noted on the `letters`.
    """

    uploads: dict[Place, Upload] = field(default_factory=dict)
    replays: dict[Place, list[Upload]] = field(default_factory=dict)
    letters: dict[Place, DeadLetter] = field(default_factory=dict)

    def list_accepting_uploads(
        self, place: Place, event: Event, side: Side
    ) -> list[Upload]:
        """Return the settled uploads that had the record and did not keep it back.

        If the record has no dead letter, CleverTap accepted it with each of these.
        """
        live = self.uploads.get(place)
        found = [*([live] if live else []), *self.replays.get(place, ())]
        return [
            upload
            for upload in found
            if upload.state == Upload.State.SETTLED
            and not (upload.unsent and is_record_kept_back(upload, event, side))
        ]


def find_records(
    app_id: int, integrations: Sequence[Integration], positions: Collection[int]
) -> Whereabouts:
    """Return where the records at `positions` went. A record in no upload yet has no entry."""
    if not integrations or not positions:
        return Whereabouts()
    ids = [integration.pk for integration in integrations]
    tracks = _find_range_uploads(app_id, ids, positions)
    _follow_splits(tracks)
    found = Whereabouts(letters=_find_letters(ids, positions))
    for (integration_id, pick, replay_id), upload in sorted(
        tracks.items(), key=lambda track: track[0][2] or 0
    ):
        if replay_id is None:
            found.uploads[integration_id, pick] = upload
        else:
            found.replays.setdefault((integration_id, pick), []).append(upload)
    return found


def is_record_kept_back(upload: Upload, event: Event, side: Side) -> bool:
    """Return whether the settings of the upload keep the side back, without a dead letter.

    An event that was erased since has no record any more. If it has no dead letter either,
    its record was delivered before.
    """
    values = map_event(event, read_settings(upload.settings))
    return any(value.side is side and isinstance(value, KeptBack) for value in values)


def _find_range_uploads(
    app_id: int, ids: Sequence[int], positions: Collection[int]
) -> dict[_Track, Upload]:
    """Return the range upload of each record, of the log and of replays, split or not."""
    roots = _select_log_ranges(app_id, ids, positions)
    roots = roots.union(_select_replayed_ranges(app_id, ids, positions), all=True)
    return {
        (upload.integration_id, make_pick(position, side), upload.replay_id): upload
        for upload in roots
        for position in positions
        if upload.first <= position <= upload.last
        for side in SIDES
    }


def _select_log_ranges(
    app_id: int, ids: Sequence[int], positions: Collection[int]
) -> UploadQuerySet:
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
    return Upload.objects.filter(pk__in=pairs.values("upload"))


def _select_replayed_ranges(
    app_id: int, ids: Sequence[int], positions: Collection[int]
) -> UploadQuerySet:
    """Return the range uploads of each replay whose range has one of the positions."""
    covering = Upload.objects.filter(
        replay=OuterRef("replay"), parent=None, first__lte=OuterRef("position")
    )
    replay = "app__integrations__replays"
    pairs = (
        ReferralEvent.objects.filter(app=app_id, position__in=positions)
        .annotate(
            integration=F("app__integrations"),
            replay=F(replay),
            begins=F(f"{replay}__first"),
            ends=F(f"{replay}__last"),
        )
        .filter(integration__in=ids, begins__lte=F("position"), ends__gte=F("position"))
        .annotate(upload=Subquery(covering.order_by("-first").values("pk")[:1]))
    )
    return Upload.objects.filter(pk__in=pairs.values("upload"))


def _follow_splits(uploads: dict[_Track, Upload]) -> None:
    """Replace each split upload by the part that has the record, level by level."""
    split = {upload.pk for upload in uploads.values() if upload.state == _SPLIT}
    while split:
        parts = _parts_by_pick(split, [read_position(pick) for _, pick, _ in uploads])
        split = set()
        for track, upload in uploads.items():
            part = parts.get((upload.pk, track[1]))
            if part is not None:
                uploads[track] = part
                split |= {part.pk} if part.state == _SPLIT else set()


def _parts_by_pick(
    parents: Collection[int], positions: Collection[int]
) -> dict[tuple[int | None, int], Upload]:
    parts = Upload.objects.filter(
        parent__in=parents, first__lte=max(positions), last__gte=min(positions)
    )
    return {(part.parent_id, pick): part for part in parts for pick in part.picks or ()}


def _find_letters(
    ids: Sequence[int], positions: Collection[int]
) -> dict[Place, DeadLetter]:
    found = DeadLetter.objects.filter(integration__in=ids, position__in=positions)
    return {
        (each.integration_id, make_pick(each.position, Side(each.side))): each
        for each in found
        if each.position is not None
    }
