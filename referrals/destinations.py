"""The registry through which destinations preview and explain, unknown to the log."""

from collections.abc import Sequence
from typing import Any, Protocol

from referrals.schema import Event


class Destination(Protocol):
    """What a destination can say about events. All values are JSON-ready."""

    def preview(
        self, app_id: int, events: Sequence[Event]
    ) -> list[list[dict[str, Any]]]:
        """Return, per event, what each integration would send, without sending it."""

    def explain(self, app_id: int, position: int, event: Event) -> list[dict[str, Any]]:
        """Return what became of one stored event, per integration and side."""


_destinations: list[Destination] = []


def register(destination: Destination) -> None:
    """Add a destination. Called once per process, when its app is ready."""
    if destination not in _destinations:
        _destinations.append(destination)


def registered() -> tuple[Destination, ...]:
    """Return the destinations of this process."""
    return tuple(_destinations)
