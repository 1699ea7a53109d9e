"""The event types that an account has: what fills it, and what reading knows of them."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.people import People
from clevertap_sync.sandbox.rules import Rules

Status = Literal["Active", "Inactive", "Discarded"]

#: What every account with an app has. https://docs.clevertap.com/docs/events
_SYSTEM = ("App Launched", "App Installed", "App Uninstalled", "UTM Visited")


class EventType(NamedTuple):
    """One event type, in the account's own spelling."""

    name: str
    status: Status
    is_defined: bool


def other_names(rules: Rules) -> list[str]:
    """Return the names that the account has besides those that were uploaded here."""
    apps = (f"App Event {n}" for n in range(1, rules.other_event_types + 1))
    return [*_SYSTEM, *apps][: rules.other_event_types]


def list_event_types(
    rules: Rules, people: People, shown: Iterable[str]
) -> dict[str, EventType]:
    """Return what reading knows of the account's event types, by folded name.

    `shown` are the names, as first spelled, of which uploads show. A name that the schema
    defines is spelled as there.
    """
    types = {
        normalised(name): EventType(name, "Active", is_defined=True)
        for name in other_names(rules)
    }
    for name in rules.schema.events:
        types[normalised(name)] = EventType(name, "Inactive", is_defined=True)
    for name in shown:
        _mark(types, name, "Active")
    for name in rules.discarded_names:
        _mark(types, people.spelling(name), "Discarded")
    return types


def _mark(types: dict[str, EventType], name: str, status: Status) -> None:
    known = types.get(normalised(name), EventType(name, status, is_defined=False))
    types[normalised(name)] = known._replace(status=status)


class Room:
    """Whether the account has room for the names of one upload's events.

    Beyond `event_types` a further one is dropped without a word.
    """

    def __init__(self, rules: Rules, people: People) -> None:
        self._rules = rules
        self._people = people
        self._held: set[str] | None = None

    def has_room(self, name: str) -> bool:
        """Return whether an event of this name is kept, and reserve its place."""
        if self._people.knows_event(name):
            return True
        if self._held is None:
            self._held = self._names()
        folded = normalised(name)
        if folded not in self._held and len(self._held) >= self._rules.event_types:
            return False
        self._held.add(folded)
        return True

    def _names(self) -> set[str]:
        rules = self._rules
        known = list_event_types(rules, self._people, self._people.event_names())
        return set(known)
