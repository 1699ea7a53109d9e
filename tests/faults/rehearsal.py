"""A small run of the real product in this process, with a repeat and dead letters in it.

For the tests of the oracle: what it says of a good run, and of one with a planted defect.
"""

import time
from pathlib import Path
from typing import Any

from clevertap_sync import insight
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Integration
from clevertap_sync.sandbox import Sandbox
from referrals import log
from tests.builders import a_sent_custom_event, a_sent_event
from tests.faults.evidence import Evidence, gather, ledger

#: Of the second round, the answer is lost; in each, two records are refused.
ROUNDS = 3
EVENTS = 6
QUICK = {"FIRST_HOLD_SECONDS": 0.01, "LONGEST_HOLD_SECONDS": 0.02}
#: Longer than any hold, so that one that looks so often in vain has nothing left to do.
PAUSE_SECONDS = 0.02
VAIN_LOOKS = 10
MOST_REQUESTS = 200


def rehearse(sandbox: Sandbox, path: Path, integration: Integration) -> Evidence:
    """Send and deliver three rounds of events; return what is there when all is quiet.

    `path` is the sandbox's ledger. What stays open for ever is left as it is.
    """
    sent: dict[str, Any] = {}
    accepted: dict[str, int] = {}
    sandbox.poison(identity="user-4", code=513)
    for round_number in range(ROUNDS):
        events = [an_install(round_number * EVENTS + n) for n in range(EVENTS - 1)]
        events.append(a_subscription(round_number))
        sent |= {event["id"]: event for event in events}
        for result in log.append(integration.app, events):
            accepted[result.id] = result.position
        if round_number == 1:
            sandbox.fault(ending="reset_after_storing", only="uploads")
        deliver_all(integration)
    stored = ledger(path)
    return gather(integration.pk, sent=sent, accepted=accepted, stored=stored)


def an_install(number: object) -> dict[str, Any]:
    """Return an install of two people who occur nowhere else."""
    return a_sent_event(
        id=f"install-{number}",
        user={"identities": {"email": f"user-{number}@example.com"}},
        referrer={"identities": {"email": f"referrer-{number}@example.com"}},
    )


def a_subscription(number: int) -> dict[str, Any]:
    """Return a custom event of two people who occur nowhere else."""
    return a_sent_custom_event(
        id=f"subscription-{number}",
        user={"identities": {"email": f"subscriber-{number}@example.com"}},
        referrer={"identities": {"email": f"host-{number}@example.com"}},
    )


def deliver_all(integration: Integration) -> None:
    """Deliver until there is nothing more to do, or nothing that may be done."""
    requests = vain = 0
    while vain < VAIN_LOOKS and requests < MOST_REQUESTS:
        made = deliver(integration.pk)
        requests += made
        vain = 0 if made else vain + 1
        integration.refresh_from_db()
        with insight.read_in_snapshot():
            status = insight.read_status(integration)
        if not (status.backlog or status.in_flight or status.queued):
            return
        time.sleep(PAUSE_SECONDS)
