"""Company: a busy integration's next small upload waits some milliseconds for more events.

Fifty events a second need not be fifty uploads. A thread that sent a small one, shortly after
the upload before it, stays and keeps the integration's doorbell silent: it is a worker that will
come. It hears the rings that it keeps (`kept_rings`), and so an event goes with the next, if that
comes soon enough to be worth a wait, as the last uploads tell (`paces`). Else it goes at once.
Where a thread cannot hear, it looks `PACE_SECONDS` after its claim, and once more before it ends.
An event after a quiet time goes at once, and nobody waits after it.

No wake-up is lost. Before its last look the thread clears the ring, so whoever comes later
rings. Where it takes other work first, which may last, it rings for another worker. If the thread
dies, its promise ends with `PROMISE_SECONDS`, and the sweep looks anyway.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from django.conf import settings

from clevertap_sync.delivery import paces
from clevertap_sync.delivery.work import Claim, ProbeClaim
from clevertap_sync.process import doorbell, kept_rings, people_wakeups, stopping

#: So long after its claim a thread looks that cannot hear. One that can does so, too, if a
#: company is expected within it.
PACE_SECONDS: Final = 0.025
#: The first event that is heard waits for a second one for so long, what the thread has slept
#: included,
PAIR_SECONDS: Final = 0.035
#: unless events come less often than this: then it goes alone at once.
WORTH_A_WAIT_SECONDS: Final = 0.03
#: So long after its claim a thread listens. Then it looks a last time, and ends.
LISTEN_SECONDS: Final = 0.2
#: An integration is busy if the upload before was claimed no longer ago.
BUSY: Final = timedelta(milliseconds=200)
#: A request that takes longer leaves the doorbell to ring for others.
PROMISE_SECONDS: Final = 1.0

_mutex: Final = threading.Lock()
_waiting = 0
#: Integration → until when, by our own clock, a thread's promise to look again is worth a wait.
_promised: Final[dict[int, float]] = {}


def is_busy(served_at: datetime | None, now: datetime) -> bool:
    """Return whether an integration that was served at an instant is likely to get more."""
    return served_at is not None and now - served_at < BUSY


def is_promised(integration_id: int) -> bool:
    """Return whether a thread of this process looks at the integration again, soon."""
    return time.monotonic() < _promised.get(integration_id, 0.0)


class Company:
    """One thread's waits for an integration. `ring` brings another worker.

    With `lingers=False` it waits for nothing.
    """

    def __init__(
        self, integration_id: int, ring: Callable[[int], object], *, lingers: bool
    ) -> None:
        self._integration_id = integration_id
        self._ring = ring
        self._lingers = lingers
        self._has_place = False
        self._has_promised = False
        self._look_at = 0.0
        self._renew_at = 0.0
        self._looked_in_vain = False
        self._listener: kept_rings.Listener | None = None
        #: It has looked since it listens: what came before is not heard.
        self._has_looked = False
        self._heard_nothing = False
        #: The next claim will most likely find nothing.
        self.expects_nothing = False
        #: It will most likely find a full range of the log.
        self.expects_range = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the promise back. Whoever stops in order rings; after a fault the sweep looks."""
        is_owed = self._has_promised and kind is None
        self._end_promise()
        if is_owed:
            self._ring(self._integration_id)
        if self._has_place:
            _give_place_back()

    def call_another(self) -> object:
        """Ring for another worker; return whether one will come."""
        self._end_promise()
        return self._ring(self._integration_id)

    def note_claim(self, work: Claim | ProbeClaim) -> None:
        """Promise to look again after a small upload; after any other, let others ring."""
        self.expects_nothing = isinstance(work, Claim) and not work.left_some
        self.expects_range = isinstance(work, Claim) and work.left_range
        self._looked_in_vain = False
        if isinstance(work, Claim):
            self._note_range(work)
        if isinstance(work, Claim) and work.is_busy and self._take_place():
            self._look_at = time.monotonic() + PACE_SECONDS
            self._promise()
            self._listen()
        elif self._has_promised and self._leaves_some(work):
            self.call_another()
        else:
            self._end_promise()

    def wait(self) -> None:
        """Wait for company, if this thread promised to look again."""
        if self._has_promised:
            if self._listener is not None and self._has_looked:
                self._await_company(self._listener)
            else:
                self._pause(self._look_at - time.monotonic())
                self._has_looked = True
            self.expects_nothing = not self._has_promised

    def looks_again(self) -> bool:
        """After a claim in vain: return whether to claim once more.

        After a wait, and where that was in vain as well, at once, the promise taken back.
        """
        if not self._has_promised:
            return False
        if self._listener is not None:
            self.wait()
        elif self._looked_in_vain:
            self._end_promise()
            self.expects_nothing = True
        else:
            self._looked_in_vain = True
            self._pause(PACE_SECONDS)
        return True

    def _await_company(self, listener: kept_rings.Listener) -> None:
        """Wait until a company has come. If nothing comes, or late, take the promise back."""
        gap = paces.estimate_gap(self._integration_id)
        slept = self._sleep_for_several(gap)
        listens_until = self._look_at - PACE_SECONDS + LISTEN_SECONDS
        heard = listener.hear(listens_until - time.monotonic())
        if heard == 1 and gap <= WORTH_A_WAIT_SECONDS:
            listener.hear(PAIR_SECONDS - slept)
        self._wake_learner()
        if listener.is_deaf:
            self._listen_no_more()
        elif not heard or time.monotonic() >= listens_until:
            self._heard_nothing = not heard
            self._end_promise()

    def _sleep_for_several(self, gap: float) -> float:
        """Sleep where several events are expected before the look; return for how long."""
        seconds = self._look_at - time.monotonic()
        if seconds <= 0 or 2 * gap > PACE_SECONDS:
            return 0.0
        self._pause(seconds)
        return seconds

    def _note_range(self, claim: Claim) -> None:
        """Note how often events come, and whether the broker tells of them at all."""
        paces.note_claim(claim)
        is_mine = claim.integration.pk == self._integration_id
        # Of one request the ring may come late. Of several it cannot, and each brought what
        # rings: who only says who is who rings elsewhere.
        if self._heard_nothing and is_mine and _count_requests(claim) > 1:
            kept_rings.distrust_messages()
        self._heard_nothing = False

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = kept_rings.listen(self._integration_id)
            self._has_looked = False

    def _listen_no_more(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _leaves_some(self, work: Claim | ProbeClaim) -> bool:
        """Return whether what came while this thread waited may be left beside this work."""
        is_mine = work.integration.pk == self._integration_id
        return not (is_mine and self.expects_nothing)

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            stopping.wait_for_stop(seconds)
        self._wake_learner()

    def _wake_learner(self) -> None:
        """Tell the thread that learns who is who, as the rings would have that were kept."""
        people_wakeups.wake_for_integration(self._integration_id)

    def _promise(self) -> None:
        """Promise, and anew in good time, since another process may have cleared the ring."""
        now = time.monotonic()
        if not self._has_promised or now >= self._renew_at:
            doorbell.keep_ring(self._integration_id, PROMISE_SECONDS)
            _promised[self._integration_id] = now + PROMISE_SECONDS
            self._renew_at = now + PROMISE_SECONDS / 2
        self._has_promised = True

    def _end_promise(self) -> None:
        """Take the promise back, so that whoever comes from now on is not left to this thread.

        Another thread's promise goes with it: then one comes and looks who need not have.
        """
        if self._has_promised:
            self._has_promised = False
            self._listen_no_more()
            _promised.pop(self._integration_id, None)
            doorbell.clear_ring(self._integration_id)
            # Of what came since the last pause.
            self._wake_learner()

    def _take_place(self) -> bool:
        """Return whether this thread may wait. Most of a process's threads may not."""
        global _waiting  # noqa: PLW0603 - one number per process
        if self._lingers and not self._has_place:
            with _mutex:
                self._has_place = _waiting < max(1, settings.WORKER_THREADS // 4)
                _waiting += self._has_place
        return self._has_place


def _count_requests(claim: Claim) -> int:
    """Return how many requests are known to have brought what the claim's upload sends."""
    return 0 if claim.mapped is None else len(claim.mapped.requests)


def _give_place_back() -> None:
    global _waiting  # noqa: PLW0603 - one number per process
    with _mutex:
        _waiting -= 1
