"""The thread of each worker that learns who is who, and lets go what waited for it.

One thread, so that learning never takes the threads that deliver. It takes steps for the
apps that it was woken for, one each by turns, until none has more to do. Several workers
may be woken for the same app: the step's lock lets one through.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from django.db import connection

from clevertap_sync.delivery.people import step
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell, people_wakeups, stopping
from clevertap_sync.worker.steps import SweepSteps
from referrals import people

logger = logging.getLogger(__name__)

#: How long the thread sleeps at most before it sees that it shall end.
_WAIT_SECONDS: Final = 1.0
#: From one round of steps to the next. While events come one by one, a step that learns
#: from a few of them costs a fraction of a step for each; a lone one does not wait. On
#: SQLite a step holds the one write lock for as long as it has events.
SHORTEST_ROUND: Final = {"postgresql": 0.1, "sqlite": 0.05}
#: The thread rests for such a part of the time that a round took. So whoever delivers
#: beside it, or waits for SQLite's one lock, gets on while a long log is learned anew.
REST: Final = 0.25
#: After so long Python gives another thread its turn, in place of five milliseconds. A
#: delivery waits for its turn after each of its statements while this thread learns.
TURN_SECONDS: Final = 0.001


def wake_learners() -> None:
    """Wake for every app that learns, and remember which integrations ring for them."""
    app_ids = people.list_learning_apps()
    mine = Integration.objects.filter(app__in=app_ids) if app_ids else None
    people_wakeups.remember_learners(
        dict(mine.values_list("pk", "app_id")) if mine is not None else {}
    )
    for app_id in app_ids:
        people_wakeups.wake_learner(app_id)


class PeopleThread:
    """Takes steps for the apps that this process is woken for."""

    def __init__(self, steps: SweepSteps, ring: Callable[[int], object]) -> None:
        self._steps = steps
        self._ring = ring
        self._stop = threading.Event()
        self._next_at = 0.0  # by the monotonic clock

    def start(self) -> None:
        """Start the thread. It ends with the process, or by `stop`."""
        threading.Thread(target=self._run, daemon=True, name="people").start()

    def stop(self) -> None:
        """Let the thread end after its present step."""
        self._stop.set()

    def advance(self, app_ids: Iterable[int]) -> None:
        """Take steps for these apps, by turns, until none has more to do.

        A step that fails is logged, and left to the next wake-up.
        """
        left = list(app_ids)
        try:
            while left and not self._is_stopping():
                self._stop.wait(max(0.0, self._next_at - time.monotonic()))
                left = self._take_round(left)
                if left:
                    left += people_wakeups.wait_for_wakeups(0.0).difference(left)
        finally:
            connection.close()

    def _run(self) -> None:
        while not self._is_stopping():
            woken = people_wakeups.wait_for_wakeups(_WAIT_SECONDS)
            if woken:
                sys.setswitchinterval(TURN_SECONDS)
            try:
                self.advance(woken)
            except Exception:
                logger.exception("Learning who is who failed; it is tried again")

    def _take_round(self, app_ids: Iterable[int]) -> list[int]:
        """Take a step of each app; return those that have more to do."""
        began_at = time.monotonic()
        left = [app_id for app_id in app_ids if self._take_step(app_id)]
        took = time.monotonic() - began_at
        shortest = SHORTEST_ROUND[connection.vendor]
        self._next_at = began_at + max(shortest, took * (1 + REST))
        return left

    def _take_step(self, app_id: int) -> bool:
        """Take one step of the app; return whether it has more to do."""
        has_more = []
        doorbell.clear_ring_to_learn(app_id)
        advance = partial(step.advance_people, app_id, ring=self._ring)
        # Each app has a name of its own: one that fails is not healed by its neighbour.
        name = f"learning who is who in app {app_id}"
        self._steps.carry_out(name, lambda: has_more.append(advance()))
        return any(has_more)

    def _is_stopping(self) -> bool:
        return self._stop.is_set() or stopping.is_stopping()
