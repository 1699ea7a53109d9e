"""One account's profiles: who is known, and which events each one raised."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.validation import identity_of


class Seen(NamedTuple):
    """How often a person raised an event, and when first and last (Unix seconds)."""

    times: int
    first: int
    last: int


class People:
    """The profiles of one account. An event of somebody unknown creates a profile."""

    def __init__(self) -> None:
        self._events: dict[tuple[str, str], dict[str, Seen]] = {}
        self._data: dict[tuple[str, str], dict[str, Any]] = {}
        self._spellings: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._events)

    def event_types(self) -> int:
        """Return how many different event names there are."""
        return len(self._spellings)

    def knows_event(self, name: str) -> bool:
        """Return whether an event of this name was stored before."""
        return normalised(name) in self._spellings

    def add(self, record: dict[str, Any], now: int) -> str | None:
        """Count one accepted record; return the event's name as first spelled."""
        person = identity_of(record)
        events = self._events.setdefault(person, {})
        if record["type"] != "event":
            self._data.setdefault(person, {}).update(record.get("profileData", {}))
            return None
        name = record["evtName"]
        name = self._spellings.setdefault(normalised(name), name)
        ts = record.get("ts", now)
        seen = events.get(name)
        if seen is None:
            events[name] = Seen(1, ts, ts)
        else:
            times, first, last = seen
            events[name] = Seen(times + 1, min(first, ts), max(last, ts))
        return name

    def find(self, kind: str, value: str) -> dict[str, Any] | None:
        """Return the profile that `kind` (identity, objectId or email) names."""
        person = (kind, value) if kind != "email" else self._by_email(value)
        if person is None or person not in self._events:
            return None
        data = self._data.get(person, {})
        return {
            person[0]: person[1],
            **({"email": data["Email"]} if "Email" in data else {}),
            "profileData": data,
            "events": {
                name: {
                    "count": seen.times,
                    "first_seen": seen.first,
                    "last_seen": seen.last,
                }
                for name, seen in self._events[person].items()
            },
            "platformInfo": [],
        }

    def delete(self, kind: str, value: str) -> None:
        """Forget the profile that `kind` (identity or objectId) names, and its events."""
        self._events.pop((kind, value), None)
        self._data.pop((kind, value), None)

    def _by_email(self, email: str) -> tuple[str, str] | None:
        for person, data in self._data.items():
            if data.get("Email") == email:
                return person
        return "identity", email

    def counts(self) -> Iterator[tuple[str, str, Seen]]:
        """Yield identity, event name and what was seen, for all."""
        for (_, identity), events in self._events.items():
            for name, seen in events.items():
                yield identity, name, seen
