"""What CleverTap sees of several workers and several apps on one account."""

import time

from clevertap_sync.models import DEFAULT_IN_FLIGHT
from tests.builders import a_sent_event


def test_workers_and_apps_together_keep_to_the_limit_of_their_account(stack):
    """Invariant 6, with real processes; the leases themselves are tested beside the engine."""
    stack.start()
    stack.worker()
    stack.provision("game")
    stack.sandbox.fault(only="uploads", times=None, hold="before_storing")

    for app in ("shop", "game"):
        for _ in range(4):
            stack.post([a_sent_event() for _ in range(1000)], app=app)
    stack.wait_until(lambda: len(stack.uploads()) >= DEFAULT_IN_FLIGHT)
    time.sleep(1.5)  # time for three sweeps of each worker
    assert len(stack.uploads()) == DEFAULT_IN_FLIGHT
    stack.sandbox.behave()
    stack.sandbox.release()
    stack.wait_until_settled(60)

    assert max(upload.in_flight for upload in stack.uploads()) == DEFAULT_IN_FLIGHT
    assert [status["balanced"] for status in stack.status()] == [True, True]
