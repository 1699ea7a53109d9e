"""What waited for a person goes out once, under whom the claim pinned."""

from datetime import timedelta
from uuid import UUID

import pytest

from clevertap_sync.delivery import lifecycle, replay
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.delivery.upkeep import retention, tallies
from clevertap_sync.models import (
    DeadLetter,
    Integration,
    Replay,
    Upload,
    WaitingRecord,
)
from clevertap_sync.process import clock, slots
from clevertap_sync.sandbox.faults import Fault, Poison
from referrals import failpoints, log, suppression
from referrals.failpoints import FailpointError
from referrals.identity import Identity
from referrals.models import KnownIdentity, ReferralEvent
from tests.builders import ANN, BOB, NOON_SECONDS, a_sent_custom_event, a_sent_event
from tests.integration.delivery.conftest import end_pauses, status_of
from tests.integration.delivery.erasing import sent
from tests.integration.delivery.waiting import (
    EVE,
    FAY,
    INSTALL,
    an_install,
    hash_of,
    install,
    know,
    let_wait,
    link,
    match,
)

pytestmark = pytest.mark.django_db

ONE_WAITS = {"waiting_for_identity": 1}


@pytest.fixture(autouse=True)
def _waits(engine, integration):
    let_wait(integration)


def the_letter():
    return DeadLetter.objects.get()


def change(integration, **settings):
    """Let a person change the integration's settings."""
    Integration.objects.filter(pk=integration.pk).update(**settings)
    integration.refresh_from_db()


def test_a_record_that_waits_is_counted_apart_and_delivered_once_when_its_user_is_known(
    engine, integration, finish
):
    (letter,) = install(integration, "A")
    before = status_of(integration)
    upload = Upload.objects.get()
    link(integration)

    status = finish()

    assert letter.state == "waiting"
    assert (upload.records, upload.dead, upload.waiting) == (1, 0, 1)
    assert (before.delivered, before.dead_letters, before.waiting) == (0, {}, ONE_WAITS)
    assert (before.expired, before.imbalances) == (0, ())
    assert sent(engine) == [(EVE, INSTALL)]
    assert engine.records()[0]["ts"] == NOON_SECONDS
    assert (status.delivered, status.dead_letters, status.waiting) == (1, {}, {})
    assert status.imbalances == ()
    assert the_letter().state == "delivered"
    assert not WaitingRecord.objects.exists()
    revived = Upload.objects.get(replay__isnull=False)
    assert (revived.delivered, revived.identities) == (1, None)


class TestLearned:
    """As a worker learns it from the log, without a row that a test wrote."""

    @pytest.fixture
    def work(self, integration):
        """Do what a worker does, until nothing is left to do."""

        def work():
            deliver(integration.pk)
            while advance_people(integration.app_id, ring=lambda _: None):
                pass
            deliver(integration.pk)

        return work

    def test_an_install_goes_out_once_the_sign_up_came(self, engine, integration, work):
        log.append(integration.app, [an_install("A")])
        work()
        assert sent(engine) == []

        both = {"branch_id": "A", "email": EVE}
        log.append(integration.app, [a_sent_event(**by(both, type="app_open"))])
        work()

        assert sorted(sent(engine)) == [(EVE, "Referred App Install"), (EVE, OPEN)]
        assert the_letter().linked_by == 2
        assert status_of(integration).imbalances == ()

    def test_the_referrer_last_is_who_invited_the_user_also_by_an_id_of_before(
        self, engine, integration, work
    ):
        integration.app.remembers_referrers = True
        integration.app.save()
        bob = {"identities": {"email": BOB}}
        log.append(integration.app, [an_install("A", referrer=bob, via=None)])
        work()
        both = {"branch_id": "A", "email": EVE}
        log.append(integration.app, [a_sent_event(**by(both, type="app_open"))])
        work()
        bought = a_sent_custom_event(user={"identities": {"email": EVE}})
        log.append(integration.app, [{**bought, "referrer": "last"}])
        work()

        assert (BOB, "Generated Subscription Started") in sent(engine)
        assert len(sent(engine)) == 5
        status = status_of(integration)
        assert (status.delivered, status.waiting, status.imbalances) == (5, {}, ())


OPEN = "Referred App Open"


def by(identities, **changes):
    """Return what an event of somebody has whom nobody invited."""
    user = {"identities": identities}
    return {"user": user, "referrer": None, "via": "smart_link", **changes}


def test_the_standing_replay_ends_when_nothing_is_matched_and_runs_again(
    engine, integration, finish
):
    install(integration, "A", "B")
    link(integration, "A")
    finish()
    assert Replay.objects.get().state == "done"

    link(integration, "B", FAY, number=1003)
    finish()

    assert Replay.objects.get().state == "done"
    assert sent(engine) == [(EVE, INSTALL), (FAY, INSTALL)]


def test_what_is_matched_while_a_claim_finds_nothing_is_found_by_the_next(
    engine, integration, finish
):
    """Both hold the account's lock: the step's RUNNING is never overwritten by DONE."""
    install(integration, "A")
    know(integration, "A", EVE)
    Replay.objects.create(
        integration=integration, kind="people", created_at=clock.read_now()
    )
    assert claim_next(integration.pk) is None
    assert Replay.objects.get().state == "done"

    match(integration, "A", EVE)
    finish()

    assert sent(engine) == [(EVE, INSTALL)]


def test_the_sides_of_one_event_wait_and_go_apart(engine, integration, finish):
    referrer = {"identities": {"branch_id": "B"}}
    log.append(integration.app, [an_install("A", referrer=referrer, via=None)])
    deliver(integration.pk)
    link(integration, "B", FAY, number=1003)
    deliver(integration.pk)
    assert sent(engine) == [(FAY, "Generated App Install")]

    link(integration, "A")
    status = finish()

    assert sent(engine)[1:] == [(EVE, INSTALL)]
    assert (status.delivered, status.waiting, status.imbalances) == (2, {}, ())


class TestPins:
    """An upload says under whom its records go, and goes again as it was."""

    def test_after_an_unknown_outcome_the_same_bytes_go_though_the_link_has_changed(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
        deliver(integration.pk)
        assert Upload.objects.open().get().unknown_outcomes == 1

        know(integration, "A", FAY, number=1003)
        change(integration, identity_provider="custom_id")
        finish()

        first, *_, again = engine.requests()
        assert first.sha256 == again.sha256
        assert {identity for identity, _ in sent(engine)} == {EVE}
        assert the_letter().state == "delivered"

    def test_parts_inherit_the_pins_of_their_own_records(
        self, engine, integration, finish
    ):
        install(integration, "A", "B")
        link(integration, "A")
        link(integration, "B", FAY, number=1003)
        engine.switch(faults=tuple(Fault(status=n, only="uploads") for n in (413, 503)))
        deliver(integration.pk)

        parts = Upload.objects.filter(parent__isnull=False).order_by("pk")
        assert [part.identities for part in parts] == [
            {"2": hash_of(integration, "email", EVE)},
            {"4": hash_of(integration, "email", FAY)},
        ]
        assert Upload.objects.get(state="split").identities is None
        assert status_of(integration).imbalances == ()
        status = finish()

        assert sorted(sent(engine)) == [(EVE, INSTALL), (FAY, INSTALL)]
        assert (status.delivered, status.imbalances) == (2, ())

    def test_an_identity_that_is_gone_but_was_not_erased_lets_the_record_wait_again(
        self, engine, integration
    ):
        install(integration, "A")
        link(integration)
        claim = claim_next(integration.pk)
        slots.clear_slots()
        let_leases_end()
        KnownIdentity.objects.filter(provider="email").delete()
        assert claim.upload.identities == {"2": hash_of(integration, "email", EVE)}

        deliver(integration.pk)
        end_pauses(integration)
        deliver(integration.pk)

        status = status_of(integration)
        assert sent(engine) == []
        assert (the_letter().state, the_letter().linked_at) == ("waiting", None)
        wait = WaitingRecord.objects.get()
        assert wait.fresh
        assert wait.matched is None
        assert (status.waiting, status.imbalances) == (ONE_WAITS, ())

    def test_a_corrected_provider_lets_a_record_wait_again_rather_than_go_wrong(
        self, engine, integration
    ):
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(status=503, only="uploads"),))
        deliver(integration.pk)
        change(integration, identity_provider="custom_id")
        lifecycle.apply_new_settings(integration)

        end_pauses(integration)
        deliver(integration.pk)

        assert sent(engine) == []
        assert the_letter().state == "waiting"
        assert status_of(integration).imbalances == ()

    def test_once_the_integration_sends_what_the_record_carries_it_goes_as_any_other(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(status=503, only="uploads"),))
        deliver(integration.pk)
        change(integration, identity_provider="branch_id")
        lifecycle.apply_new_settings(integration)

        finish()

        assert sent(engine) == [("A", INSTALL)]
        assert the_letter().state == "delivered"


def let_leases_end():
    """Let the leases of workers that vanished be over."""
    long_ago = clock.read_now() - timedelta(seconds=1)
    Upload.objects.filter(leased_until__isnull=False).update(leased_until=long_ago)


class TestShared:
    """Whom two people claim is nobody."""

    def test_an_id_that_became_shared_after_the_match_lets_the_record_go_to_nobody(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        shared = UUID(hash_of(integration, "branch_id", "A"))
        KnownIdentity.objects.filter(hash=shared).update(shared_at=7)

        status = finish()

        assert sent(engine) == []
        assert (the_letter().state, the_letter().reason) == (
            "expired",
            "shared_identity",
        )
        assert (status.waiting, status.expired, status.dead_letters) == ({}, 1, {})
        assert status.imbalances == ()
        assert Replay.objects.get().state == "done"

    def test_a_side_with_the_ids_of_two_people_goes_to_nobody(
        self, engine, integration, finish
    ):
        let_wait(integration, providers=("branch_id", "anonymous_id"))
        both = {"branch_id": "A", "anonymous_id": "Z"}
        install(integration, "A", user={"identities": both})
        know(integration, "A", EVE)
        know(integration, "B", FAY, number=1003)
        of_branch = UUID(hash_of(integration, "branch_id", "B"))
        KnownIdentity.objects.filter(hash=of_branch).update(
            hash=UUID(hash_of(integration, "anonymous_id", "Z")),
            provider="anonymous_id",
        )
        match(integration, "A", EVE)

        status = finish()

        assert sent(engine) == []
        assert the_letter().reason == "shared_identity"
        assert (status.expired, status.imbalances) == (1, ())

    def test_whom_nobody_knows_any_more_is_waited_for_again(
        self, engine, integration, finish
    ):
        install(integration, "A")
        match(integration, "A", EVE)

        status = finish()

        assert sent(engine) == []
        assert WaitingRecord.objects.get().matched is None
        assert Replay.objects.get().state == "done"
        assert (status.waiting, status.imbalances) == (ONE_WAITS, ())


@pytest.mark.parametrize("code", [513, 528, 555])
def test_a_revived_record_that_is_refused_is_an_open_dead_letter_with_clevertaps_reason(
    engine, integration, finish, code
):
    install(integration, "A", "B")
    link(integration, "A")
    link(integration, "B", FAY, number=1003)
    engine.switch(poison=(Poison(identity="eve@", code=code),))

    status = finish()

    assert sent(engine) == [(FAY, INSTALL)]
    assert status.dead_letters == {f"clevertap_{code}": 1}
    assert (status.delivered, status.waiting, status.imbalances) == (1, {}, ())
    fallen = DeadLetter.objects.get(state="open")
    assert fallen.linked_by == 1


def test_what_was_refused_can_be_replayed_and_waits_for_the_same_person_again(
    engine, integration, finish
):
    install(integration, "A")
    link(integration)
    engine.switch(poison=(Poison(identity="eve@", code=528),))
    finish()
    engine.behave()

    replay.replay_letters(integration)
    finish()
    assert the_letter().state == "waiting"
    match(integration, "A", EVE)
    status = finish()

    assert sent(engine) == [(EVE, INSTALL)]
    assert (status.delivered, status.dead_letters, status.imbalances) == (1, {}, ())


def test_what_the_settings_keep_back_by_then_is_nobodys_problem(
    engine, integration, finish
):
    install(integration, "A")
    change(integration, not_sent=["app_install:referred"])
    link(integration)

    status = finish()

    assert sent(engine) == []
    assert (the_letter().state, the_letter().reason) == ("expired", "kept_back")
    assert (status.dead_letters, status.expired, status.imbalances) == ({}, 1, ())


class TestLateTime:
    """The time of a record that waited is a setting."""

    def test_it_goes_out_under_the_instant_at_which_its_person_became_known(
        self, engine, integration, finish
    ):
        change(integration, late_time="known")
        install(integration, "A")
        link(integration)
        known_at = the_letter().linked_at

        finish()

        assert [r["ts"] for r in engine.records()] == [int(known_at.timestamp())]

    def test_the_instant_is_pinned_so_that_an_unknown_outcome_repeats_the_bytes(
        self, engine, integration, finish
    ):
        change(integration, late_time="known")
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
        deliver(integration.pk)
        DeadLetter.objects.update(linked_at=clock.read_now() + timedelta(days=1))
        Integration.objects.update(late_time="happened")

        finish()

        first, *_, again = engine.requests()
        assert first.sha256 == again.sha256

    def test_what_was_surely_not_stored_takes_the_new_setting(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(status=503, only="uploads"),))
        deliver(integration.pk)
        Integration.objects.update(late_time="known")

        finish()

        known_at = the_letter().linked_at
        assert [r["ts"] for r in engine.records()] == [int(known_at.timestamp())]


class TestTurns:
    """Revivals go before a person's replays, and by turns with the log."""

    def test_the_log_and_revivals_take_turns_and_a_persons_replay_comes_last(
        self, integration
    ):
        log.append(integration.app, [a_sent_event(user=NOBODY)])
        install(integration, "A")
        link(integration)
        order = replay.replay_letters(integration, reasons=["no_identity"])
        log.append(integration.app, [a_sent_event()])

        kinds = []
        while claim := claim_next(integration.pk):
            kinds.append(kind_of(claim.upload))
            assert claim.upload.integration_id == integration.pk

        assert kinds == ["people", "log", "order"]
        assert order.planned == 1

    def test_a_partial_revival_waits_for_one_that_has_just_left_and_no_longer(
        self, integration
    ):
        install(integration, "A", "B")
        link(integration, "A")
        first = claim_next(integration.pk)
        link(integration, "B", FAY, number=1003)

        assert claim_next(integration.pk) is None
        two_seconds = timedelta(seconds=2)
        Upload.objects.filter(pk=first.upload.pk).update(
            leased_until=first.upload.leased_until - two_seconds
        )
        second = claim_next(integration.pk)

        assert kind_of(second.upload) == "people"
        assert second.upload.picks == [4]

    def test_a_partial_range_of_the_log_waits_for_no_revival(self, integration):
        install(integration, "A")
        link(integration)
        assert kind_of(claim_next(integration.pk).upload) == "people"
        log.append(integration.app, [a_sent_event()])

        assert kind_of(claim_next(integration.pk).upload) == "log"

    def test_many_revivals_and_many_live_events_go_by_turns_each_once(
        self, engine, integration, finish
    ):
        install(integration, *["A"] * 1001)
        link(integration)
        live = [a_sent_event(referrer=None, via="smart_link") for _ in range(1001)]
        log.append(integration.app, live)

        status = finish()

        after = Upload.objects.exclude(waiting__gt=0).order_by("pk")
        assert [(kind_of(upload), upload.records) for upload in after] == [
            *(("people", 1000), ("log", 500), ("people", 1)),
            *(("log", 500), ("log", 1)),
        ]
        assert engine.counts() == {(EVE, INSTALL): 1001, (ANN, INSTALL): 1001}
        assert (status.delivered, status.imbalances) == (2002, ())


NOBODY = {"identities": {"phone": "+35922333232"}}


def kind_of(upload):
    """Return where an upload's records come from."""
    return upload.replay.kind if upload.replay_id else "log"


class TestReplays:
    """A person's replay of what waits, or of its range."""

    def test_an_order_for_everything_leaves_out_what_waits(self, integration):
        install(integration, "A")

        assert replay.replay_letters(integration).planned == 0
        assert the_letter().state == "waiting"

    def test_a_letter_that_waits_falls_again_and_waits_on(self, integration, finish):
        (letter,) = install(integration, "A")
        DeadLetter.objects.update(created_at=letter.created_at - timedelta(days=3))

        replay.replay_letters(integration, selection=[letter.pk])
        status = finish()

        assert the_letter().state == "waiting"
        assert WaitingRecord.objects.get().since == the_letter().created_at
        assert (status.waiting, status.imbalances) == (ONE_WAITS, ())

    def test_a_letter_that_waits_goes_under_the_provider_that_it_carries(
        self, engine, integration, finish
    ):
        install(integration, "A")
        change(integration, identity_provider="branch_id")

        replay.replay_letters(integration, reasons=["waiting_for_identity"])
        status = finish()

        assert sent(engine) == [("A", INSTALL)]
        assert not WaitingRecord.objects.exists()
        assert (status.delivered, status.waiting, status.imbalances) == (1, {}, ())

    def test_a_replay_of_its_range_neither_doubles_what_waits_nor_ends_the_wait(
        self, engine, integration, finish
    ):
        install(integration, "A")
        replay.replay_range(integration, first=1, last=1)
        finish()
        assert WaitingRecord.objects.count() == 1

        link(integration)
        status = finish()

        assert sent(engine) == [(EVE, INSTALL)]
        assert (status.delivered, status.imbalances) == (1, ())

    def test_a_replay_of_its_range_does_not_take_back_what_a_revival_sends(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        claim_next(integration.pk)
        slots.clear_slots()
        replay.replay_range(integration, first=1, last=1)
        deliver(integration.pk)
        assert the_letter().state == "replaying"
        assert not WaitingRecord.objects.exists()

        let_leases_end()
        status = finish()

        assert sent(engine) == [(EVE, INSTALL)]
        assert (status.delivered, status.imbalances) == (1, ())

    def test_a_person_cannot_cancel_the_standing_replay(self, integration):
        install(integration, "A")
        link(integration)

        replay.cancel_replay(Replay.objects.get().pk)

        assert Replay.objects.get().state == "running"


class TestErasure:
    """Who is erased or suppressed gets no revival, and one that may be stored is waited for."""

    def test_who_is_suppressed_by_what_is_sent_is_not_revived_through_a_device(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        whom = [hash_of(integration, "email", EVE)]
        suppression.suppress_hashes(integration.app_id, whom)

        status = finish()

        assert sent(engine) == []
        assert status.dead_letters == {"suppressed": 1}
        assert status.imbalances == ()

    def test_a_pin_whose_row_an_erasure_took_is_suppressed(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        claim_next(integration.pk)
        slots.clear_slots()
        let_leases_end()
        whom = [hash_of(integration, "email", EVE)]
        suppression.suppress_hashes(integration.app_id, whom)
        KnownIdentity.objects.all().delete()

        status = finish()

        assert sent(engine) == []
        assert status.dead_letters == {"suppressed": 1}

    def test_an_erasure_waits_for_a_revival_that_may_be_stored_and_it_goes_as_it_was(
        self, engine, integration, finish
    ):
        install(integration, "A")
        link(integration)
        engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
        deliver(integration.pk)

        order = erase(integration)
        assert (order.state, order.uploads_waiting) == ("waiting", 1)
        finish()
        order = erasure_orders.advance_erasure(order)

        first, *_, again = engine.requests()
        assert first.sha256 == again.sha256
        assert order.state == "done"
        assert status_of(integration).imbalances == ()

    def test_after_a_day_the_revival_gives_way_to_parts_without_the_person(
        self, engine, integration, finish, settings
    ):
        install(integration, "A", "B")
        link(integration, "A")
        link(integration, "B", FAY, number=1003)
        engine.switch(faults=(Fault(ending="reset_before_storing", only="uploads"),))
        deliver(integration.pk)
        settings.ERASURE_WAIT_SECONDS = 0

        order = erase(integration)
        status = finish()

        assert (order.state, order.uploads_replaced) == ("done", 1)
        assert sent(engine) == [(FAY, INSTALL)]
        assert status.dead_letters == {"erased": 1}
        assert status.imbalances == ()


def erase(integration):
    """Order the erasure of Eve, known by her e-mail address, and go on with it."""
    order = erasure_orders.order_erasure(integration.app, [Identity("email", EVE)])
    return erasure_orders.advance_erasure(order)


class TestUpkeep:
    """Retention, tallies and a restored backup."""

    @pytest.fixture
    def old(self, settings):
        """Let everything be past its days."""

        def age():
            settings.RETENTION_DAYS = 90
            long_ago = clock.read_now() - timedelta(days=91)
            ReferralEvent.objects.update(received_at=long_ago)
            Upload.objects.update(settled_at=long_ago)
            retention.carry_out_retention()

        return age

    def test_retention_removes_a_letter_that_waits_with_whom_it_waits_for(
        self, integration, old
    ):
        install(integration, "A", "B")
        log.append(integration.app, [a_sent_event()])
        deliver(integration.pk)
        DeadLetter.objects.filter(position=2).update(
            state="expired", reason="never_known"
        )
        WaitingRecord.objects.filter(pick=4).delete()

        old()

        status = status_of(integration)
        assert DeadLetter.objects.count() == WaitingRecord.objects.count() == 0
        integration.refresh_from_db()
        assert (integration.removed_expired, integration.removed_dead) == (2, 0)
        assert (status.delivered, status.expired, status.waiting) == (2, 2, {})
        assert status.imbalances == ()

    def test_retention_keeps_the_standing_replay_and_the_sums_of_what_it_delivered(
        self, integration, finish, old
    ):
        install(integration, "A")
        link(integration)
        finish()
        tallies.add_up_tallies(worthwhile=1)
        Replay.objects.update(created_at=clock.read_now() - timedelta(days=100))
        log.append(integration.app, [a_sent_event()])
        deliver(integration.pk)

        old()

        status = status_of(integration)
        assert Replay.objects.filter(kind="people").exists()
        assert not Upload.objects.exists()
        assert (status.delivered, status.imbalances) == (3, ())

    def test_after_a_restored_backup_what_may_have_been_sent_is_parked(
        self, engine, integration, finish
    ):
        install(integration, "A", "B", "C")
        link(integration, "A")
        claim_next(integration.pk)
        slots.clear_slots()
        link(integration, "B", FAY, number=1003)

        lifecycle.pause_restored_backup(integration.pk, 99)

        status = status_of(integration)
        assert status.dead_letters == {"outcome_unknown": 2}
        assert (status.waiting, status.queued, status.imbalances) == (ONE_WAITS, 0, ())
        lifecycle.enable_integration(integration, start="now")
        finish()
        assert sent(engine) == []


class TestKills:
    """A process that dies leaves a revival that goes once, as it was."""

    @pytest.mark.parametrize("place", ["revival.claimed", "claim.written"])
    def test_a_claim_that_is_not_committed_leaves_everything_waiting(
        self, engine, integration, finish, place
    ):
        install(integration, "A")
        link(integration)
        failpoints.arm_failpoints(failpoints.parse_failpoints([f"{place}=raise"]))
        with pytest.raises(FailpointError):
            claim_next(integration.pk)
        slots.clear_slots()

        assert the_letter().state == "waiting"
        assert status_of(integration).imbalances == ()
        finish()

        assert sent(engine) == [(EVE, INSTALL)]


def test_a_record_of_the_side_that_is_known_does_not_wait_for_the_other(
    engine, integration, finish
):
    log.append(
        integration.app,
        [a_sent_event(referrer={"identities": {"branch_id": "A"}}, via=None)],
    )

    status = finish()

    assert sent(engine) == [(ANN, INSTALL)]
    assert (status.delivered, status.waiting, status.balanced) == (1, ONE_WAITS, True)
    assert BOB not in dict(sent(engine))
