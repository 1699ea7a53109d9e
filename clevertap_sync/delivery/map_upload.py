"""Map: each side of an upload's events becomes a record, falls out, or is kept back."""

import logging
from collections.abc import Iterable, Sequence
from itertools import repeat

from clevertap_sync.clevertap.identities import list_awaited_identities
from clevertap_sync.clevertap.limits import MAX_BODY_BYTES, count_body_bytes
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappedSide,
    Mapper,
    MappingSettings,
    Unmappable,
    make_mapper,
)
from clevertap_sync.clevertap.quick_mapping import find_quick_mapper
from clevertap_sync.clevertap.reasons import (
    OUTCOME_UNKNOWN,
    WAITING,
    WAITING_FOR_IDENTITY,
)
from clevertap_sync.delivery import split, unknown_outcomes
from clevertap_sync.delivery.pins import put_pinned_people
from clevertap_sync.delivery.work import (
    IDLE_CLAIMS,
    Claim,
    MappedUpload,
    Undelivered,
)
from clevertap_sync.insight.mapping_settings import read_settings
from clevertap_sync.insight.picks import make_pick, read_position
from clevertap_sync.process.delivery_faults import describe_fault
from referrals import failpoints, log, suppression
from referrals.failpoints import Place
from referrals.schema import Event, find_sides
from referrals.vocabulary import Side

logger = logging.getLogger(__name__)

#: Of events their positions, their bodies, and the requests that brought them.
Rows = Sequence[tuple[int, str, str]]

MAPPING_FAILED = "mapping_failed"
EVENT_REMOVED = "event_removed"
ERASED = "erased"
_EVENT_MAPPED = Place.EVENT_MAPPED
_NO_SIDE: frozenset[Side] = frozenset()


def map_upload(claim: Claim, rows: Rows | None = None) -> MappedUpload:
    """Map the upload's events. An event that cannot be mapped falls out; nothing is raised.

    `rows` are those of a range, where they were read already.
    """
    upload = claim.upload
    mapped = MappedUpload()
    if upload.idle_claims > IDLE_CLAIMS and upload.picks and len(upload.picks) == 1:
        detail = "Workers that mapped this event ended without a trace, three times."
        mapped.undelivered.append(
            Undelivered(upload.picks[0], "", MAPPING_FAILED, detail)
        )
        return mapped
    if upload.picks is None:
        _map_range(claim, mapped, _read_rows(claim) if rows is None else rows)
    else:
        _map_picks(claim, mapped, set(upload.picks))
    if unknown_outcomes.is_given_up(upload):
        detail = f"{upload.unknown_outcomes} requests with it ended without an answer."
        mapped.refuse_all(OUTCOME_UNKNOWN, detail)
    return mapped


def _map_range(claim: Claim, mapped: MappedUpload, rows: Rows) -> None:
    sides = _Sides(claim, mapped)
    quick = find_quick_mapper(sides.settings)
    is_plain = claim.upload.identities is None and claim.upload.known_at is None
    if quick and is_plain and not failpoints.is_armed(_EVENT_MAPPED):
        quick.map_rows(rows, mapped, sides.map_row)
        return
    events, requests = log.decode_events(rows)
    sides.map_events(events, requests)


def _map_picks(claim: Claim, mapped: MappedUpload, wanted: set[int]) -> None:
    """Map these picks alone."""
    found = _read_positions(claim, wanted)
    events = [(logged.position, logged.event) for logged in found]
    requests = [logged.request_id for logged in found]
    _Sides(claim, mapped, wanted).map_events(events, requests)
    if claim.upload.covers is not None:
        _add_removed_events(mapped, wanted)


def _read_rows(claim: Claim) -> Rows:
    """Return position, body and request of the events of a range."""
    upload = claim.upload
    return log.read_bodies(claim.integration.app_id, upload.first, upload.last)


def _read_positions(claim: Claim, wanted: set[int]) -> list[log.LoggedEvent]:
    positions = {read_position(pick) for pick in wanted}
    return log.read_positions(claim.integration.app_id, positions)


class _Sides:
    """Sorts each side of an upload's events into its place among what is `mapped`.

    Where `wanted` are given, these picks alone.
    """

    def __init__(
        self, claim: Claim, mapped: MappedUpload, wanted: set[int] | None = None
    ) -> None:
        self.settings = read_settings(claim.upload.settings)
        self._claim, self._mapped, self._wanted = claim, mapped, wanted
        self._mapper = make_mapper(self.settings)
        self._may_be_stored = claim.upload.unknown_outcomes > 0

    def map_row(self, position: int, body: str, request_id: str) -> None:
        """Map an event of a range in which nobody is suppressed."""
        self._map_event(position, log.decode_event(body), _NO_SIDE, request_id)

    def map_events(
        self, events: Iterable[tuple[int, Event]], requests: Sequence[str]
    ) -> None:
        """Map events, given in the order of the requests that brought them."""
        suppressed_sides: Iterable[frozenset[Side]] = repeat(_NO_SIDE, len(requests))
        if self.settings.suppressions_until or self._claim.upload.identities:
            events, suppressed_sides = _look_at_people(
                self._claim, list(events), self.settings
            )
        for (position, event), suppressed, request_id in zip(
            events, suppressed_sides, requests, strict=True
        ):
            self._map_event(position, event, suppressed, request_id)

    def _map_event(
        self,
        position: int,
        event: Event,
        suppressed: frozenset[Side],
        request_id: str,
    ) -> None:
        claim, mapped, wanted = self._claim, self._mapped, self._wanted
        for value in _map_event_safely(
            claim, position, event, self._mapper, suppressed
        ):
            pick = make_pick(position, value.side)
            if wanted is not None and pick not in wanted:
                continue
            if isinstance(value, EventRecord):
                mapped.add_record(pick, value, request_id)
            elif isinstance(value, Unmappable):
                mapped.undelivered.append(
                    _make_undelivered(claim, pick, event, value, self.settings)
                )
                if self._may_be_stored and value.reason == ERASED:
                    mapped.given_up.append(_make_given_up(claim, event, value))
            else:
                mapped.kept_back.append(pick)


def _make_given_up(claim: Claim, event: Event, side: Unmappable) -> EventRecord:
    """Return a record that may have gone out before its person was erased."""
    at = claim.upload.known_at or event.occurred_at
    return EventRecord(side.side, side.name, b"", 0, int(at.timestamp()))


def _look_at_people(
    claim: Claim, events: list[tuple[int, Event]], settings: MappingSettings
) -> tuple[list[tuple[int, Event]], list[frozenset[Side]]]:
    """Return the events with whom the upload pins, and the sides of suppressed people.

    The upload's settings say which suppressions count: one that came after an attempt of
    unknown outcome does not change the bytes that are sent again.
    """
    suppressed_sides = suppression.find_suppressed_sides(
        claim.integration.app_id,
        [event for _, event in events],
        settings.suppressions_until,
    )
    if not claim.upload.identities:
        return events, suppressed_sides
    return put_pinned_people(claim, events, suppressed_sides, settings)


def _map_event_safely(
    claim: Claim,
    position: int,
    event: Event,
    mapper: Mapper,
    suppressed: frozenset[Side],
) -> list[MappedSide]:
    """Map one event. If that fails, each side that it names becomes unmappable."""
    try:
        failpoints.reach_failpoint(_EVENT_MAPPED)
        return mapper.map_event(event, suppressed, claim.upload.known_at)
    except Exception as error:  # noqa: BLE001 - one event must not stop its neighbours
        # The message could hold an identity; the class and the place are enough.
        kind = type(error).__name__
        logger.error(  # noqa: TRY400
            "Mapping failed: %s at position %s",
            kind,
            position,
            extra=describe_fault(claim.integration.pk, error),
        )
        return [
            Unmappable(side, "", MAPPING_FAILED, kind) for side, _ in find_sides(event)
        ]


def _make_undelivered(
    claim: Claim, pick: int, event: Event, side: Unmappable, settings: MappingSettings
) -> Undelivered:
    """Return the record of a side that falls out, or waits for a person to be known.

    One that waits by IDs has their hashes.
    """
    if side.reason not in WAITING:
        return Undelivered(pick, side.name, side.reason, side.detail)
    waits_by: list[str] = []
    if side.reason == WAITING_FOR_IDENTITY:
        person = dict(find_sides(event))[side.side]
        awaited = list_awaited_identities(person, settings.waits_for)
        waits_by = suppression.hash_identities(claim.integration.app_id, awaited)
    return Undelivered(
        pick, side.name, side.reason, side.detail, tuple(waits_by), event.test
    )


def _add_removed_events(mapped: MappedUpload, wanted: set[int]) -> None:
    """Let the picks fall out whose event is gone from the log, so that each has a verdict."""
    for pick in sorted(wanted - set(mapped.list_picks())):
        mapped.undelivered.append(Undelivered(pick, "", EVENT_REMOVED, ""))


def group_picks(claim: Claim, mapped: MappedUpload) -> list[list[int]] | None:
    """Return the picks of each part to split the upload into, or None where it goes whole."""
    if groups := _group_by_size(mapped):
        return groups
    if len(mapped.records) > 1 and unknown_outcomes.should_halve(claim.upload):
        return split.halve_records(mapped)
    return None


def _group_by_size(mapped: MappedUpload) -> list[list[int]] | None:
    """Return the picks in groups whose bodies fit CleverTap, or None if all fit at once."""
    if count_body_bytes(mapped.encoded_records()) <= MAX_BODY_BYTES:
        return None
    groups = [mapped.picks_without_record]
    room = MAX_BODY_BYTES - count_body_bytes([])
    left = room
    for pick, record in zip(mapped.picks, mapped.records, strict=True):
        if len(record.json) + 1 > left:
            groups.append([])
            left = room
        left -= len(record.json) + 1
        groups[-1].append(pick)
    return groups
