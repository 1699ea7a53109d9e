"""Pins: under whom the records of a revival go out, whatever was learned since.

An upload's `identities` name the identity of each of its records by hash; the value is read
where the upload is mapped. A pin stays usable for as long as it is open, unless the person
was erased or the identity provider was corrected. A record whose pin is not usable is mapped
as any other: it may wait again.
"""

from collections.abc import Sequence

import msgspec

from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.delivery.work import Claim
from clevertap_sync.insight.picks import make_pick
from referrals import people, suppression
from referrals.schema import Event, Person, find_sides
from referrals.vocabulary import Side

_FIELDS = {Side.REFERRED: "user", Side.GENERATED: "referrer"}


def put_pinned_people(
    claim: Claim,
    events: Sequence[tuple[int, Event]],
    suppressed: Sequence[frozenset[Side]],
    settings: MappingSettings,
) -> tuple[list[tuple[int, Event]], list[frozenset[Side]]]:
    """Put whom the upload pins into the place of those who waited.

    `events` come with their positions, and with their `suppressed` sides in the same order;
    so does the result. A side is suppressed, too, where the pinned person is, who may be
    known by nothing that the event carries.
    """
    pinned = _PinnedPeople(claim, events, settings)
    put = [
        pinned.put_into(position, event, sides)
        for (position, event), sides in zip(events, suppressed, strict=True)
    ]
    positions = (position for position, _ in events)
    return (
        list(zip(positions, (event for event, _ in put), strict=True)),
        [sides for _, sides in put],
    )


class _PinnedPeople:
    """The people that an upload pins, read once for all of its events."""

    def __init__(
        self,
        claim: Claim,
        events: Sequence[tuple[int, Event]],
        settings: MappingSettings,
    ) -> None:
        self._pins: dict[str, str] = claim.upload.identities or {}
        self._provider = settings.identity_provider
        app_id, hashes = claim.integration.app_id, sorted(set(self._pins.values()))
        self._suppressed = suppression.find_suppressed_until(
            app_id, hashes, settings.suppressions_until
        )
        self._known = {
            test: people.read_identities(app_id, hashes, test=test)
            for test in {event.test for _, event in events}
        }

    def put_into(
        self, position: int, event: Event, suppressed: frozenset[Side]
    ) -> tuple[Event, frozenset[Side]]:
        """Return the event with whom the upload pins, and its suppressed sides."""
        changes: dict[str, Person] = {}
        for side, person in find_sides(event):
            pin = self._pins.get(str(make_pick(position, side)))
            if pin is None or person.erased:
                continue
            if pin in self._suppressed:
                suppressed |= {side}
            elif known := self._find_person(pin, test=event.test):
                changes[_FIELDS[side]] = known
        if changes:
            event = msgspec.structs.replace(event, **changes)
        return event, suppressed

    def _find_person(self, pin: str, *, test: bool) -> Person | None:
        """Return the pinned person; None where the pin's row is gone, or of another provider."""
        known = self._known[test].get(pin)
        if known is None or not known.value:
            return None
        if known.provider.casefold() != self._provider.casefold():
            return None
        return Person(identities={self._provider: known.value})
