"""Background jobs: work for this process's own threads, bounded per integration.

The sweep hands out due work every few seconds, busy or not. Without a bound, a worker whose
threads wait for slow accounts would pile up jobs for hours.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.db import connection

from clevertap_sync.alerting import alert_round
from clevertap_sync.delivery import lifecycle
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.people import expiry
from clevertap_sync.delivery.upkeep import retention, tallies
from clevertap_sync.process import (
    clock,
    database_samples,
    delivery_faults,
    doorbell,
    people_wakeups,
    slots,
    stopping,
    worker_presence,
)
from clevertap_sync.reconciliation import reconciliation_round, statements
from clevertap_sync.worker import due, glance, people_thread, restored_backup
from clevertap_sync.worker.steps import SweepSteps
from referrals.hooks import drain

# The names of steps that a glance may find nothing to do for.
_KEYS: Final = "looking for keys that are back"
_ALERTS: Final = "alerts"
_RECONCILIATION: Final = "reconciliation"
#: Where a call of retention was not enough, the next follows a moment later, until that of
#: the next minute comes. Most of a call is rest already.
RETENTION_REST_SECONDS: Final = 0.25
_MOST_RETENTION_SECONDS: Final = 50.0


class BackgroundJobs:
    """Hands jobs to the threads of one pool, and knows which are unfinished."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._mutex = threading.Lock()
        self._open: Counter[int] = Counter()
        self._alerting = threading.Lock()
        self._reconciling = threading.Lock()
        self._steps = SweepSteps()
        self._people = people_thread.PeopleThread(self._steps, self.deliver_or_ring)

    def start_learning(self) -> None:
        """Start the thread that learns who is who."""
        self._people.start()

    def stop_learning(self) -> None:
        """Let that thread end after its present step."""
        self._people.stop()

    def sweep(self) -> None:
        """Record that this worker is at work, and hand out everything that is due.

        A step that fails does not stop the others.
        """
        if stopping.is_stopping():
            return
        carry_out = self._steps.carry_out
        try:
            seen = self._take_glance()
            carry_out(
                "comparing with the broker's memory", restored_backup.compare_cursors
            )
            if seen.has_unreadable_passcode:
                carry_out(_KEYS, lifecycle.try_readable_passcodes)
            else:
                self._steps.pass_over(_KEYS)
            carry_out("draining the spool", drain.drain_spool)
            carry_out(
                "looking for apps that learn who is who",
                people_thread.wake_learners
                if seen.has_learning_app
                else people_wakeups.forget_learners,
            )
            carry_out("handing out deliveries", self._hand_out)
            if seen.has_alerts:
                carry_out("looking for alerts", self.start_alert_round)
            else:
                self._steps.pass_over(_ALERTS)
            if seen.has_reconciling_account:
                carry_out("comparing with CleverTap", self.start_reconciliation)
            else:
                self._steps.pass_over(_RECONCILIATION)
            carry_out("saying that it is at work", self._record_presence)
        finally:
            connection.close()

    def start_delivery(
        self, integration_id: int, *, at_most: int, wakes: bool = True
    ) -> bool:
        """Start a delivery job, unless so many look for work already. Return whether it started.

        Who has an upload in hand looks for nothing: its request may take a minute. It `wakes`
        who learns of the integration's app, unless that one lets it start.
        """
        in_hand = slots.count_busy(integration_id)
        with self._mutex:
            is_full = self._open[integration_id] >= slots.find_most()
            if is_full or self._open[integration_id] - in_hand >= at_most:
                return False
            self._open[integration_id] += 1
        job = partial(self._deliver, integration_id, wakes=wakes)
        self._pool.apply_async(self._run, ("delivery", job))
        return True

    def start_alert_round(self) -> None:
        """Start a job that looks for alerts to send, unless one is open already."""
        if self._alerting.acquire(blocking=False):
            self._pool.apply_async(self._run, (_ALERTS, self._run_alert_round))

    def start_reconciliation(self) -> None:
        """Start a job that asks CleverTap what it counts, unless one is open already."""
        if self._reconciling.acquire(blocking=False):
            self._pool.apply_async(
                self._run, (_RECONCILIATION, self._run_reconciliation_round)
            )

    def start_upkeep(self) -> None:
        """Start what is done every minute: tallies, waits, retention, erasures, the sample."""
        self._pool.apply_async(self._run, ("tallies", tallies.add_up_tallies))
        self._pool.apply_async(self._run, ("expiry", expiry.expire_waits))
        self._start_retention(time.monotonic() + _MOST_RETENTION_SECONDS)
        self._pool.apply_async(
            self._run, ("erasures", erasure_orders.advance_all_erasures)
        )
        self._pool.apply_async(self._run, ("old statements", self._trim_statements))
        self._pool.apply_async(
            self._run, ("the database's size", database_samples.record_sample)
        )
        self._pool.apply_async(
            self._run, ("workers long gone", worker_presence.forget_workers)
        )

    def ring_or_deliver(self, integration_id: int) -> bool:
        """Ring for any worker; where there is no broker, ask this process's threads."""
        if doorbell.ring_doorbell(integration_id):
            return True
        return self.start_delivery(integration_id, at_most=slots.find_most())

    def deliver_or_ring(self, integration_id: int) -> bool:
        """Deliver what a step let go by this process's threads; where they are at it, ring.

        A ring takes a worker as long as a small delivery. One job may be open: it may have
        looked for work just before.
        """
        return self.start_delivery(
            integration_id, at_most=2, wakes=False
        ) or self.ring_or_deliver(integration_id)

    def _run_alert_round(self) -> None:
        try:
            alert_round.run_alert_round()
        finally:
            self._alerting.release()

    def _run_reconciliation_round(self) -> None:
        try:
            reconciliation_round.run_reconciliation_round()
        finally:
            self._reconciling.release()

    def _start_retention(self, ends_at: float) -> None:
        if not stopping.is_stopping():
            job = partial(self._carry_out_retention, ends_at)
            self._pool.apply_async(self._run, ("retention", job))

    def _carry_out_retention(self, ends_at: float) -> None:
        """Carry it out; where its time was not enough, again after a rest, for a minute.

        So what goes keeps up with what comes, and deliveries have the thread in between.
        """
        is_cut_off = retention.use_up_retention()
        if is_cut_off and time.monotonic() + RETENTION_REST_SECONDS < ends_at:
            again = partial(self._start_retention, ends_at)
            timer = threading.Timer(RETENTION_REST_SECONDS, again)
            timer.daemon = True
            timer.start()

    def _trim_statements(self) -> None:
        statements.trim_statements(clock.read_now())

    def _take_glance(self) -> glance.Glance:
        """Return which steps have something to do; where that fails, each is carried out."""
        taken = [glance.Glance()]
        self._steps.carry_out(
            "looking what there is to do", lambda: taken.append(glance.take_glance())
        )
        return taken[-1]

    def _deliver(self, integration_id: int, *, wakes: bool) -> None:
        try:
            with delivery_faults.naming_integration(integration_id):
                if wakes:
                    people_wakeups.wake_for_integration(integration_id)
                deliver(integration_id, ring=self.ring_or_deliver)
        finally:
            with self._mutex:
                self._open[integration_id] -= 1

    def _hand_out(self) -> None:
        for integration_id, wanted in due.find_due_integrations():
            while self.start_delivery(integration_id, at_most=wanted):
                pass

    def _record_presence(self) -> None:
        worker_presence.record_presence(
            worker_presence.name_worker(), self._steps.describe_failing()
        )

    def _run(self, name: str, job: Callable[[], object]) -> None:
        """Run a job with a database connection of its own."""
        try:
            self._steps.carry_out(name, job)
        finally:
            connection.close()
