"""Whoever asked to be forgotten does not reach CleverTap again."""

import pytest

from clevertap_sync.delivery import replay
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.insight.clevertap_destination import CleverTapDestination
from clevertap_sync.models import DeadLetter
from clevertap_sync.sandbox.faults import Poison
from referrals import suppression
from tests.builders import (
    BOB,
    a_sent_event,
)
from tests.integration.delivery.conftest import status_of
from tests.integration.delivery.erasing import (
    CANARY,
    WHOM,
    by_canary,
    erase,
    event_at,
    of_canary,
    rows_with,
    sent,
)

pytestmark = pytest.mark.django_db


def test_later_events_of_the_person_do_not_go_out_and_the_other_side_does(
    engine, integration, append, finish
):
    erase(integration)
    append(
        by_canary(user={"identities": {"custom_id": "7", "EMail": CANARY}}),
        of_canary(user={"identities": {"email": "x@example.com"}}),
        a_sent_event(user={"identities": {"email": CANARY.upper()}}),
    )

    status = finish()

    assert sorted(sent(engine)) == sorted(
        [
            (BOB, "Generated App Install"),
            ("x@example.com", "Referred App Install"),
            (CANARY.upper(), "Referred App Install"),
            (BOB, "Generated App Install"),
        ]
    )
    letters = DeadLetter.objects.order_by("position").values_list(
        "position", "side", "reason", "detail"
    )
    assert list(letters) == [
        (1, "referred", "suppressed", ""),
        (2, "generated", "suppressed", ""),
    ]
    assert (status.delivered, status.balanced) == (4, True)


def test_neither_a_replayed_range_nor_a_replayed_letter_brings_the_person_back(
    engine, integration, append, finish
):
    engine.switch(poison=(Poison(identity=CANARY, code=528),))
    append(by_canary(id="1"), of_canary(id="2"))
    finish()
    assert status_of(integration).dead_letters == {"clevertap_528": 2}
    engine.behave()
    before = len(engine.records())

    order = erase(integration)
    append(by_canary(id="3"))
    finish()
    replay.replay_letters(integration)
    replay.replay_range(integration, first=1, last=3)
    status = finish()

    assert (order.events, order.dead_letters) == (2, 2)
    assert status.dead_letters == {"erased": 2, "suppressed": 1}
    assert CANARY not in [identity for identity, _ in sent(engine)[before:]]
    assert rows_with(CANARY) == ["referrals_referralevent"]
    assert status.balanced


def test_an_event_is_explained_and_previewed_without_the_person(
    engine, integration, append, finish
):
    append(by_canary(id="1"))
    finish()
    erase(integration)
    append(by_canary(id="2"))
    finish()
    ask = CleverTapDestination()

    explained = [
        [
            (each.side, each.status, each.reason)
            for each in ask.explain(integration.app_id, n, event_at(integration, n))
        ]
        for n in (1, 2)
    ]
    ((preview, other),) = ask.preview(integration.app_id, [event_at(integration, 2)])

    # It was delivered while that was known; afterwards nothing contradicts it.
    assert explained == [
        [("referred", "delivered", None), ("generated", "delivered", None)],
        [
            ("referred", "dead_letter", "suppressed"),
            ("generated", "delivered", None),
        ],
    ]
    assert (preview.reason, other.record["identity"]) == ("suppressed", BOB)


def test_an_app_in_which_nobody_asked_costs_one_small_query_per_claim(
    engine, integration, append, django_assert_num_queries
):
    with django_assert_num_queries(0):
        assert suppression.find_suppressed_sides(integration.app_id, [], 0) == []
    with django_assert_num_queries(1):
        assert suppression.find_newest_suppression(integration.app_id) == 0


def test_a_person_who_agrees_again_is_sent_again(engine, integration, append, finish):
    erase(integration)

    assert erasure_orders.lift_suppressions(integration.app, WHOM) == 1
    append(by_canary())
    status = finish()

    assert (status.delivered, status.dead_letters) == (2, {})
    assert erase(integration).events == 1
