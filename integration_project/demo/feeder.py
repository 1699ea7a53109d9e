"""Lets the Demo Shop's events happen: first the past days at once, then life."""

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Final

from integration_project.demo.api import DemoApi
from integration_project.demo.story import (
    Carrier,
    Json,
    Told,
    tell_story,
    tell_with_carriers,
)

#: Tells of an event, and returns whether that was taken.
Carry = Callable[[Json], bool]

HISTORY_EVENTS: Final = 60
HISTORY: Final = timedelta(days=3)
#: The days on which the history lies, each from its first instant on, in any time zone.
WHOLE_DAYS: Final = HISTORY + timedelta(days=2)
#: Marks the history as there; the log itself remembers that it was sent.
HISTORY_MARK: Final = "demo-history-1"

BUSY_SECONDS: Final = 1.0
CALM_SECONDS: Final = 5.0
BUSY_FOR: Final = timedelta(minutes=10)
DUPLICATE_EVERY: Final = 15
CONFLICT_EVERY: Final = 40
SUMMARY_EVERY: Final = 30


def make_history(random: Random, now: datetime) -> list[Json]:
    """Return the past days' events, oldest first, with IDs that are always the same."""
    share = HISTORY / HISTORY_EVENTS
    return [
        {
            "id": f"demo-history-{number}",
            "occurred_at": (
                now - HISTORY + share * (number - random.random())
            ).isoformat(),
            **event,
        }
        for number, event in enumerate(islice(tell_story(random), HISTORY_EVENTS), 1)
    ]


def make_conflicting_event(event: Json) -> Json:
    """Return another event under the same ID, which is a conflict."""
    return {**event, "metadata": {"changed": True}}


def make_live_events(random: Random) -> Iterator[Told]:
    """Yield events that happen now, now and then one that was sent before by the API."""
    recent: deque[Json] = deque(maxlen=10)
    for number, (event, carrier) in enumerate(tell_with_carriers(random), 1):
        fresh = {"id": uuid.UUID(int=random.getrandbits(128)).hex, **event}
        yield Told(fresh, carrier)
        if carrier is Carrier.API:
            recent.append(fresh)
        if number % CONFLICT_EVERY == 0:
            yield Told(make_conflicting_event(recent[0]))
        elif number % DUPLICATE_EVERY == 0:
            yield Told(recent[0])


class Feeder:
    """Sends the events, and prints the numbers of answers now and then.

    What none of `platforms` tells, or whose call is not taken, goes by the API.
    """

    def __init__(
        self, api: DemoApi, random: Random, platforms: Mapping[Carrier, Carry]
    ) -> None:
        self._api = api
        self._random = random
        self._platforms = platforms
        self._totals: Counter[str] = Counter()

    def send_history(self) -> bool:
        """Send the past days, and return whether they were: a second start finds them."""
        if self._api.knows(HISTORY_MARK):
            return False
        events = make_history(self._random, datetime.now(UTC))
        self._send(events)
        # A backend that was not sure whether it had sent these, and one with a bug.
        self._send([events[10], make_conflicting_event(events[11])])
        self._say("sent the last three days")
        return True

    def send_live(self) -> None:
        """Send event by event, for ever: a few a minute after the first ten."""
        began = time.monotonic()
        for number, told in enumerate(make_live_events(self._random), 1):
            self.send_told(told)
            if number % SUMMARY_EVERY == 0:
                self._say("sent so far")
            busy = time.monotonic() - began < BUSY_FOR.total_seconds()
            pace = BUSY_SECONDS if busy else CALM_SECONDS
            time.sleep(pace * self._random.uniform(0.6, 1.4))

    def send_told(self, told: Told) -> None:
        """Send an event by its carrier, or else by the API."""
        carry = self._platforms.get(told.carrier)
        if carry and carry(told.event):
            self._totals[f"by {told.carrier.title()}"] += 1
        else:
            self._send([told.event])

    def _send(self, events: list[Json]) -> None:
        self._totals.update(self._api.send(events))

    def _say(self, what: str) -> None:
        counts = ", ".join(f"{n} {name}" for name, n in self._totals.items() if n)
        print(f"{what}: {counts}", flush=True)  # noqa: T201 - its log line
