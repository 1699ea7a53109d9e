"""What a step reads: the sides of events that may teach something, hashed."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from referrals import hashing, log, suppression
from referrals.learning.mentions import (
    NOBODY,
    HashIdentity,
    LoggedSides,
    Mentions,
    PeopleRules,
    find_mentions,
)
from referrals.log import LoggedPeople, LoggedPerson
from referrals.people.lately import LatelyLearned, Side, make_side
from referrals.vocabulary import FraudStatus


class StepSides(msgspec.Struct):
    """What a step learns from, up to the position `last`. `is_end`: there was nothing beyond.

    `events` come with whether they are of test; `ends_with_identify` says whether the last is of a
    type that only says who is who. `met` are their sides, to be remembered once
    they are learned from. `left_out` counts sides that were learned from lately, `skipped`
    events that could not be read.
    """

    last: int
    is_end: bool = False
    events: list[tuple[bool, LoggedSides]] = []
    met: list[tuple[Side, Mentions, datetime]] = []
    left_out: int = 0
    skipped: int = 0
    ends_with_identify: bool = False


#: A position, its time of receipt, and the people there.
_Row = tuple[int, datetime, LoggedPeople]


class _Reader:
    """Reads the sides of one step."""

    def __init__(
        self, app_id: int, rules: PeopleRules, lately: LatelyLearned, last: int
    ) -> None:
        self._app_id = app_id
        self._rules = rules
        self._lately = lately
        self._hash: HashIdentity = hashing.make_identity_hasher(app_id)
        self._suppressed: set[str] = set()
        self.step = StepSides(last)

    def read(
        self, rows: Sequence[tuple[int, datetime, LoggedPeople | None]]
    ) -> StepSides:
        found: list[tuple[_Row, list[LoggedPerson | None]]] = []
        for position, received_at, people in rows:
            self.step.last = position
            if people is None:
                self.step.skipped += 1
                continue
            self.step.ends_with_identify = people.is_identify
            if any(sides := self._find_news(people, received_at)):
                found.append(((position, received_at, people), sides))
        self._suppressed = self._find_suppressed(
            [person for _, sides in found for person in sides if person]
        )
        for row, sides in found:
            self._add_event(row, sides)
        return self.step

    def _find_news(
        self, people: LoggedPeople, at: datetime
    ) -> list[LoggedPerson | None]:
        """Return the user and the referrer, without those who were learned from lately."""
        sides = [people.user, people.referrer]
        if self._rules.remembers and all(sides):
            # Who invited whom is news each time.
            return sides
        for number, person in enumerate(sides):
            if person is not None and self._lately.is_known(
                make_side(person, test=people.test), at
            ):
                sides[number] = None
                self.step.left_out += 1
        return sides

    def _add_event(self, row: _Row, sides: Sequence[LoggedPerson | None]) -> None:
        position, at, people = row
        user, referrer = (
            self._read_side(person, at, test=people.test) for person in sides
        )
        asks_last = self._rules.remembers and bool(sides[1] and sides[1].last)
        if asks_last or user.all or referrer.all:
            event = LoggedSides(
                position,
                at,
                user,
                referrer,
                asks_last=asks_last,
                teaches_referrer=people.status is not FraudStatus.REJECTED,
            )
            self.step.events.append((people.test, event))

    def _read_side(
        self, person: LoggedPerson | None, at: datetime, *, test: bool
    ) -> Mentions:
        if person is None or not person.identities:
            return NOBODY
        if self._suppressed and any(
            self._hash(*pair) in self._suppressed for pair in person.identities.items()
        ):
            return NOBODY
        mentions = find_mentions(person.identities, self._rules, self._hash)
        self.step.met.append((make_side(person, test=test), mentions, at))
        return mentions

    def _find_suppressed(self, people: Sequence[LoggedPerson]) -> set[str]:
        """Return which of the people's identities are suppressed."""
        if not people or not suppression.find_newest_suppression(self._app_id):
            return set()
        hashes = {
            self._hash(*pair) for person in people for pair in person.identities.items()
        }
        return suppression.find_suppressed_hashes(self._app_id, sorted(hashes))


def read_sides(
    app_id: int, rules: PeopleRules, lately: LatelyLearned, after: int, *, limit: int
) -> StepSides:
    """Return what up to `limit` events beyond `after` may teach.

    Left out are sides that were learned from lately, and those of suppressed people.
    """
    rows = log.scan_people(app_id, after, limit=limit)
    sides = _Reader(app_id, rules, lately, after).read(rows)
    sides.is_end = len(rows) < limit
    return sides
