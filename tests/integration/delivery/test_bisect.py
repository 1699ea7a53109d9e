"""A request that CleverTap never accepts is halved until its poison stands alone."""

import math
import threading

import pytest
from django.db import connection

from clevertap_sync.clevertap.errors import RequestRejectedError
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.probe import send_probe
from clevertap_sync.delivery.send import send_upload
from clevertap_sync.delivery.settle import settle_result
from clevertap_sync.delivery.work import ProbeClaim
from clevertap_sync.models import DeadLetter, Upload
from clevertap_sync.process import slots
from clevertap_sync.sandbox.faults import Fault, Poison
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.delivery.conftest import begun, fails, status_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("place", [1, 250, 499, 500])
def test_one_poison_in_a_thousand_is_found_and_its_neighbours_are_delivered(
    engine, integration, append, finish, place
):
    poison = {"identities": {"email": "poison@example.com"}}
    engine.switch(poison=(Poison(identity="poison@"),))
    append(
        *(
            a_sent_event(id=f"e{n}", **({"user": poison} if n == place else {}))
            for n in range(1, 501)
        )
    )

    status = finish()

    letter = DeadLetter.objects.get()
    assert (letter.position, letter.side, letter.reason) == (
        place,
        "referred",
        "request_rejected",
    )
    assert (status.delivered, status.dead_letters) == (999, {"request_rejected": 1})
    assert len(engine.records()) == 999
    # The first request is not part of the search. What was found is asked about by a
    # dry run, and sent once more.
    dry_runs = [request for request in engine.requests() if request.dry_run]
    uploads = len(engine.requests()) - len(dry_runs)
    assert uploads - 2 <= 2 * math.ceil(math.log2(1000))
    assert len(dry_runs) == 1
    assert status.balanced


def test_a_record_alone_is_refused_only_after_a_dry_run_was_accepted(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity="ann@", status=422),))
    append(a_sent_event(id="one", referrer=None, via="smart_link"))

    status = finish()

    assert [r.dry_run for r in engine.requests()] == [False, True, False]
    assert status.dead_letters == {"request_rejected": 1}
    assert status.balanced


def refused_alone(integration):
    """Let the two records of one event stand alone; begin with Bob's, then Ann's."""
    fails(begun(integration), RequestRejectedError(status=400))
    return begun(integration), begun(integration)


def accepted(attempt):
    """Let an attempt that was begun end well, as CleverTap answers it."""
    claim, mapped, sending = attempt
    outcome = send_upload(claim.integration, sending, mapped.encoded_records())
    assert settle_result(claim, mapped, sending, outcome, outcome.result)


def test_a_neighbour_accepted_before_the_refusal_is_known_is_no_evidence(
    engine, integration, append, finish
):
    append(count=1)
    first, second = refused_alone(integration)

    # The account refused the first, recovered, and accepted the second meanwhile.
    accepted(second)
    fails(first, RequestRejectedError(status=400))

    status = finish()
    assert [r.dry_run for r in engine.requests()] == [False, True, False]
    assert (status.delivered, status.dead_letters, status.balanced) == (2, {}, True)


def test_a_neighbour_accepted_before_the_account_turned_bad_is_no_evidence(
    engine, integration, append, finish
):
    append(count=1)
    fails(begun(integration), RequestRejectedError(status=400))
    accepted(begun(integration))
    engine.answer(400, times=3)

    status = finish()

    # Its first refusal, two dry runs that fail, one that does not, and then it goes.
    assert [(r.status, r.dry_run) for r in engine.requests()] == [
        *[(200, False), (400, False), (400, True), (400, True)],
        *[(200, True), (200, False)],
    ]
    assert (status.delivered, status.dead_letters, status.balanced) == (2, {}, True)


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_that_began_before_the_refusal_was_known_is_no_evidence(
    engine, integration, append, finish
):
    append(count=1)
    first, second = refused_alone(integration)
    fails(first, RequestRejectedError(status=400))
    engine.fault(only="dry_runs", hold="after_storing")
    asking = threading.Thread(target=probe_in_a_thread, args=(integration.pk,))
    asking.start()
    engine.wait_for_requests(1, PATIENCE_SECONDS)
    fails(second, RequestRejectedError(status=400))
    # The second goes again after that dry run, and is refused once more.
    engine.poison(identity="ann@", times=1)
    engine.release()
    asking.join()

    status = finish()

    assert sorted(r.status for r in engine.requests() if not r.dry_run) == [
        *[200, 200, 400]
    ]
    assert (status.delivered, status.dead_letters, status.balanced) == (2, {}, True)


def probe_in_a_thread(integration_id):
    work = claim_next(integration_id)
    assert isinstance(work, ProbeClaim)
    send_probe(work)
    slots.release_slot(integration_id, in_fault_share=work.in_fault_share)
    connection.close()


def test_where_everything_is_refused_nothing_is_given_up(engine, integration, append):
    engine.switch(faults=(Fault(status=400, times=None),))
    append(count=4)

    for _ in range(10):
        deliver(integration.pk)

    status = status_of(integration)
    assert status.hold.reason == "everything_refused"
    assert not DeadLetter.objects.exists()
    assert status.balanced


def test_a_body_beyond_the_byte_cap_is_sent_in_parts(engine, integration, append):
    data = {f"k{n:02}": "x" * 500 for n in range(50)}
    append(
        *(
            a_sent_event(
                id=f"e{n}",
                type="custom",
                name="Big",
                event_data=data,
                channel=None,
                content=None,
            )
            for n in range(30)
        )
    )

    assert deliver(integration.pk) == 2

    status = status_of(integration)
    assert (status.delivered, status.balanced) == (60, True)
    assert len(engine.requests()) == 2
    assert Upload.objects.filter(state="split").count() == 1
