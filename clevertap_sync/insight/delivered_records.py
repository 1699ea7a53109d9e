"""The records that a settled upload delivered: its events, mapped once more.

As the upload mapped them, by its own settings. What the log has lost since is not among
them: removed events. Of people who were erased since, only that there was a record is left.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappedSide,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from clevertap_sync.clevertap.reasons import WAITING
from clevertap_sync.insight.mapping_settings import read_settings
from clevertap_sync.insight.picks import make_pick, read_position
from clevertap_sync.models import DeadLetter, Upload
from referrals import log, suppression
from referrals.schema import Event, Person, find_sides
from referrals.vocabulary import EventType, Side

_ERASED: Final = "erased"
#: Under whom a record is mapped that went out under somebody who became known.
_SOMEBODY: Final = "somebody"
_FIELDS: Final = {Side.REFERRED: "user", Side.GENERATED: "referrer"}


class DeliveredRecord(NamedTuple):
    """A record that was delivered. `person` tells people apart, and is kept nowhere.

    `properties` are None where somebody was erased from the event since: what it said went
    with them. `person` is None where it was this record's own.
    """

    name: str
    ts: int
    is_custom: bool
    person: str | None
    properties: Mapping[str, Any] | None

    def __repr__(self) -> str:
        """Show neither person nor properties."""
        return f"DeliveredRecord({self.name!r}, {self.ts})"


def read_delivered_records(upload: Upload) -> list[DeliveredRecord]:
    """Return what a settled upload delivered, in log order.

    A record that fell out of it and that a replay has taken since is among them by mistake
    where the letter forgot this upload; the upload's counts tell how many there were.
    """
    settings = read_settings(upload.settings)
    events = _read_events(upload)
    suppressed = suppression.find_suppressed_sides(
        upload.integration.app_id,
        [event for _, event in events],
        settings.suppressions_until,
    )
    wanted = set(upload.picks) if upload.picks is not None else None
    fallen = _find_fallen_picks(upload)
    found: list[DeliveredRecord] = []
    for (position, event), sides in zip(events, suppressed, strict=True):
        for side in _map_sides(event, settings, sides, upload):
            pick = make_pick(position, side.side)
            is_of_upload = wanted is None or pick in wanted
            if is_of_upload and pick not in fallen:
                found += _make_record(event, side, upload)
    return found


def _read_events(upload: Upload) -> Sequence[tuple[int, Event]]:
    app_id = upload.integration.app_id
    if upload.picks is None:
        events, _ = log.read_events(app_id, upload.first, upload.last)
        return list(events)
    found = log.read_positions(app_id, set(map(read_position, upload.picks)))
    return [(logged.position, logged.event) for logged in found]


def _map_sides(
    event: Event,
    settings: MappingSettings,
    suppressed: frozenset[Side],
    upload: Upload,
) -> Iterator[MappedSide]:
    """Map one event; who waited, and went out by a replay, is mapped as somebody."""
    for side in map_event(event, settings, suppressed, at=upload.known_at):
        waited = isinstance(side, Unmappable) and side.reason in WAITING
        if not waited or not upload.replay_id:
            yield side
            continue
        known = Person(identities={settings.identity_provider: _SOMEBODY})
        put = msgspec.structs.replace(event, **{_FIELDS[side.side]: known})
        mapped = map_event(put, settings, suppressed, at=upload.known_at)
        yield from (each for each in mapped if each.side is side.side)


def _find_fallen_picks(upload: Upload) -> set[int]:
    """Return the picks of which the upload left a dead letter, delivered since or not."""
    letters = DeadLetter.objects.filter(
        integration_id=upload.integration_id,
        position__gte=upload.first,
        position__lte=upload.last,
    )
    rows = letters.values_list(
        "position", "side", "state", "upload_id", "replay_upload_id"
    )
    return {
        make_pick(position, Side(side))
        for position, side, state, of_log, of_replay in rows
        if position is not None
        and (
            of_log == upload.pk
            or (of_replay == upload.pk and state != DeadLetter.State.DELIVERED)
        )
    }


def _make_record(
    event: Event, side: MappedSide, upload: Upload
) -> Iterator[DeliveredRecord]:
    """Yield the record of a side, if it has one or had one before somebody was erased."""
    is_custom = event.type is EventType.CUSTOM
    if isinstance(side, EventRecord):
        record = decode_record(side)
        people = dict(find_sides(event))
        is_whole = not any(person.erased for person in people.values())
        yield DeliveredRecord(
            side.name,
            side.ts,
            is_custom,
            _name_person(record, people[side.side]),
            record["evtData"] if is_whole else None,
        )
    elif isinstance(side, Unmappable) and side.reason == _ERASED:
        at = upload.known_at or event.occurred_at
        yield DeliveredRecord(side.name, _count_seconds(at), is_custom, None, None)


def _name_person(record: Mapping[str, Any], person: Person) -> str:
    """Return what tells the record's person from others: the identity as sent."""
    if (identity := record.get("identity")) == _SOMEBODY:
        return f"waited:{sorted(person.identities.items())}"
    return f"identity:{identity}" if identity else f"objectId:{record.get('objectId')}"


def _count_seconds(instant: datetime) -> int:
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)
