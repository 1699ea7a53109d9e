"""What arrived: the latest records, complete counts, the requests, the error stream.

The counts are complete; the records are those of the last uploads, within a bound. The
ledger, where there is one, has every upload and is flushed before the answer goes out.
"""

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Set as AbstractSet
from typing import Any, BinaryIO, NamedTuple

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.counting import QUARTER_SECONDS, Counting, Counts, Tally
from clevertap_sync.sandbox.people import People
from clevertap_sync.sandbox.validation import identity_of
from clevertap_sync.sandbox.world import World

REQUESTS_KEPT = 20_000
ERRORS_KEPT = 1_000


class Request(msgspec.Struct, kw_only=True):
    """One request to the API. `status` is None as long as it was not answered."""

    number: int
    at: float
    location: Location
    path: str
    dry_run: bool = False
    sha256: str = ""
    body_bytes: int = 0
    records: int = 0
    accepted: int = 0
    refused: dict[int, int] = {}
    reasons: dict[str, int] = {}
    status: int | None = None
    fault: str = ""
    in_flight: int = 0
    seconds: float | None = None


class Batch(NamedTuple):
    """The stored records of one upload, as JSON: unpacked only for who looks."""

    first: int
    size: int
    at: float
    location: Location
    records: bytes
    #: Its tally's; a deletion lowers it.
    counts: Counts

    def unpack(self) -> list[dict[str, Any]]:
        """Return the records as they were received."""
        return msgspec.json.decode(self.records, type=list[dict[str, Any]])


class Arrival(NamedTuple):
    """One stored record with its number among all, counted from 1."""

    number: int
    at: float
    location: Location
    record: dict[str, Any]


class Lost(NamedTuple):
    """A record that was answered as processed, and then dropped."""

    at: float
    location: Location
    event_name: str
    reason: str


class Store:
    """All of it, behind the world's one lock."""

    def __init__(
        self, world: World, *, keep: int, ledger: BinaryIO | None = None
    ) -> None:
        self._world = world
        self._keep = keep
        self._ledger = ledger
        self.clear()

    def clear(self) -> None:
        """Forget everything but the ledger."""
        with self._world.condition:
            self.people = {location: People() for location in Location}
            self.events: dict[Location, Counter[str]] = {
                location: Counter() for location in Location
            }
            self.counting = {location: Counting() for location in Location}
            #: The first number of the latest upload whose records are no longer kept.
            self.let_go: dict[Location, int] = {}
            self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)
            self.lost: deque[Lost] = deque(maxlen=ERRORS_KEPT)
            self.totals: dict[Location, Counter[str]] = {
                location: Counter() for location in Location
            }
            self.codes: dict[Location, Counter[int]] = {
                location: Counter() for location in Location
            }
            self._batches: deque[Batch] = deque()
            self._held = 0
            self.last_number = 0
            self._numbers = itertools.count(1)
            self._world.condition.notify_all()

    def begin(self, location: Location, path: str, *, dry_run: bool = False) -> Request:
        """Write down that a request arrived."""
        with self._world.condition:
            request = Request(
                number=next(self._numbers),
                at=self._world.now(),
                location=location,
                path=path,
                dry_run=dry_run,
            )
            self.requests.append(request)
            self.totals[location]["requests"] += 1
            self._world.condition.notify_all()
            return request

    def end(self, request: Request, status: int | None) -> None:
        """Write down what it is answered; None where it gets no answer."""
        with self._world.condition:
            request.status = None if status is None else int(status)
            request.seconds = round(self._world.now() - request.at, 6)
            self._world.condition.notify_all()

    def count_verdicts(self, request: Request, *, lost: int) -> None:
        """Count what an upload's records, or a dry run's, were answered."""
        totals = self.totals[request.location]
        with self._world.condition:
            if request.dry_run:
                totals["dry_runs"] += 1
                return
            totals["uploads"] += 1
            totals["accepted"] += request.accepted
            totals["refused"] += sum(request.refused.values())
            totals["dropped"] += lost
            self.codes[request.location].update(request.refused)

    def lose(self, lost: Lost) -> None:
        """Write a dropped record into the error stream."""
        with self._world.condition:
            self.lost.append(lost)

    def add(
        self,
        request: Request,
        records: list[dict[str, Any]],
        kept: list[dict[str, Any]] | None = None,
    ) -> None:
        """Store what an upload brought, and write the ledger's line.

        The ledger has the records as received, `kept` is what the account makes of them.
        """
        received = msgspec.json.encode(records)
        encoded = received
        if kept is None:
            kept = records
        elif kept != records:
            encoded = msgspec.json.encode(kept)
        with self._world.condition:
            now = self._world.now()
            counts = self._count(request.location, kept, int(now))
            batch = Batch(
                self.last_number + 1, len(kept), now, request.location, encoded, counts
            )
            self.counting[request.location].add(Tally(batch.first, now, counts))
            self.last_number += len(kept)
            self._remember(batch)
            self._write(request, batch, received)
            self._world.condition.notify_all()

    def _count(
        self, location: Location, records: list[dict[str, Any]], now: int
    ) -> Counts:
        """Count events for each person, and return them by name and quarter-hour."""
        people, events = self.people[location], self.events[location]
        counts: Counts = {}
        for record in records:
            name = people.add(record, now)
            if name is not None:
                key = name, record.get("ts", now) // QUARTER_SECONDS
                counts[key] = counts.get(key, 0) + 1
        for (name, _), count in counts.items():
            events[name] += count
        return counts

    def delete(
        self, location: Location, persons: AbstractSet[tuple[str, str]], *, events: bool
    ) -> None:
        """Forget people, and with `events` count those less that are still kept."""
        with self._world.condition:
            people = self.people[location]
            known = {person for person in persons if person in people}
            if events and known:
                self._uncount(location, known)
            for person in known:
                people.delete(person, self.last_number)

    def _uncount(
        self, location: Location, persons: AbstractSet[tuple[str, str]]
    ) -> None:
        people, counting = self.people[location], self.counting[location]
        for batch in self.batches(location):
            for number, record in enumerate(batch.unpack(), batch.first):
                person = identity_of(record)
                if record["type"] != "event" or person not in persons:
                    continue
                if not people.was_deleted_after(person, number):
                    name = people.spelling(record["evtName"])
                    ts = record.get("ts", int(batch.at))
                    counting.take_out(batch.first, name, ts)

    def _remember(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._held += batch.size
        while self._held > self._keep and len(self._batches) > 1:
            gone = self._batches.popleft()
            self._held -= gone.size
            self.let_go[gone.location] = gone.first

    def _write(self, request: Request, batch: Batch, received: bytes) -> None:
        if self._ledger is None:
            return
        line = {
            "at": batch.at,
            "account": ACCOUNTS[batch.location].account_id,
            "location": batch.location.value,
            "path": request.path,
            "sha256": request.sha256,
            "records": msgspec.Raw(received),
        }
        self._ledger.write(msgspec.json.encode(line) + b"\n")
        self._ledger.flush()

    def batches(self, location: Location) -> list[Batch]:
        """Return an account's uploads whose records are kept, oldest first."""
        with self._world.condition:
            return [each for each in self._batches if each.location == location]

    def arrivals(
        self, since: int = 0, location: Location | None = None
    ) -> Iterator[Arrival]:
        """Yield the kept records with a number above `since`, in order."""
        with self._world.condition:
            batches = [
                batch
                for batch in self._batches
                if batch.first + batch.size - 1 > since
                and location in (None, batch.location)
            ]
        for batch in batches:
            for number, record in enumerate(batch.unpack(), batch.first):
                if number > since:
                    yield Arrival(number, batch.at, batch.location, record)

    def latest(self, count: int, location: Location | None = None) -> list[Arrival]:
        """Return the latest records, newest first."""
        with self._world.condition:
            batches = [
                batch
                for batch in reversed(self._batches)
                if location in (None, batch.location)
            ]
        newest = (
            Arrival(number, batch.at, batch.location, record)
            for batch in batches
            for number, record in reversed(list(enumerate(batch.unpack(), batch.first)))
        )
        return list(itertools.islice(newest, count))

    def first_kept(self) -> int:
        """Return the number of the first record that is still kept."""
        with self._world.condition:
            return self._batches[0].first if self._batches else 1
