"""What must be true once all is quiet, whatever died, hung or lied before.

Pure: from the evidence of a finished run to sentences, one for each thing that is wrong.
It trusts neither the product's own books nor its mapping, but counts for itself.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tests.faults.evidence import SIDES, Evidence, LetterRow, UploadRow
from tests.faults.expected import Expected, expected_of

SHOWN = 5
QUARTER_SECONDS = 900
#: What happened longer before, or after, is not counted by the product.
COUNTED_SECONDS = 39 * 86_400
#: How often a record goes out without an answer, before a person has to order it again.
MOST_SENDINGS = 8
#: An event that nobody sent names nobody; it is reported by itself.
NOBODY = {"type": "app_install", "occurred_at": "2026-01-01T00:00:00Z"}
#: States of dead letters: their person is not known yet, or will not be known.
WAITING, EXPIRED = "waiting", "expired"


@dataclass(frozen=True)
class Allowed:
    """What a test expects besides a run without any trace.

    `miscounted` is by how many records CleverTap's own counts were made wrong, `changed`
    that a body may differ from the one that was sent first.
    """

    miscounted: int = 0
    changed: bool = False
    #: Ids that were sent elsewhere too, so that another log may have them.
    elsewhere: frozenset[str] = field(default_factory=frozenset)


def problems(run: Evidence, allowed: Allowed | None = None) -> list[str]:
    """Return a sentence for each thing that is wrong; none when nothing is."""
    found = _Judge(run, allowed or Allowed())
    return [
        *found.log(),
        *found.records(),
        *found.people(),
        *found.waits(),
        *found.repeats(),
        *found.sendings(),
        *found.bodies(),
        *found.ranges(),
        *found.verdicts(),
        *found.counts(),
        *found.rest(),
    ]


def repeats(run: Evidence) -> int:
    """Return how many records arrived more often than once, each time counted."""
    arrived = Counter(record for upload in run.stored for record in upload.records)
    return arrived.total() - len(arrived)


def lost(run: Evidence) -> int:
    """Return how many records of accepted events neither arrived nor are dead letters."""
    judge = _Judge(run, Allowed())
    accepted = {number for number, key in run.log if key in run.accepted}
    wanted = {place for place in judge.expected if place[0] in accepted}
    gone = len(set(run.accepted) - {key for _, key in run.log})
    missing = wanted - judge.arrived_places.keys() - judge.dead
    return gone + len(missing) - judge.unplaced


class _Judge:
    def __init__(self, run: Evidence, allowed: Allowed) -> None:
        self.run = run
        self.allowed = allowed
        self.by_pk = {upload.pk: upload for upload in run.uploads}

    # What is compared

    @cached_property
    def expected(self) -> dict[tuple[int, str], Expected]:
        """What is expected of each (position, side) of the events that are in the log."""
        log = [(at, self.run.sent.get(key) or NOBODY) for at, key in self.run.log]
        found = expected_of(log, self.run.forgotten.keys())
        return {(each.position, each.side): each for each in found}

    @cached_property
    def places(self) -> dict[str, tuple[int, str]]:
        """Record → (position, side), for each that may have arrived."""
        return {
            record: place
            for place, each in self.expected.items()
            for record in each.records.values()
        }

    @cached_property
    def arrived(self) -> Counter[str]:
        """How often each record was stored by CleverTap."""
        stored = self.run.stored
        return Counter(record for upload in stored for record in upload.records)

    @cached_property
    def stored_by_quarter(self) -> Counter[tuple[str, int]]:
        """How many records of each name and quarter-hour CleverTap stored, if counted."""
        return Counter(
            (record["evtName"], record["ts"] // QUARTER_SECONDS)
            for upload in self.run.stored
            for record in map(json.loads, upload.records)
            if abs(record["ts"] - upload.at) < COUNTED_SECONDS
        )

    @cached_property
    def counts_all(self) -> bool:
        """Whether everything that was booked is there still, and recent enough to count."""
        recent = self.stored_by_quarter.total() == self.arrived.total()
        return recent and not self.run.tail

    @cached_property
    def arrived_places(self) -> dict[tuple[int, str], set[str]]:
        """What arrived of each (position, side)."""
        found: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
        for record in self.arrived.keys() & self.places.keys():
            found[self.places[record]].add(record)
        return dict(found)

    @cached_property
    def dead(self) -> set[tuple[int, str]]:
        """The (position, side) of dead letters that were not delivered by a replay."""
        places = {
            (letter.position, letter.side)
            for letter in self.run.letters
            if letter.position is not None and letter.state != "delivered"
        }
        return places & self.expected.keys()

    @cached_property
    def own_letters(self) -> list[LetterRow]:
        """The dead letters that fell out of the log's own uploads."""
        return [letter for letter in self.run.letters if not letter.of_replay]

    @cached_property
    def unplaced(self) -> int:
        """How many dead letters name no record."""
        return sum(letter.position is None for letter in self.run.letters)

    @cached_property
    def unknown(self) -> Counter[int]:
        """How many attempts of each upload ended without a readable answer."""
        return Counter(
            attempt.upload
            for attempt in self.run.attempts
            if attempt.unknown and attempt.upload is not None
        )

    # What must hold

    def log(self) -> Iterator[str]:
        """Positions from 1 without gaps, each key once, and all that was accepted."""
        numbers = [position for position, _ in self.run.log]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"The log's positions are not 1 to {len(numbers)}."
        keys = Counter(key for _, key in self.run.log)
        yield from _some(
            "Key {} is in the log twice.", (k for k in keys if keys[k] > 1)
        )
        at = {key: position for position, key in self.run.log}
        yield from _some(
            "{} was accepted, but is not where the answer said.",
            (key for key, said in self.run.accepted.items() if at.get(key) != said),
        )
        strangers = keys.keys() - self.run.sent.keys() - self.allowed.elsewhere
        yield from _some("{} is in the log, but nobody sent it.", strangers)

    def records(self) -> Iterator[str]:
        """Every record of the log arrived or is a dead letter, and nothing else arrived."""
        yield from _some(
            "CleverTap has a record that no event asks for: {}",
            self.arrived.keys() - self.places.keys(),
        )
        missing = self.expected.keys() - self.arrived_places.keys() - self.dead
        # A refusal that names no record leaves one of the missing unnamed.
        if len(missing) != self.unplaced + self.allowed.miscounted:
            yield (
                f"{len(missing)} records neither arrived nor have a dead letter that "
                f"names them; {self.unplaced} dead letters name none."
            )
            yield from _some("Lost: {}", missing)
        both = (
            place
            for place in self.dead & self.arrived_places.keys()
            if not self._unknown_at(*place) and not self._replays_at(*place)
        )
        yield from _some("It arrived, and is a dead letter: {}", both)
        places = Counter((x.position, x.side) for x in self.run.letters if x.position)
        yield from _some(
            "Two dead letters for {}.", (p for p in places if places[p] > 1)
        )
        nothing = places.keys() - self.expected.keys()
        yield from _some("A dead letter for nothing: {}.", nothing)

    def people(self) -> Iterator[str]:
        """A record arrives as one person's, and as nobody's who was erased before."""
        several = (p for p, found in self.arrived_places.items() if len(found) > 1)
        yield from _some("It arrived under two identities: {}", several)
        for upload in self.run.stored:
            for record in upload.records:
                if self._ended_before(record, upload.at):
                    yield f"It arrived, and its person was erased before: {record}"
        erased = self.run.forgotten.keys() & set(self.run.known)
        yield from _some("Who was erased is known still: {}", erased)

    def waits(self) -> Iterator[str]:
        """Only what has to wait waits, by an identity that nobody has yet."""
        letters = {
            state: {(x.position, x.side) for x in self.run.letters if x.state == state}
            for state in (WAITING, EXPIRED)
        }
        for place, each in self.expected.items():
            if place in letters[WAITING] and not each.may_wait:
                yield f"It waits, and its person is known: {place}"
            if place in letters[EXPIRED] and not (each.may_expire or each.may_wait):
                yield f"It is given up, and its person is known: {place}"
        rows = {(row.position, row.side) for row in self.run.waits}
        for place in rows ^ letters[WAITING]:
            yield f"Its dead letter and what it waits for disagree: {place}"
        left = [row for row in self.run.waits if row.known or row.fresh]
        yield from _some("Nobody has looked for its person, or sent it: {}", left)

    def repeats(self) -> Iterator[str]:
        """A record arrives again only for an unknown outcome, or by a person's order."""
        flying = sum(a.records for a in self.run.attempts if a.unknown)
        for record, times in self.arrived.items():
            if times > 1 and record in self.places:
                place = self.places[record]
                ordered = self._replays_at(*place)
                flying += ordered
                allowed = 1 + self._unknown_at(*place) + ordered
                if times > allowed:
                    yield f"Arrived {times} times, {allowed} are explained: {record}"
        if repeats(self.run) > flying:
            yield f"{repeats(self.run)} repeats, but {flying} records were on their way."

    def sendings(self) -> Iterator[str]:
        """What is not answered is sent so often, neither more nor less, and then given up."""
        for place in self.expected:
            times = self._unknown_at(*place)
            if times > MOST_SENDINGS * self._lives_at(*place):
                yield f"Sent {times} times without an answer: {place}"
        for letter in self.run.letters:
            if letter.reason == "outcome_unknown" and letter.position is not None:
                times = self._unknown_at(letter.position, letter.side)
                if times < MOST_SENDINGS:
                    yield f"Given up after {times} times: {letter}."

    def bodies(self) -> Iterator[str]:
        """What arrived is byte for byte a body in the books, as often as they allow."""
        hashes: defaultdict[str, list[UploadRow]] = defaultdict(list)
        for upload in self.run.uploads:
            hashes[upload.body_hash].append(upload)
        for digest, times in Counter(x.sha256 for x in self.run.stored).items():
            owners = hashes.get(digest, [])
            if not owners:
                if not self.allowed.changed:
                    yield f"CleverTap stored a body that no upload has: {digest}."
                continue
            most = sum(1 + self.unknown[upload.pk] for upload in owners)
            if times > most:
                yield f"A body arrived {times} times, {most} are explained: {digest}."
        if not self.allowed.changed:
            changed = (upload.pk for upload in self.run.uploads if upload.body_changed)
            yield from _some("Upload {} was sent with another body.", changed)

    def ranges(self) -> Iterator[str]:
        """Ranges tile the log up to its head, and parts cover no record twice."""
        at = self.run.tail
        for upload in self.run.uploads:
            if upload.parent is None and upload.replay is None:
                if upload.first != at + 1:
                    yield f"Upload {upload.pk} begins at {upload.first}, not {at + 1}."
                at = upload.last
        head = len(self.run.log)
        if not at == self.run.cursor == head:
            yield f"Ranges reach {at}, the cursor is {self.run.cursor}, the head {head}."
        for parent, picks in self._picks_by_parent().items():
            twice = (pick for pick, times in picks.items() if times > 1)
            yield from _some(f"Two parts of upload {parent} have record {{}}.", twice)

    def verdicts(self) -> Iterator[str]:
        """Each upload's records have one verdict each, and the sums are the status's."""
        leaves = [u for u in self.run.uploads if u.state == "settled"]
        for leaf in leaves:
            if leaf.records != leaf.delivered + leaf.dead + leaf.waiting:
                yield f"Upload {leaf.pk} has records without a verdict, or with two."
        own = [leaf for leaf in leaves if leaf.replay is None]
        booked = sum(leaf.dead + leaf.waiting for leaf in own)
        written = len(self.own_letters)
        if booked != written:
            yield f"{booked} records are booked as dead, {written} letters."
        covered = booked + sum(leaf.delivered + leaf.unsent for leaf in own)
        if covered != len(self.expected):
            yield f"{covered} records have a verdict, of {len(self.expected)}."
        ended = ("delivered", EXPIRED)
        open_letters = [x for x in self.run.letters if x.state not in ended]
        undelivered = sum(x.state != "delivered" for x in self.own_letters)
        delivered = len(self.expected) - undelivered - sum(x.unsent for x in own)
        said = self.run.status["delivered"]
        if said != delivered:
            yield f"The status says {said} delivered, it is {delivered}."
        counted = self.run.status["dead_letters"] | self.run.status.get("waiting", {})
        if counted != Counter(x.reason for x in open_letters):
            yield "The status counts other dead letters than there are."
        expired = sum(x.state == EXPIRED for x in self.run.letters)
        if self.run.status.get("expired", expired) != expired:
            yield f"The status says {self.run.status['expired']} expired, not {expired}."

    def counts(self) -> Iterator[str]:
        """CleverTap stored of each name and quarter-hour what the delivered counts allow."""
        stored = self.stored_by_quarter
        delivered = sum(u.delivered for u in self.run.uploads if u.state == "settled")
        for counted in self.run.counts:
            for key in stored.keys() | counted.keys():
                count, more, fewer = counted.get(key, (0, 0, 0))
                if not count - fewer <= stored[key] <= count + more:
                    yield (
                        f"CleverTap stored {stored[key]} of {key}, but counted were "
                        f"{count}, maybe {more} more or {fewer} fewer."
                    )
            total = sum(count for count, _, _ in counted.values())
            # One that is refused by no name is delivered for all that the counts know.
            if self.counts_all and total != delivered + self.unplaced:
                yield f"{total} records are counted, {delivered} booked as delivered."

    def rest(self) -> Iterator[str]:
        """Nothing is leased, begun, waiting, or held; and the product agrees."""
        for name in ("backlog", "in_flight", "queued"):
            if self.run.status[name]:
                yield f"The status says: {name} {self.run.status[name]}."
        if self.run.status["hold"]:
            yield f"The account is held: {self.run.status['hold']['reason']}."
        if not self.run.status["balanced"]:
            yield f"Not balanced: {self.run.status['imbalances']}"
        waiting = (u.pk for u in self.run.uploads if u.state == "open")
        yield from _some("Upload {} waits for a verdict.", waiting)
        yield from _some(
            "Upload {} is leased.", (u.pk for u in self.run.uploads if u.leased)
        )
        if self.run.leased:
            yield "A probe is leased."
        begun = (a.upload for a in self.run.attempts if not a.ended)
        yield from _some("An attempt for upload {} never ended.", begun)
        unknown = sum(attempt.unknown for attempt in self.run.attempts)
        if self.run.status["unknown_outcomes"] != unknown:
            yield f"{unknown} attempts have an unknown outcome, the status differs."

    def _ended_before(self, record: str, at: float) -> bool:
        """Return whether somebody whom a record is about had been erased at an instant."""
        forgotten = self.run.forgotten
        if not forgotten or record not in self.places:
            return False
        each = self.expected[self.places[record]]
        names = [each.carries, *(x for x, y in each.records.items() if y == record)]
        return any(forgotten.get(name, at) < at for name in names)

    def _unknown_at(self, position: int, side: str) -> int:
        return sum(
            times
            for pk, times in self.unknown.items()
            if _covers(self.by_pk[pk], position, side)
        )

    def _lives_at(self, position: int, side: str) -> int:
        """Return how often the record was handed out: by the log, and by each replay."""
        handed_out = (u for u in self.run.uploads if u.parent is None)
        return sum(_covers(upload, position, side) for upload in handed_out)

    def _replays_at(self, position: int, side: str) -> int:
        """Return how often a person's order to send a range again covered this record."""
        ordered = (u for u in self.run.uploads if u.replay is not None and not u.picks)
        return sum(_covers(each, position, side) for each in ordered)

    def _picks_by_parent(self) -> Mapping[int, Counter[int]]:
        found: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for upload in self.run.uploads:
            if upload.parent is not None:
                found[upload.parent].update(upload.picks or [])
        return found


def _covers(upload: UploadRow, position: int, side: str) -> bool:
    if upload.picks is None:
        return upload.first <= position <= upload.last
    return position * 2 + SIDES.index(side) in upload.picks


def _some(sentence: str, values: Iterable[object]) -> Iterator[str]:
    """Say `sentence` of the first few, and how many more there are."""
    found = list(values)
    yield from (sentence.format(value) for value in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"… and {len(found) - SHOWN} more."
