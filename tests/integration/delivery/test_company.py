"""A busy integration's small uploads wait for company, and nobody's event waits for that."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from clevertap_sync.delivery import (
    at_once,
    company,
    deliver as delivering,
    lifecycle,
    map_upload,
)
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Attempt, Upload
from clevertap_sync.process import (
    doorbell,
    kept_rings,
    people_wakeups,
    slots,
    stopping,
)
from clevertap_sync.tasks import deliver_task
from referrals import failpoints, log, suppression
from referrals.failpoints import Place
from tests.builders import a_sent_event, a_sent_identify, an_app, an_integration

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bell(valkey, settings, monkeypatch):
    """The broker, empty; nothing is forgotten because the machine is slow.

    Another thread of the process listens, so that the one that delivers looks by itself.
    """
    settings.REDIS_URL = valkey.url
    monkeypatch.setattr(company, "BUSY", timedelta(days=1))
    monkeypatch.setattr(company, "PROMISE_SECONDS", 1_000.0)
    monkeypatch.setattr(company, "PACE_SECONDS", 1_000.0)
    monkeypatch.setattr(company, "_promised", {})
    doorbell.open_broker.cache_clear()
    client = doorbell.open_broker()
    client.flushall()
    assert kept_rings._place.acquire(blocking=False)
    yield client
    kept_rings._place.release()
    client.close()
    doorbell.open_broker.cache_clear()


@pytest.fixture
def meanwhile(monkeypatch):
    """What happens in each of the pauses, in order; afterwards, how many there were."""
    happens, pauses = [], []

    def pause(seconds):
        pauses.append(seconds)
        if happens:
            happens.pop(0)()
        return False

    monkeypatch.setattr(stopping, "wait_for_stop", pause)
    return happens, pauses


@pytest.fixture
def busy(integration, append, engine, bell):
    """The integration, after an upload of a moment ago."""
    append(a_sent_event(id="before"))
    deliver(integration.pk)
    return integration


def is_rung(bell, integration):
    return bool(bell.exists(f"rung:{integration.pk}"))


def uploaded():
    return list(Upload.objects.order_by("pk").values_list("first", "last"))


def test_what_comes_while_a_thread_waits_goes_together_and_needs_no_ring(
    busy, append, bell, meanwhile
):
    rings = []
    append(a_sent_event(id="first"))
    happens, pauses = meanwhile

    def two_come():
        assert is_rung(bell, busy), "whoever appends would ring"
        append(a_sent_event(id="second"))
        append(a_sent_event(id="third"))

    happens.append(two_come)

    deliver(busy.pk, ring=rings.append, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 4)]
    # Before the upload of two, after it, and before the last look.
    assert len(pauses) == 3
    assert rings == []
    assert not is_rung(bell, busy)
    assert not company.is_promised(busy.pk)


def test_a_look_in_vain_keeps_the_bell_silent(busy, append, bell, meanwhile):
    append(a_sent_event(id="first"))
    happens, pauses = meanwhile

    def come_late():
        assert is_rung(bell, busy)
        assert company.is_promised(busy.pk)
        append(a_sent_event(id="late"))

    happens += [lambda: None, come_late]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    # Two for each upload: until the look for company, and until the next after one in vain.
    assert len(pauses) == 4


def test_what_comes_before_the_last_look_is_found_by_it(busy, append, bell, meanwhile):
    append(a_sent_event(id="first"))
    happens, _ = meanwhile
    happens += [lambda: None, lambda: append(a_sent_event(id="late"))]

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    assert not is_rung(bell, busy)


def test_an_event_after_a_quiet_time_goes_at_once_and_nobody_waits_after_it(
    busy, append, bell, meanwhile, monkeypatch
):
    monkeypatch.setattr(company, "BUSY", timedelta(0))
    append(a_sent_event(id="first"))
    bell.flushall()  # as the task that was rung does

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2)]
    assert meanwhile[1] == []
    assert not is_rung(bell, busy)


def test_another_task_leaves_an_integration_to_the_thread_that_promised(
    busy, append, bell, meanwhile
):
    append(a_sent_event(id="first"))
    happens, _ = meanwhile

    def a_message_arrives():
        append(a_sent_event(id="second"))
        deliver_task.run(busy.pk)
        assert uploaded() == [(1, 1), (2, 2)]
        assert is_rung(bell, busy), "the promise stands"

    happens.append(a_message_arrives)

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.usefixtures("meanwhile")
def test_a_promise_that_ran_out_is_left_to_nobody(busy, append, bell, monkeypatch):
    monkeypatch.setattr(company, "_promised", {busy.pk: 0.0})
    append(a_sent_event(id="first"))

    deliver_task.run(busy.pk)

    assert (2, 2) in uploaded()


def test_a_thread_that_stops_while_it_waits_rings_for_another(
    busy, append, bell, meanwhile, monkeypatch
):
    rings = []
    append(a_sent_event(id="first"))

    def stop():
        monkeypatch.setattr(stopping, "is_stopping", lambda: True)

    meanwhile[0].append(stop)

    deliver(busy.pk, ring=rings.append, lingers=True)

    assert rings == [busy.pk]
    assert not is_rung(bell, busy)


def test_what_dies_before_a_claim_and_its_attempt_are_written_leaves_neither(
    busy, append, meanwhile
):
    append(a_sent_event(id="first"))
    meanwhile[0].append(lambda: append(a_sent_event(id="second")))
    failpoints.arm_failpoints(failpoints.parse_failpoints(["claim.written=raise@2"]))

    with pytest.raises(failpoints.FailpointError):
        deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2)]
    assert Attempt.objects.count() == 2
    assert slots.count_busy(busy.pk) == 0
    deliver(busy.pk)
    assert uploaded() == [(1, 1), (2, 2), (3, 3)]


def test_a_range_of_which_nothing_is_sent_is_settled_without_an_attempt(
    busy, append, meanwhile
):
    append(a_sent_event(id="first"))
    meanwhile[0].append(lambda: append(a_sent_identify()))

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    assert not Upload.objects.open().exists()
    assert Attempt.objects.count() == 2


def test_a_range_of_which_nothing_is_sent_is_mapped_once(
    busy, append, meanwhile, monkeypatch
):
    """So that an event that cannot be mapped is one fault, and not two."""
    seen = []
    append(a_sent_event(id="first"))
    meanwhile[0].append(lambda: append(a_sent_identify()))
    monkeypatch.setattr(map_upload, "find_quick_mapper", lambda _: None)
    monkeypatch.setattr(failpoints, "reach_failpoint", seen.append)

    deliver(busy.pk, lingers=True)

    assert seen.count(Place.EVENT_MAPPED) == 2
    assert Attempt.objects.count() == 2


def test_a_first_claim_is_written_before_anything_is_mapped(busy, append, monkeypatch):
    """So that a process that an event kills counts its claims of it."""
    at_once.forget_deliveries()
    seen = []
    append(a_sent_event(id="first"))
    monkeypatch.setattr(map_upload, "find_quick_mapper", lambda _: None)
    monkeypatch.setattr(
        failpoints, "reach_failpoint", lambda place: seen.append((place, uploaded()))
    )

    deliver(busy.pk)

    assert (Place.EVENT_MAPPED, [(1, 1), (2, 2)]) in seen


def pause(integration):
    lifecycle.pause_integration(integration)


def claim_elsewhere(integration):
    assert claim_next(integration.pk)


def suppress(integration):
    suppression.suppress_hashes(integration.app_id, ["0" * 32])


@pytest.mark.parametrize(
    ("happens", "follows"), [(pause, []), (claim_elsewhere, []), (suppress, [(2, 2)])]
)
@pytest.mark.parametrize("armed", [[], ["claim.written=raise@1000"]])
def test_what_changes_after_the_look_is_found_by_the_write(
    busy, append, monkeypatch, *, happens, follows, armed
):
    """With a fault that is armed, it is written by one statement after the other."""
    failpoints.arm_failpoints(failpoints.parse_failpoints(armed))
    append(a_sent_event(id="next"))
    mapped = []

    def map_meanwhile(*asked):
        mapped.append(map_upload.map_upload(*asked))
        if len(mapped) == 1:
            happens(busy)
        return mapped[-1]

    monkeypatch.setattr(
        at_once,
        "map_upload",
        SimpleNamespace(map_upload=map_meanwhile, group_picks=map_upload.group_picks),
    )

    work = claim_next(busy.pk, begins=True)

    ranges = [(work.upload.first, work.upload.last)] if work else []
    assert ranges == follows
    assert work is None or work.sending is None
    assert Attempt.objects.count() == 1
    if work:
        # By the settings of now: what was mapped before is not sent.
        assert work.mapped is None
        assert work.upload.settings["suppressions_until"] > 0


@pytest.mark.usefixtures("meanwhile")
def test_a_thread_that_fails_lets_the_next_event_ring(busy, append, bell):
    rings = []
    append(a_sent_event(id="first"))
    failpoints.arm_failpoints(failpoints.parse_failpoints(["attempt.committed=raise"]))

    with pytest.raises(failpoints.FailpointError):
        deliver(busy.pk, ring=rings.append, lingers=True)

    # A ring at once would fail at once, for as long as the fault lasts.
    assert rings == []
    assert not is_rung(bell, busy)
    assert not company.is_promised(busy.pk)


def test_most_threads_of_a_process_wait_for_nothing(
    busy, append, meanwhile, settings, monkeypatch
):
    settings.WORKER_THREADS = 8
    monkeypatch.setattr(company, "_waiting", 2)
    append(a_sent_event(id="first"))

    deliver(busy.pk, lingers=True)

    assert meanwhile[1] == []
    assert company._waiting == 2


def test_a_place_is_given_back(busy, append, bell, meanwhile):
    append(a_sent_event(id="first"))

    deliver(busy.pk, lingers=True)

    assert len(meanwhile[1]) == 2
    assert company._waiting == 0


def test_uploads_of_which_nothing_is_sent_take_no_longer_turn_than_others(
    busy, append, bell, meanwhile, monkeypatch
):
    rings = []
    monkeypatch.setattr(delivering, "SMALL_CLAIMS_PER_TURN", 6)

    def ring(integration_id):
        rings.append(integration_id)
        return True

    happens, _ = meanwhile
    happens += [lambda: append(a_sent_identify())] * 20
    append(a_sent_identify())

    deliver(busy.pk, ring=ring, lingers=True)

    assert len(uploaded()) == 1 + 6
    assert rings == [busy.pk]


def test_a_thread_that_takes_what_may_last_rings_for_what_came_while_it_waited(
    busy, append, bell, meanwhile
):
    rings = []
    neighbour = an_integration(an_app("neighbour"), account=busy.account)
    append(a_sent_event(id="first"))

    def both_come():
        append(a_sent_event(id="second"))
        log.append(neighbour.app, [a_sent_event(id="other")])

    def ring(integration_id):
        rings.append((integration_id, uploaded()))

    meanwhile[0].append(both_come)

    deliver(busy.pk, ring=ring, lingers=True)

    assert rings == [(busy.pk, [(1, 1), (2, 2), (1, 1)])]
    assert uploaded() == [(1, 1), (2, 2), (1, 1), (3, 3)]


@pytest.mark.usefixtures("meanwhile")
def test_who_learns_is_woken_for_what_came_just_before_the_last_look(
    busy, append, bell, monkeypatch
):
    people_wakeups.clear_wakeups()
    people_wakeups.remember_learners({busy.pk: busy.app_id})
    append(a_sent_event(id="first"))
    clear_ring = doorbell.clear_ring

    def come_before(integration_id):
        monkeypatch.setattr(doorbell, "clear_ring", clear_ring)
        people_wakeups.wait_for_wakeups(0.0)  # as the thread that learns does
        append(a_sent_event(id="late"))
        monkeypatch.setattr(company, "BUSY", timedelta(0))
        clear_ring(integration_id)

    monkeypatch.setattr(doorbell, "clear_ring", come_before)

    deliver(busy.pk, lingers=True)

    assert uploaded() == [(1, 1), (2, 2), (3, 3)]
    assert people_wakeups.wait_for_wakeups(0.0) == {busy.app_id}
    people_wakeups.clear_wakeups()
