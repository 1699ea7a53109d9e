"""A request that CleverTap never accepts is halved until its poison stands alone."""

import math

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DeadLetter, Upload
from clevertap_sync.sandbox.faults import Fault, Poison
from tests.builders import a_sent_event
from tests.integration.delivery.conftest import status_of

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

    status = finish(seconds=30)

    letter = DeadLetter.objects.get()
    assert (letter.position, letter.side, letter.reason) == (
        place,
        "referred",
        "request_rejected",
    )
    assert (status.delivered, status.dead_letters) == (999, {"request_rejected": 1})
    assert len(engine.records()) == 999
    # The first request is not part of the search.
    assert len(engine.requests()) - 1 <= 2 * math.ceil(math.log2(1000))
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


def test_where_everything_is_refused_nothing_is_given_up(engine, integration, append):
    engine.switch(faults=(Fault(status=400, times=None),))
    append(count=4)

    for _ in range(10):
        deliver(integration.pk)

    status = status_of(integration)
    assert status.hold.reason == "everything_refused"
    assert not DeadLetter.objects.exists()
    assert status.balanced


def test_a_body_beyond_the_byte_cap_is_sent_in_parts(
    engine, integration, append, finish
):
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

    status = finish()

    assert (status.delivered, status.balanced) == (60, True)
    assert len(engine.requests()) == 2
    assert Upload.objects.filter(state="split").count() == 1
