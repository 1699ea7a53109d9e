"""One account's desk: its rules, faults and poison, and how many requests are at it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.faults import Fault, Poison, SwitchOrder
from clevertap_sync.sandbox.rules import STRICT, changed
from clevertap_sync.sandbox.world import World

Kind = Literal["uploads", "dry_runs", "reads"]


class _ArmedFault:
    """A fault with what is left of it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.times
        self._until = None if fault.seconds is None else _now() + fault.seconds

    def is_spent(self) -> bool:
        return self._left == 0 or (self._until is not None and _now() >= self._until)

    def take(self) -> Fault:
        if self._left is not None:
            self._left -= 1
        return self.fault


def _now() -> float:
    return time.monotonic()


class Desk:
    """What one location's account is set to do, and what it is doing."""

    def __init__(self, location: Location, world: World) -> None:
        self.location = location
        self._world = world
        self._in_flight: Counter[str] = Counter()
        self.max_in_flight = 0
        self.clear()

    @property
    def in_flight(self) -> int:
        """How many uploads and dry runs are in flight."""
        return self._in_flight["upload"]

    def clear(self) -> None:
        """Behave well and strictly again."""
        with self._world.condition:
            self.rules = STRICT
            self.poison: tuple[Poison, ...] = ()
            self._faults: list[_ArmedFault] = []
            self._met: Counter[tuple[int, bytes]] = Counter()

    def obey(self, order: SwitchOrder) -> None:
        """Do what `order` says.

        Raises `msgspec.ValidationError`, with nothing changed, when it names a rule
        that does not exist.
        """
        with self._world.condition:
            rules = changed(STRICT if order.reset else self.rules, order.rules)
            if order.reset:
                self.clear()
            self.rules = rules
            self.poison += order.poison
            self._faults += map(_ArmedFault, order.faults)

    def forget(self) -> None:
        """Forget the most that was ever in flight."""
        with self._world.condition:
            self.max_in_flight = self.in_flight

    def take_fault(
        self, kind: Kind, count_records: Callable[[], int] = lambda: 0
    ) -> tuple[Fault | None, int]:
        """Return the first fault that waits for a request of this kind and size.

        With it goes `world.releases` as it was then: a release from now on is for this
        request. The records are counted only where a fault's own limit asks for it.
        """
        with self._world.condition:
            releases = self._world.releases
            self._faults = [each for each in self._faults if not each.is_spent()]
            for armed in self._faults:
                fault = armed.fault
                if fault.only not in ("all", kind):
                    continue
                if not fault.above_records or count_records() > fault.above_records:
                    return armed.take(), releases
        return None, releases

    def poison_for(self, record: Mapping[str, Any]) -> Poison | None:
        """Return the poison that `record` meets, and count that it did."""
        for index, poison in enumerate(self.poison):
            if poison.matches(record) and self._meets(index, poison, record):
                return poison
        return None

    def _meets(self, index: int, poison: Poison, record: Mapping[str, Any]) -> bool:
        if poison.times is None:
            return True
        key = (index, msgspec.json.encode(record))
        with self._world.condition:
            self._met[key] += 1
            return self._met[key] <= poison.times

    @contextmanager
    def seat(self, api: str, limit: int) -> Iterator[bool]:
        """Count one request as in flight; yield whether the account may have it."""
        with self._world.condition:
            admitted = self._in_flight[api] < limit
            self._in_flight[api] += admitted
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            yield admitted
        finally:
            with self._world.condition:
                self._in_flight[api] -= admitted

    def describe(self) -> dict[str, Any]:
        """Return what the desk is set to, as JSON takes it."""
        with self._world.condition:
            return {
                "rules": msgspec.to_builtins(self.rules),
                "faults": [
                    msgspec.to_builtins(each.fault)
                    for each in self._faults
                    if not each.is_spent()
                ],
                "poison": msgspec.to_builtins(self.poison),
            }
