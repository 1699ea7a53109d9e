"""A thread that waits for company hears the rings that it keeps from others."""

from datetime import timedelta

import pytest

from clevertap_sync.delivery import company, paces
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Upload
from clevertap_sync.process import doorbell, kept_rings, stopping
from referrals import log
from tests.builders import a_sent_event, a_sent_identify
from tests.harness.process import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bell(valkey, settings, monkeypatch):
    """The broker, empty; nothing is forgotten because the machine is slow."""
    settings.REDIS_URL = valkey.url
    monkeypatch.setattr(company, "BUSY", timedelta(days=1))
    monkeypatch.setattr(company, "PROMISE_SECONDS", 1_000.0)
    monkeypatch.setattr(company, "_promised", {})
    monkeypatch.setattr(stopping, "wait_for_stop", lambda _: False)
    doorbell.open_broker.cache_clear()
    client = doorbell.open_broker()
    client.flushall()
    yield client
    client.close()
    doorbell.open_broker.cache_clear()


def wait_until_listening(listener):
    """Return once the broker knows: it may read what one sends later first."""
    broker = doorbell.open_broker()
    wait_until(lambda: broker.pubsub_numsub(listener._channel)[0][1])


@pytest.fixture
def meanwhile(monkeypatch):
    """What happens each time a thread listens, in order, before it hears anything.

    While something happens it listens with patience, and then no more.
    """
    happens = []
    hear = kept_rings.Listener.hear
    monkeypatch.setattr(company, "LISTEN_SECONDS", 1_000.0)

    def hear_meanwhile(listener, _):
        if not happens:
            return hear(listener, 0.0)
        wait_until_listening(listener)
        happens.pop(0)()
        return hear(listener, PATIENCE_SECONDS)

    monkeypatch.setattr(kept_rings.Listener, "hear", hear_meanwhile)
    return happens


@pytest.fixture
def busy(integration, append, engine, bell):
    """The integration, after an upload of a moment ago, with another event to deliver."""
    append(a_sent_event())
    deliver(integration.pk)
    append(a_sent_event())
    return integration


def expect_events_every(seconds, monkeypatch):
    monkeypatch.setattr(paces, "estimate_gap", lambda _: seconds)


def come_unheard(come, monkeypatch):
    """Let something come after the thread has listened in vain, once."""
    hear = kept_rings.Listener.hear

    def hear_too_early(listener, _):
        heard = hear(listener, 0.0)
        if Upload.objects.count() == 2:
            come()
        return heard

    monkeypatch.setattr(kept_rings.Listener, "hear", hear_too_early)


def uploaded():
    return list(Upload.objects.order_by("pk").values_list("first", "last"))


def is_rung(bell, integration):
    return bool(bell.exists(f"rung:{integration.pk}"))


def test_an_event_that_is_heard_goes_with_the_next(
    busy, append, bell, meanwhile, monkeypatch
):
    expect_events_every(0.02, monkeypatch)
    rings = []
    meanwhile += [lambda: append(a_sent_event()), lambda: append(a_sent_event())]

    deliver(busy.pk, ring=rings.append, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 4)]
    assert meanwhile == []
    assert rings == []
    assert not is_rung(bell, busy)
    assert not company.is_promised(busy.pk)


def test_an_event_that_expects_no_other_goes_at_once(
    busy, append, meanwhile, monkeypatch
):
    expect_events_every(0.1, monkeypatch)
    meanwhile += [lambda: append(a_sent_event()), lambda: append(a_sent_event())]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_what_is_expected_soon_is_not_heard_one_by_one(
    busy, append, meanwhile, monkeypatch
):
    expect_events_every(0.01, monkeypatch)
    pauses = []

    def come_in_the_pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            append(a_sent_event())
            append(a_sent_event())

    monkeypatch.setattr(stopping, "wait_for_stop", come_in_the_pause)
    monkeypatch.setattr(company, "PACE_SECONDS", 1_000.0)
    meanwhile += [lambda: None]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 4)]
    # Before it has looked, before the two are heard, and before the last time that it listens.
    assert len(pauses) == 3


def test_what_comes_after_the_thread_has_listened_is_found_by_its_last_look(
    busy, append, bell, monkeypatch
):
    come_unheard(lambda: append(a_sent_event()), monkeypatch)

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    assert not is_rung(bell, busy)


def test_who_has_slept_waits_for_a_second_event_for_the_rest_of_the_time(
    busy, append, monkeypatch
):
    expect_events_every(0.01, monkeypatch)
    monkeypatch.setattr(company, "PACE_SECONDS", 1_000.0)
    monkeypatch.setattr(company, "LISTEN_SECONDS", 2_000.0)
    pauses, waits = [], []
    monkeypatch.setattr(stopping, "wait_for_stop", pauses.append)
    hear = kept_rings.Listener.hear

    def hear_one(listener, seconds):
        waits.append(seconds)
        if len(waits) > 1:
            return hear(listener, 0.0)
        wait_until_listening(listener)
        append(a_sent_event())
        return hear(listener, PATIENCE_SECONDS)

    monkeypatch.setattr(kept_rings.Listener, "hear", hear_one)

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    # By the clock, before it is heard, and before nothing is heard.
    assert len(pauses) == 3
    assert waits[1] == company.PAIR_SECONDS - pauses[1]


def test_rings_for_what_is_not_to_be_sent_keep_no_thread(
    busy, bell, meanwhile, monkeypatch
):
    """As of an integration that is held, or an account that others have filled."""
    monkeypatch.setattr(company, "LISTEN_SECONDS", 0.0)
    meanwhile += [lambda: doorbell.ring_doorbell(busy.pk)] * 5

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2)]
    assert len(meanwhile) == 4
    assert not is_rung(bell, busy)
    assert not company.is_promised(busy.pk)


def test_a_thread_that_hears_of_what_it_has_sent_already_listens_on(
    busy, append, meanwhile
):
    meanwhile += [
        lambda: doorbell.ring_doorbell(busy.pk),
        lambda: append(a_sent_event()),
    ]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]


def test_a_thread_that_hears_no_more_looks_by_itself(busy, append, bell, meanwhile):
    def come_unheard():
        bell.client_kill_filter(_type="pubsub")
        append(a_sent_event())

    meanwhile += [come_unheard]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    assert not company.is_promised(busy.pk)


def test_a_broker_that_allows_no_messages_is_not_listened_to(
    busy, append, bell, monkeypatch
):
    """It rings all the same."""
    bell.execute_command("ACL", "SETUSER", "default", "-publish")
    bell.delete(f"rung:{busy.pk}")

    def two_come():
        log.append(busy.app, [a_sent_event()], request_id="one")
        log.append(busy.app, [a_sent_event()], request_id="two")

    come_unheard(two_come, monkeypatch)
    try:
        assert doorbell.ring_doorbell(busy.pk)
        assert is_rung(bell, busy)
        deliver(busy.pk, lingers=True)
    finally:
        bell.execute_command("ACL", "SETUSER", "default", "+publish")

    assert uploaded() == [(1, 1), (2, 2), (3, 4)]
    assert kept_rings.listen(busy.pk) is None


@pytest.mark.parametrize("make_event", [a_sent_event, a_sent_identify])
def test_what_one_request_brings_after_the_thread_has_listened_speaks_for_no_such_broker(
    busy, monkeypatch, make_event
):
    """Nor does what only says who is who, which rings for others."""

    def two_come():
        log.append(busy.app, [make_event(), make_event()], request_id="one")

    come_unheard(two_come, monkeypatch)

    deliver(busy.pk, lingers=True)

    assert uploaded()[:3] == [(1, 1), (2, 2), (3, 4)]
    listener = kept_rings.listen(busy.pk)
    assert listener is not None
    listener.close()


def test_a_broker_that_lets_nobody_listen_is_asked_once(busy, bell):
    bell.execute_command("ACL", "SETUSER", "default", "-subscribe")
    try:
        deliver(busy.pk, lingers=True)
    finally:
        bell.execute_command("ACL", "SETUSER", "default", "+subscribe")

    assert uploaded() == [(1, 1), (2, 2)]
    assert kept_rings.listen(busy.pk) is None


def test_a_broker_that_takes_no_further_connection_is_asked_once(
    busy, valkey, settings
):
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert kept_rings.listen(busy.pk) is None

    settings.REDIS_URL = valkey.url

    assert kept_rings.listen(busy.pk) is None
    assert not kept_rings._place.locked()


def test_who_was_distrusted_is_listened_to_by_another_connection(busy, bell):
    kept_rings.listen(busy.pk).close()
    kept_rings.distrust_messages()
    kept_rings.trust_messages()
    before = count_connections(bell)

    kept_rings.listen(busy.pk).close()

    assert count_connections(bell) == before + 1


def count_connections(bell):
    """Return how many the broker has taken since its start."""
    return bell.info("stats")["total_connections_received"]


def test_one_thread_of_a_process_listens(busy, append):
    first = kept_rings.listen(busy.pk)

    assert kept_rings.listen(busy.pk) is None

    first.close()
    second = kept_rings.listen(busy.pk)
    wait_until_listening(second)
    append(a_sent_event())
    assert second.hear(PATIENCE_SECONDS) == 1
    second.close()


def test_a_thread_that_has_listened_gives_its_place_back(busy):
    deliver(busy.pk, lingers=True)

    assert not kept_rings._place.locked()


def test_rings_of_another_integration_are_not_heard(busy, append):
    stale = kept_rings.listen(busy.pk)
    wait_until_listening(stale)
    append(a_sent_event())
    stale.close()

    listener = kept_rings.listen(busy.pk + 1)

    wait_until_listening(listener)
    # Past what the broker says of who listens to what.
    assert [listener.hear(0.0) for _ in range(5)] == [0] * 5
    doorbell.ring_doorbell(busy.pk + 1)
    assert listener.hear(PATIENCE_SECONDS) == 1
    listener.close()
