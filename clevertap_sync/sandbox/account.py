"""One account as its reading calls see it at one moment: names, counts, records.

Counts by name and day are complete. What has to look into the records (conditions, users,
exports, profiles as they were) needs those to be kept: it fails aloud where they are not.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from math import inf

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.answers import MALFORMED, Answer, failure
from clevertap_sync.sandbox.calls import refuse_within
from clevertap_sync.sandbox.counting import QUARTER_SECONDS, Counts
from clevertap_sync.sandbox.event_types import EventType, list_event_types
from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.people import People
from clevertap_sync.sandbox.query import Query, Span, is_to_come, read_query, span
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Arrival
from clevertap_sync.sandbox.validation import identity_of
from clevertap_sync.sandbox.visibility import Kind, Sight, sight

_IN_FUTURE = 4002
NOT_KEPT = failure(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The sandbox no longer keeps the records that this needs: give it a larger --keep.",
)


class NotKeptError(Exception):
    """The sandbox has let records go that an answer would need."""


class Account:
    """What a call of one kind sees of an account, `now`."""

    def __init__(self, state: State, location: Location, kind: Kind) -> None:
        self.now = state.world.now()
        self.rules = state.desks[location].rules
        self._store = state.store
        self._location = location
        self._lock = state.world.condition
        self._sight: Sight = sight(kind, self.rules, self.now)

    @property
    def people(self) -> People:
        """Everybody, at once and complete."""
        return self._store.people[self._location]

    def counts(self, arrived_by: float = inf) -> Counts:
        """Return how many events show, by name as first spelled and quarter-hour."""
        result: Counts = {}
        with self._lock:
            for tally in self._store.counting[self._location]:
                if tally.at <= arrived_by and self._sight.shows(tally.number, tally.at):
                    for key, count in tally.counts.items():
                        result[key] = result.get(key, 0) + count
        return result

    def event_types(self) -> dict[str, EventType]:
        """Return the event types that show, by folded name."""
        shown = {name for name, _ in self.counts()}
        with self._lock:
            return list_event_types(self.rules, self.people, shown)

    def query(self, body: bytes) -> Query | Answer:
        """Return the query in `body`, or what CleverTap answers to a wrong one.

        An unknown name and a day in the future are refusals within a 200.
        """
        try:
            query = read_query(body)
        except (ValueError, RecursionError):
            return MALFORMED
        if not self._knows(query.event_name):
            error = f"Invalid event : {query.event_name}"
            return refuse_within(HTTPStatus.BAD_REQUEST, error)
        refuses = self.rules.days_to_come == "refuse"
        if refuses and is_to_come(query, self.rules, self.now):
            return refuse_within(_IN_FUTURE, "To date cannot be in the future")
        return query

    def _knows(self, name: str) -> bool:
        known = self.event_types().get(normalised(name))
        folds = self.rules.names_on_reading == "folded"
        return known is not None and (folds or known.name == name)

    def count_by_quarter(self, query: Query) -> dict[int, int]:
        """Return how many events show by quarter-hour, whatever their data."""
        asked, days = normalised(query.event_name), self.days(query)
        counts = {
            quarter: count
            for (name, quarter), count in self.counts().items()
            if quarter in days and normalised(name) == asked
        }
        return {quarter: max(0, count) for quarter, count in counts.items()}

    def days(self, query: Query) -> Span:
        """Return the quarter-hours of a query's days."""
        return span(query, self.rules, self.now)

    def events(self, query: Query, since: int = 0) -> Iterator[Arrival]:
        """Yield the events that show, are meant, and have a number above `since`.

        Raises NotKeptError where some of them are no longer kept.
        """
        asked, days = normalised(query.event_name), self.days(query)

        def is_meant(name: str, quarter: int) -> bool:
            return quarter in days and normalised(name) == asked

        self._require_all(
            lambda counts: any(is_meant(*key) for key, n in counts.items() if n)
        )
        for batch in self._store.batches(self._location):
            if not any(is_meant(*key) for key in tuple(batch.counts)):
                continue
            for number, record in enumerate(batch.unpack(), batch.first):
                quarter = record.get("ts", int(batch.at)) // QUARTER_SECONDS
                if (
                    number > since
                    and self._sight.shows(batch.first, batch.at)
                    and record["type"] == "event"
                    and is_meant(record["evtName"], quarter)
                    and not self._is_deleted(record, number)
                    and query.matches(record["evtData"])
                ):
                    yield Arrival(number, batch.at, self._location, record)

    def _is_deleted(self, record: dict[str, object], number: int) -> bool:
        if self.rules.deleted_events == "kept":
            return False
        return self.people.was_deleted_after(identity_of(record), number)

    def _require_all(self, needs: Callable[[Counts], bool]) -> None:
        let_go = self._store.let_go.get(self._location)
        with self._lock:
            if let_go is not None and any(
                tally.number <= let_go
                and self._sight.shows(tally.number, tally.at)
                and needs(tally.counts)
                for tally in self._store.counting[self._location]
            ):
                raise NotKeptError

    def profiles(self) -> People:
        """Return everybody as they show: without what came too late to be seen yet.

        Raises NotKeptError where that is not everything, and something was let go.
        """
        with self._lock:
            tallies = list(self._store.counting[self._location])
        if all(self._sight.shows(tally.number, tally.at) for tally in tallies):
            return self.people
        self._require_all(bool)
        people = People()
        for batch in self._store.batches(self._location):
            if self._sight.shows(batch.first, batch.at):
                for number, record in enumerate(batch.unpack(), batch.first):
                    if not self.people.was_deleted_after(identity_of(record), number):
                        people.add(record, int(batch.at))
        return people
