"""A small run of the real product in this process, with a repeat and dead letters in it.

For the tests of the oracle: what it says of a good run, and of one with a planted defect.
"""

import functools
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clevertap_sync import insight
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import Integration, Replay, Upload
from clevertap_sync.sandbox import Sandbox
from referrals import log
from referrals.identity import Identity
from tests.builders import a_sent_custom_event, a_sent_event, a_sent_identify
from tests.faults.evidence import Evidence, gather, ledger
from tests.faults.expected import KEY, LOOSE

#: Of the second round, the answer is lost; in each, two records are refused.
ROUNDS = 3
EVENTS = 6
QUICK = {"FIRST_HOLD_SECONDS": 0.01, "LONGEST_HOLD_SECONDS": 0.02}
#: Longer than any hold, so that one that looks so often in vain has nothing left to do.
PAUSE_SECONDS = 0.02
VAIN_LOOKS = 10
MOST_REQUESTS = 200
#: When everything has happened: so lately that it is in the delivered counts.
RECENTLY = datetime.now(UTC).isoformat()
#: In which a good run has long learned all, and sent what waited.
MOST_TURNS = 10


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


def rehearse_people(sandbox: Sandbox, path: Path, integration: Integration) -> Evidence:
    """Let installs come before their sign-ups; return what is there when all is quiet.

    Of the first revival, the answer is lost, and one of its records is refused. One ID is
    claimed twice, and used again. One person is erased, and seen again.
    """
    integration.app.loose_ids = [LOOSE]
    integration.app.save()
    sent: dict[str, Any] = {}
    accepted: dict[str, int] = {}

    def send(*events: dict[str, Any]) -> None:
        sent.update({event["id"]: event for event in events})
        for result in log.append(integration.app, list(events)):
            accepted[result.id] = result.position
        _deliver_and_learn(integration)

    sandbox.poison(identity="user-2@", code=513)
    send(*(a_loose_install(who) for who in ("1", "2", "3", "shared", "erased")))
    again = functools.partial(a_loose_install, content="again")
    sandbox.fault(ending="reset_after_storing", only="uploads")
    send(*(a_link(who) for who in ("1", "2", "erased")))
    send(a_link("shared"), again("shared"))
    send(a_link("4", loose="shared"))
    send(a_loose_install("shared", content="by two"))
    gone = "user-erased@example.com"
    order = erasure_orders.order_erasure(integration.app, [Identity(KEY, gone)])
    erasure_orders.advance_erasure(order)
    forgotten = {gone: time.time()}
    send(again("erased"), a_link("erased"))
    stored = ledger(path)
    return gather(
        integration.pk, sent=sent, accepted=accepted, stored=stored, forgotten=forgotten
    )


def a_loose_install(who: str, **changes: Any) -> dict[str, Any]:
    """Return an install, by nobody's invitation, of a user who has not signed up."""
    user = {"identities": {LOOSE: f"device-{who}"}}
    return a_sent_event(
        user=user, referrer=None, via="smart_link", occurred_at=RECENTLY, **changes
    )


def a_link(who: str, *, loose: str = "") -> dict[str, Any]:
    """Return what ties a user to their own device, or to another's."""
    known = {KEY: f"user-{who}@example.com", LOOSE: f"device-{loose or who}"}
    return a_sent_identify(user={"identities": known})


def _deliver_and_learn(integration: Integration) -> None:
    running = Replay.objects.filter(integration=integration, state="running")
    # A step may have let go what it made known by an upload of its own.
    let_go = Upload.objects.open().filter(integration=integration, attempt_count=0)
    for _ in range(MOST_TURNS):
        deliver_all(integration)
        has_more = advance_people(integration.app_id)
        if not (has_more or running.exists() or let_go.exists()):
            return


def an_install(number: object) -> dict[str, Any]:
    """Return an install of two people who occur nowhere else."""
    return a_sent_event(
        id=f"install-{number}",
        occurred_at=RECENTLY,
        user={"identities": {"email": f"user-{number}@example.com"}},
        referrer={"identities": {"email": f"referrer-{number}@example.com"}},
    )


def a_subscription(number: int) -> dict[str, Any]:
    """Return a custom event of two people who occur nowhere else."""
    return a_sent_custom_event(
        id=f"subscription-{number}",
        occurred_at=RECENTLY,
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
