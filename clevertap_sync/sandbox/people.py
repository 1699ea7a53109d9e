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
        #: The last number among all records when somebody was deleted.
        self._deleted_at: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._events)

    def event_names(self) -> list[str]:
        """Return the names of the events that were stored, as first spelled."""
        return list(self._spellings.values())

    def spelling(self, name: str) -> str:
        """Return an event's name as it was first spelled."""
        return self._spellings.get(normalised(name), name)

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

    def delete(self, person: tuple[str, str], last_number: int) -> None:
        """Forget a profile and its events, up to the record with this number."""
        if self._events.pop(person, None) is not None:
            self._deleted_at[person] = last_number
        self._data.pop(person, None)

    def was_deleted_after(self, person: tuple[str, str], number: int) -> bool:
        """Return whether somebody was deleted after the record with this number."""
        return self._deleted_at.get(person, 0) >= number

    def __contains__(self, person: object) -> bool:
        """Return whether there is a profile of this kind and identity."""
        return person in self._events

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
