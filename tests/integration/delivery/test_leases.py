"""One worker at a time per upload, and never more per account than it allows."""

import contextlib
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from clevertap_sync.clevertap.errors import NoAnswerError, NotSentError
from clevertap_sync.clevertap.mapping import Mapper
from clevertap_sync.delivery import lifecycle, map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.replay import replay_letters
from clevertap_sync.delivery.send import begin_attempt, send_upload
from clevertap_sync.delivery.settle import settle_result
from clevertap_sync.delivery.work import Claim, ProbeClaim
from clevertap_sync.insight.picks import read_position, read_side
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock, slots
from clevertap_sync.sandbox.faults import Poison
from integration_project.observability.report_groups import find_delivery_fault
from referrals import failpoints, log
from referrals.failpoints import FailpointError
from referrals.models import ReferralEvent
from tests.builders import a_sent_event, an_integration
from tests.integration.delivery.conftest import begun, fails, status_of

pytestmark = pytest.mark.django_db


def expire_leases():
    Upload.objects.filter(leased_until__isnull=False).update(
        leased_until=clock.read_now() - timedelta(seconds=1)
    )


def test_a_full_range_goes_at_once_and_a_partial_one_alone(engine, integration, append):
    append(count=1000)
    append(*[])

    first, second = claim_next(integration.pk), claim_next(integration.pk)

    assert [(c.upload.first, c.upload.last) for c in (first, second)] == [
        (1, 500),
        (501, 1000),
    ]
    append_more(integration, 3)
    assert claim_next(integration.pk) is None


def append_more(integration, count):
    log.append(integration.app, [a_sent_event() for _ in range(count)])


def test_a_partial_range_does_not_wait_for_a_slow_upload(
    engine, integration, append, settings
):
    append(count=500)
    claim_next(integration.pk)
    append_more(integration, 1)
    assert claim_next(integration.pk) is None

    Upload.objects.update(
        leased_until=clock.read_now() + timedelta(seconds=settings.LEASE_SECONDS / 2)
    )

    assert claim_next(integration.pk).upload.first == 501


def test_an_account_has_no_more_live_leases_than_its_limit(engine, integration, append):
    """Invariant 6."""
    append(count=3000)
    integration.account.current_limit = 3
    integration.account.save()

    claims = [claim_next(integration.pk) for _ in range(5)]

    assert [bool(claim) for claim in claims] == [True, True, True, False, False]


def test_the_claim_that_fills_the_account_calls_nobody(engine, integration, append):
    append(count=3000)
    integration.account.current_limit = 3
    integration.account.save()

    claims = [claim_next(integration.pk) for _ in range(3)]

    assert [claim.ring_others for claim in claims] == [True, True, False]


def test_the_claim_that_takes_the_last_range_calls_nobody(engine, integration, append):
    append(count=1000)

    claims = [claim_next(integration.pk) for _ in range(2)]

    assert [claim.ring_others for claim in claims] == [True, False]


def test_two_integrations_on_one_account_share_its_limit_in_turn(
    engine, integration, append
):
    other = an_integration(account=integration.account, name="other")
    append(count=2000)
    append_more(other, 2000)
    integration.account.current_limit = 4
    integration.account.save()

    claims = [claim_next(integration.pk) for _ in range(5)]

    served = [claim.integration.pk for claim in claims if claim]
    assert served == [integration.pk, other.pk, integration.pk, other.pk]


def test_an_upload_has_at_most_one_live_lease_and_a_late_settle_changes_nothing(
    engine, integration, append
):
    """Invariant 6."""
    append(count=2)
    late = claim_next(integration.pk)
    assert isinstance(late, Claim)
    mapped = map_upload.map_upload(late)
    sending = begin_attempt(late, mapped)
    outcome = send_upload(late.integration, sending, mapped.encoded_records())
    expire_leases()

    # Whoever comes next records the attempt as unknown, and asks first.
    probe = claim_next(integration.pk)
    assert isinstance(probe, ProbeClaim)
    assert Attempt.objects.get(upload=late.upload).outcome == "no_answer"
    slots.release_slot(integration.pk, in_fault_share=probe.in_fault_share)
    integration.refresh_from_db()
    integration.probe_leased_until = None
    integration.save()
    deliver(integration.pk)
    assert Upload.objects.get().state == "settled"
    token = Upload.objects.get().lease_token

    assert settle_result(late, mapped, sending, outcome, outcome.result) is False

    after = Upload.objects.get()
    assert (after.lease_token, after.delivered, after.unknown_outcomes) == (token, 4, 1)
    assert status_of(integration).balanced


def test_a_claim_that_led_to_no_attempt_is_taken_again_without_a_dry_run(
    engine, integration, append
):
    append(count=2)
    claim_next(integration.pk)
    expire_leases()

    deliver(integration.pk)

    assert [request.dry_run for request in engine.requests()] == [False]
    assert status_of(integration).delivered == 4


def test_an_upload_claimed_three_times_without_an_attempt_is_split_and_the_culprit_named(
    engine, integration, append, monkeypatch
):
    append(count=4)

    def dies(claim, *rows):
        if (
            3 in range(claim.upload.first, claim.upload.last + 1)
            and claim.upload.idle_claims <= 3
        ):
            raise SystemExit
        return real(claim, *rows)

    real = map_upload.map_upload
    monkeypatch.setattr(map_upload, "map_upload", dies)
    for _ in range(60):
        try:
            deliver(integration.pk)
        except SystemExit:
            expire_leases()

    status = status_of(integration)
    assert (status.delivered, status.dead_letters) == (6, {"mapping_failed": 2})
    assert (status.backlog, status.in_flight, status.balanced) == (0, 0, True)


def test_of_the_halves_of_an_upload_that_ends_its_workers_the_first_goes_first(
    engine, integration, append
):
    append(count=4)
    for _ in range(3):
        claim_next(integration.pk)
        expire_leases()

    claim = claim_next(integration.pk)

    first, second = Upload.objects.exclude(parent=None).order_by("pk")
    assert claim.upload == first
    assert [(part.first, part.last, part.covers) for part in (first, second)] == [
        (1, 2, None),
        (3, 4, None),
    ]
    assert [
        (read_position(pick), read_side(pick)) for pick in first.picks + second.picks
    ] == [
        (position, side)
        for position in (1, 2, 3, 4)
        for side in ("referred", "generated")
    ]


def test_an_exception_while_an_event_is_mapped_costs_that_event_alone(
    engine, integration, append, monkeypatch, caplog
):
    append(count=3)
    real = Mapper.map_event

    def fails(mapper, event, *given):
        if event.id == "e2":
            message = "planted"
            raise ValueError(message)
        return real(mapper, event, *given)

    monkeypatch.setattr(Mapper, "map_event", fails)
    monkeypatch.setattr(map_upload, "find_quick_mapper", lambda _: None)

    deliver(integration.pk)

    assert list(
        DeadLetter.objects.values_list("position", "side", "reason", "detail").order_by(
            "pk"
        )
    ) == [
        (2, "referred", "mapping_failed", "ValueError"),
        (2, "generated", "mapping_failed", "ValueError"),
    ]
    assert status_of(integration).delivered == 4
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    found = find_delivery_fault({"log_record": line})
    assert found == (integration.pk, "ValueError")


@pytest.mark.django_db(transaction=True)
def test_parallel_claims_hand_each_range_out_once(engine, integration, append):
    append(count=1000)
    append_more(integration, 1000)
    claims = []

    def claim():
        try:
            while found := claim_next(integration.pk):
                claims.append(found)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ranges = sorted((claim.upload.first, claim.upload.last) for claim in claims)
    assert ranges == [(1, 500), (501, 1000), (1001, 1500), (1501, 2000)]
    assert all(isinstance(claim, Claim) for claim in claims)


def test_a_claim_that_is_not_committed_gives_its_slot_back(
    engine, integration, append, settings
):
    settings.WORKER_THREADS = 2
    append(count=2)
    for _ in range(3):
        failpoints.arm_failpoints(failpoints.parse_failpoints(["claim.written=raise"]))
        with pytest.raises(FailpointError):
            claim_next(integration.pk)

    deliver(integration.pk)

    assert status_of(integration).delivered == 4


@pytest.mark.parametrize("settings_change", [False, True])
def test_the_attempt_of_a_dry_run_that_was_lost_is_ended_by_the_next_one(
    engine, integration, append, settings_change
):
    append(count=1)
    fails(begun(integration), NoAnswerError("timed out"))
    Integration.objects.update(held_until=clock.read_now())
    lost = claim_next(integration.pk)
    Attempt.objects.create(
        integration=integration,
        lease_token=lost.token,
        dry_run=True,
        began_at=clock.read_now(),
    )
    Integration.objects.update(probe_leased_until=clock.read_now())
    if settings_change:
        lifecycle.apply_new_settings(integration)

    assert isinstance(claim_next(integration.pk), ProbeClaim)

    attempt = Attempt.objects.get(dry_run=True)
    assert (attempt.outcome, attempt.outcome_unknown) == ("no_answer", True)


def test_a_side_that_an_event_does_not_name_is_no_dead_letter_of_a_divided_upload(
    engine, integration, append, finish
):
    append(*(a_sent_event(referrer=None, via="smart_link") for _ in range(3)))
    for _ in range(3):
        claim_next(integration.pk)
        expire_leases()
    slots.clear_slots()

    status = finish()

    assert Upload.objects.filter(state="split").count() == 1
    assert (status.delivered, status.dead_letters) == (3, {})
    assert status.balanced


@pytest.mark.parametrize(
    ("delivering", "calls"), [(3, [False] * 3), (2, [True, True, False])]
)
def test_a_claim_calls_nobody_for_what_others_come_to_claim(
    engine, integration, append, delivering, calls
):
    append(count=3000)
    integration.account.current_limit = 3
    integration.account.save()

    with contextlib.ExitStack() as threads:
        for _ in range(delivering):
            threads.enter_context(slots.register_claimer(integration.pk))
        claims = [claim_next(integration.pk) for _ in range(3)]

    assert [claim.ring_others for claim in claims] == calls


def test_what_the_lease_would_not_cover_is_not_sent(
    engine, integration, append, settings
):
    append(count=1)
    claim, mapped, sending = begun(integration)
    spare = settings.LEASE_SECONDS - settings.REQUEST_SECONDS
    late = replace(sending, began=sending.began - spare)

    outcome = send_upload(claim.integration, late, mapped.encoded_records())

    assert isinstance(outcome.error, NotSentError)
    assert engine.requests() == []


def test_a_single_event_rings_for_nobody_else(engine, integration, append):
    append(count=1)
    rung = []

    assert deliver(integration.pk, ring=rung.append) == 1
    assert rung == []


def test_a_replayed_record_whose_event_is_gone_is_a_dead_letter_again(
    engine, integration, append
):
    engine.switch(poison=(Poison(identity="ann@", code=528),))
    append(count=1)
    deliver(integration.pk)
    letter = DeadLetter.objects.get()
    ReferralEvent.objects.all().delete()
    replay_letters(integration)

    deliver(integration.pk)

    letter.refresh_from_db()
    assert (letter.state, letter.reason, letter.failures) == (
        "open",
        "event_removed",
        2,
    )
