"""Everything that one running sandbox knows, in one place for its threads."""

import time
from collections.abc import Callable
from typing import Any, BinaryIO

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.desk import Desk
from clevertap_sync.sandbox.faults import SwitchOrder
from clevertap_sync.sandbox.promises import Promises
from clevertap_sync.sandbox.store import Store
from clevertap_sync.sandbox.world import World


class State:
    """The world, the store and one desk for each location."""

    def __init__(
        self,
        *,
        keep: int,
        default_location: Location,
        ledger: BinaryIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.world = World(clock)
        self.store = Store(self.world, keep=keep, ledger=ledger)
        self.desks = {location: Desk(location, self.world) for location in Location}
        self.promises = {location: Promises() for location in Location}
        #: The location of an address that names none.
        self.default_location = default_location

    def obey(self, order: SwitchOrder) -> None:
        """Set one location's desk, or all of them.

        Raises `msgspec.ValidationError` for a rule that does not exist.
        """
        locations = [order.location] if order.location else list(Location)
        for location in locations:
            self.desks[location].obey(order)

    def reset(self, *, keep_switches: bool = False) -> None:
        """Forget what arrived, and behave well again. The ledger stays."""
        self.store.clear()
        self.promises = {location: Promises() for location in Location}
        for desk in self.desks.values():
            desk.forget()
            if not keep_switches:
                desk.clear()
        self.world.release()

    def summary(self) -> dict[str, Any]:
        """Return what arrived, in numbers: altogether and for each location."""
        with self.world.condition:
            each = {location.value: self._summary(location) for location in Location}
        everything: dict[str, Any] = {}
        for part in each.values():
            everything = _sum(everything, part)
        return {
            **everything,
            "last_number": self.store.last_number,
            "locations": each,
        }

    def _summary(self, location: Location) -> dict[str, Any]:
        totals, desk = self.store.totals[location], self.desks[location]
        return {
            "requests": totals["requests"],
            "uploads": totals["uploads"],
            "dry_runs": totals["dry_runs"],
            "records_accepted": totals["accepted"],
            "records_refused": totals["refused"],
            "records_dropped": totals["dropped"],
            "profiles": len(self.store.people[location]),
            "in_flight": desk.in_flight,
            "max_in_flight": desk.max_in_flight,
            "refusals": {
                str(code): n for code, n in sorted(self.store.codes[location].items())
            },
            "events": dict(sorted(self.store.events[location].items())),
        }


def _sum(total: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers of `part` to `total`; of the most in flight, keep the highest."""
    result = dict(total)
    for key, value in part.items():
        if isinstance(value, dict):
            result[key] = _sum(result.get(key, {}), value)
        elif key == "max_in_flight":
            result[key] = max(result.get(key, 0), value)
        else:
            result[key] = result.get(key, 0) + value
    return result
