"""Erasing one person: nothing of them stays in the log, and nothing else is lost."""

import pytest
from django.db import connection

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from referrals import failpoints, log, source_setup
from referrals.failpoints import FailpointError
from referrals.hooks import capture
from referrals.identity import Identity
from referrals.log import Status
from referrals.models import (
    ErasureRequest,
    ReferralEvent,
    RejectedEvent,
    Sighting,
    Source,
    Suppression,
)
from referrals.schema import Person
from tests.builders import (
    BOB,
    a_sent_custom_event,
    a_sent_event,
    a_source,
    an_app,
    an_integration,
)
from tests.integration.delivery.conftest import status_of
from tests.integration.delivery.erasing import (
    CANARY,
    ERASED,
    WHOM,
    by_canary,
    erase,
    event_at,
    of_canary,
    rows_with,
    sent,
)
from tests.integration.hooks.calling import call_hook, signed

pytestmark = pytest.mark.django_db


def test_the_person_is_gone_from_every_table_and_the_rest_is_as_it_was(
    engine, integration, append, finish
):
    append(
        by_canary(id="1", content=f"for {CANARY}", metadata={"who": CANARY}),
        of_canary(id="2", test=True),
        a_sent_event(id="3"),
        a_sent_custom_event(
            id="4",
            user={"identities": {"EMAIL": CANARY, "custom_id": "42"}},
            event_data={"mail": CANARY},
        ),
    )
    before = finish()
    untouched = event_at(integration, 3)

    order = erase(integration)

    assert rows_with(CANARY) == []
    assert rows_with(CANARY.split("@")[0]) == []
    assert (order.state, order.events, order.dead_letters) == ("done", 3, 0)
    assert (order.head, order.erased_to) == (4, 4)
    gone, other, same = (event_at(integration, n) for n in (1, 2, 3))
    assert (gone.user, gone.content, gone.metadata) == (ERASED, None, {})
    assert gone.referrer == Person({"email": BOB})
    assert (other.user.erased, other.referrer) == (False, ERASED)
    assert same == untouched
    assert status_of(integration) == before


def test_a_provider_is_compared_without_case_and_the_identity_byte_for_byte(
    integration, append
):
    people = [
        {"Email": CANARY},
        {"email": CANARY.upper()},
        {"email": f" {CANARY}"},
        {"custom_id": CANARY},
    ]
    append(*(a_sent_event(user={"identities": each}) for each in people))

    erase(integration)

    kept = [logged.event.user for logged in log.read_range(integration.app_id, 1, 4)]
    assert kept == [ERASED, *map(Person, people[1:])]


def test_another_app_keeps_its_events_and_suppresses_nobody(engine, integration):
    other = an_integration(name="other", account=integration.account)
    log.append(other.app, [by_canary(id="x")])

    erase(integration)

    assert event_at(other, 1).user == Person({"email": CANARY})
    deliver(other.pk)
    assert (CANARY, "Referred App Install") in sent(engine)


def test_an_erased_event_that_is_sent_again_stays_erased(integration, append):
    event = by_canary(id="again")
    append(event)
    erase(integration)

    (result,) = append(event)

    assert result.status is Status.DUPLICATE
    assert ReferralEvent.objects.get().fingerprint is None
    assert event_at(integration, 1).user == ERASED
    assert rows_with(CANARY) == []


def test_an_id_or_channel_that_names_the_person_goes_and_others_stay(
    integration, append
):
    append(
        by_canary(id=f"install-{CANARY.upper()}"),
        by_canary(id="plain", via="smart_link", channel=f"mail {CANARY}"),
    )

    erase(integration)

    keys = list(
        ReferralEvent.objects.order_by("position").values_list("key", "channel")
    )
    assert keys[0][0].startswith("erased-")
    assert keys[1] == ("plain", "")
    assert event_at(integration, 1).id == keys[0][0]
    assert rows_with(CANARY) == []


def test_what_was_refused_with_the_person_in_its_id_goes(integration):
    make = RejectedEvent.objects.create
    make(app=integration.app, source="celery", key=f"x-{CANARY}", detail="d")
    make(app=integration.app, source="celery", pointer=f"/user/{CANARY}")
    kept = make(app=integration.app, source="celery", key="other", detail="d")

    erase(integration)

    assert list(RejectedEvent.objects.all()) == [kept]


def test_the_shape_of_a_call_that_has_the_person_in_a_key_goes(client, integration):
    app, shapes = integration.app, {}
    for name, key in (("named", "Karla_K"), ("other", "plan"), ("lost", "level")):
        source = a_source(app, "branch", name=name)
        source_setup.start_capture("ann", source)
        body = {**source.preset.samples[0].body, "custom_data": {key: {"a": 1}}}
        call_hook(client, source, signed(source, body))
        capture.write_captures()
        source.refresh_from_db()
        shapes[name] = source.captured_call.reveal()
    assert "Karla_K" in shapes["named"]
    # As if its key of FIELD_ENCRYPTION_KEYS were gone.
    table = Source._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET captured_call = 'x' WHERE name = 'lost'")

    erasure_orders.order_erasure(app, [Identity("custom_id", "karla_k")])

    kept = Source.objects.exclude(captured_at=None).get()
    assert (kept.name, kept.captured_call.reveal()) == ("other", shapes["other"])
    assert not Source.objects.get(name="named").captured_call


def test_sightings_of_the_person_go_and_those_of_others_stay(integration, append):
    signals = {"device_id": "d-1", "advertising_id": "a-1", "ip": "203.0.113.7"}
    others = {"device_id": "d-2", "advertising_id": "a-2", "ip": "203.0.113.8"}
    append(
        a_sent_event(user={"identities": {"email": CANARY}, **signals}),
        a_sent_event(
            user={"identities": {"email": "x@example.com"}, **others},
            referrer={"identities": {"email": CANARY}},
        ),
        a_sent_event(user={"identities": {"email": "y@example.com"}, **others}),
    )
    # Device and address with referrer of the first; device, address with the person,
    # address with Bob of the others, who share a device.
    assert Sighting.objects.count() == 5

    erase(integration)

    assert Sighting.objects.count() == 2
    assert event_at(integration, 1).user == ERASED
    assert event_at(integration, 2).user.device_id is not None


def test_two_people_of_one_event_can_be_erased_one_after_the_other(integration, append):
    append(by_canary(), count=2)

    erase(integration)
    erase(integration, [Identity("email", BOB)])

    assert event_at(integration, 1).user == event_at(integration, 1).referrer
    assert event_at(integration, 1).user == ERASED
    assert rows_with(BOB) == []


def test_a_log_that_retention_shortened_is_gone_through(integration, append):
    append(by_canary(), by_canary(), by_canary())
    log.trim_log(integration.app_id, 3)

    order = erase(integration)

    assert (order.events, order.state, order.erased_to) == (1, "done", 3)


def test_an_empty_log_is_done_at_once_and_suppresses():
    app = an_app()

    order = erasure_orders.advance_erasure(erasure_orders.order_erasure(app, WHOM))

    assert (order.state, order.events) == ("done", 0)
    assert Suppression.objects.count() == 1


def test_erasing_twice_changes_nothing_more(engine, integration, append):
    append(by_canary(), count=3)
    first = erase(integration)
    before = list(ReferralEvent.objects.order_by("position").values())

    second = erase(integration)

    assert second == first
    assert (second.events, second.finished_at) == (1, first.finished_at)
    assert list(ReferralEvent.objects.order_by("position").values()) == before
    assert (ErasureRequest.objects.count(), Suppression.objects.count()) == (1, 1)


def test_what_came_since_is_erased_by_a_new_order(integration, append):
    append(by_canary())
    first = erase(integration)
    append(by_canary())

    second = erase(integration)

    assert second.pk != first.pk
    assert (second.events, rows_with(CANARY)) == (1, [])


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("erasure.requested", 1),
        ("erasure.written", 1),
        ("erasure.written", 2),
        ("erasure.committed", 1),
        ("erasure.committed", 2),
    ],
)
def test_after_a_crash_the_workers_go_on_where_it_stopped(
    integration, append, monkeypatch, place, number
):
    monkeypatch.setattr(erasure_orders, "EVENTS_PER_STEP", 2)
    append(*(by_canary() for _ in range(5)))
    failpoints.arm_failpoints(failpoints.parse_failpoints([f"{place}=raise@{number}"]))
    with pytest.raises(FailpointError):
        erase(integration)

    erasure_orders.advance_all_erasures()

    order = ErasureRequest.objects.get()
    assert (order.state, order.events, order.erased_to) == ("done", 5, 5)
    assert rows_with(CANARY) == []


def test_a_worker_that_was_overtaken_takes_nothing_back(
    integration, append, monkeypatch
):
    monkeypatch.setattr(erasure_orders, "EVENTS_PER_STEP", 2)
    append(*(by_canary() for _ in range(9)))
    order = erasure_orders.order_erasure(integration.app, WHOM)
    erasure_orders.advance_erasure(order, seconds=0)
    scan, overtaken = log.scan_events, []

    def slow_scan(*args, **kwargs):
        """Read, and let others go through the same events and the next before it writes."""
        found = scan(*args, **kwargs)
        if not overtaken:
            overtaken.append(True)
            for _ in range(2):
                erasure_orders._erase_next_events(ErasureRequest.objects.get())
        return found

    monkeypatch.setattr(log, "scan_events", slow_scan)
    reached = []
    order = erasure_orders.advance_erasure(
        order, progress=lambda *at: reached.append(at[0])
    )

    assert reached == [4, 6, 8, 9]
    assert (order.state, order.events) == ("done", 9)


def test_an_order_stops_when_its_time_is_over_and_goes_on_later(
    integration, append, monkeypatch
):
    monkeypatch.setattr(erasure_orders, "EVENTS_PER_STEP", 2)
    append(*(by_canary() for _ in range(5)))
    order = erasure_orders.order_erasure(integration.app, WHOM)
    assert erasure_orders.advance_erasure(order, seconds=0).state == "erasing"
    assert rows_with(CANARY) == ["referrals_referralevent"]

    reached = []
    order = erasure_orders.advance_erasure(
        order, progress=lambda *at: reached.append(at)
    )

    assert reached == [(2, 5), (4, 5), (5, 5)]
    assert order.state == "done"
