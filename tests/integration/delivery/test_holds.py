"""A fault of the account holds the account, and costs no record."""

from datetime import timedelta

import pytest

from clevertap_sync.clevertap.client.upload_result import UploadResult
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    NoAnswerError,
    RequestRejectedError,
    ServerError,
    TooManyRequestsError,
)
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.clevertap.mapping import Mapper
from clevertap_sync.delivery import failure, hold, lifecycle, map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.send import RequestOutcome
from clevertap_sync.delivery.settle import settle_result
from clevertap_sync.delivery.work import ProbeClaim
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock, slots
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.worker import due
from referrals import failpoints
from referrals.identity import Identity
from referrals.secret import Secret
from tests.builders import ANN, a_sent_event
from tests.integration.delivery.conftest import begun, end_pauses, fails, status_of

pytestmark = pytest.mark.django_db


def uploads(engine):
    return [request for request in engine.requests() if not request.dry_run]


def lose_the_key(settings):
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-the-one-it-was-saved-with"]


def test_a_key_that_is_back_ends_the_hold_with_the_next_sweep(
    engine, integration, append, settings
):
    keys = settings.FIELD_ENCRYPTION_KEYS
    lose_the_key(settings)
    append(count=1)
    deliver(integration.pk)
    lifecycle.try_readable_passcodes()
    without = list(due.find_due_integrations())

    settings.FIELD_ENCRYPTION_KEYS = keys
    lifecycle.try_readable_passcodes()
    with_it = list(due.find_due_integrations())
    deliver(integration.pk)

    assert (without, with_it) == ([], [(integration.pk, 1)])
    assert [request.dry_run for request in engine.requests()] == [True, False]
    status = status_of(integration)
    assert (status.hold, status.delivered, status.balanced) == (None, 2, True)


def test_of_two_sweeps_that_see_the_key_one_has_the_dry_run(
    engine, integration, append, settings
):
    keys = settings.FIELD_ENCRYPTION_KEYS
    lose_the_key(settings)
    append(count=1)
    deliver(integration.pk)
    settings.FIELD_ENCRYPTION_KEYS = keys
    lifecycle.try_readable_passcodes()
    first = claim_next(integration.pk)

    lifecycle.try_readable_passcodes()

    assert isinstance(first, ProbeClaim)
    assert claim_next(integration.pk) is None


def test_a_hold_for_another_reason_is_not_ended_by_a_key(
    engine, integration, append, settings
):
    engine.switch(faults=(Fault(status=404, times=None),))
    append(count=1)
    deliver(integration.pk)
    integration.refresh_from_db()
    until = integration.held_until

    lifecycle.try_readable_passcodes()

    integration.refresh_from_db()
    assert integration.held_until == until


def test_a_refused_passcode_holds_with_a_reason_and_loses_nothing(
    engine, integration, append, settings
):
    settings.LONGEST_HOLD_SECONDS = 60
    integration.passcode = Secret("wrong")
    integration.save()
    append(count=600)

    deliver(integration.pk)

    status = status_of(integration)
    assert status.hold.reason == "credentials_refused"
    assert len(uploads(engine)) == 1
    assert not DeadLetter.objects.exists()
    assert status.balanced

    integration.passcode = Secret(ACCOUNTS[Location.EU1].passcode)
    integration.save(update_fields=["passcode"])
    lifecycle.apply_new_settings(integration)
    deliver(integration.pk)

    status = status_of(integration)
    assert (status.hold, status.delivered, status.backlog) == (None, 1200, 0)
    assert status.balanced


@pytest.mark.parametrize("code", [404, 405, 301, 403, 500, 503, 408, 409])
def test_any_fault_of_the_account_heals_by_itself(
    engine, integration, append, finish, code
):
    engine.switch(faults=(Fault(status=code, times=3),))
    append(count=2)

    status = finish()

    assert (status.delivered, status.dead_letters, status.hold) == (4, {}, None)
    assert status.unknown_outcomes == 0
    assert len(engine.records()) == 4


@pytest.mark.parametrize(
    "ending", ["reset_after_storing", "close_after_storing", "truncated"]
)
def test_an_unknown_outcome_is_counted_and_the_same_bytes_go_again_after_a_dry_run(
    engine, integration, append, finish, ending
):
    engine.switch(faults=(Fault(ending=ending, only="uploads"),))
    append(count=2)

    status = finish()

    first, probe, again = engine.requests()
    assert [r.dry_run for r in (first, probe, again)] == [False, True, False]
    assert first.sha256 == again.sha256
    assert (status.unknown_outcomes, status.delivered) == (1, 4)
    assert Upload.objects.get().body_changed is False


def test_a_body_that_changed_after_an_unknown_outcome_is_marked_and_logged(
    engine, append, finish, monkeypatch, caplog
):
    engine.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
    append(count=1)
    real, lengths = Mapper.map_event, iter([2, 1])
    monkeypatch.setattr(
        Mapper, "map_event", lambda *given: real(*given)[: next(lengths)]
    )
    monkeypatch.setattr(map_upload, "find_quick_mapper", lambda _: None)

    status = finish()

    assert Upload.objects.get().body_changed is True
    assert "goes again with another body" in caplog.text
    assert (status.delivered, status.balanced) == (1, True)


def test_a_dry_run_that_failed_has_accepted_nothing(engine, integration, append):
    engine.switch(
        faults=(
            Fault(ending="reset_after_storing", only="uploads"),
            Fault(status=503, only="dry_runs"),
        )
    )
    append(count=1)
    deliver(integration.pk)
    Integration.objects.update(held_until=clock.read_now())

    deliver(integration.pk)

    attempt = Attempt.objects.filter(dry_run=True).earliest("pk")
    assert (attempt.outcome, attempt.accepted, attempt.refused) == (
        "server_error",
        0,
        0,
    )


def test_a_hold_that_a_dry_run_did_not_end_is_ended_by_another_alone(
    engine, integration, append
):
    engine.switch(
        faults=(
            Fault(ending="reset_after_storing", only="uploads"),
            Fault(status=503, only="dry_runs"),
        )
    )
    append(count=1)
    deliver(integration.pk)
    end_pauses(integration)
    deliver(integration.pk)

    integration.refresh_from_db()
    assert (integration.hold_probes, integration.failures) == (True, 2)
    end_pauses(integration)
    deliver(integration.pk)

    assert [r.dry_run for r in engine.requests()] == [False, True, True, False]


def test_a_hold_lasts_as_long_as_the_answer_to_its_dry_run_asks(
    engine, integration, append, settings
):
    settings.FIRST_HOLD_SECONDS = settings.LONGEST_HOLD_SECONDS = 1_000
    wait = {"Retry-After": "3000"}
    engine.switch(
        faults=(
            Fault(ending="reset_after_storing", only="uploads"),
            Fault(status=503, only="dry_runs", headers=wait),
        )
    )
    append(count=1)
    deliver(integration.pk)
    end_pauses(integration)

    deliver(integration.pk)

    integration.refresh_from_db()
    lasts = integration.held_until - integration.hold_changed_at
    assert (lasts, integration.failures) == (timedelta(seconds=3_000), 2)


def test_an_upload_of_unknown_outcome_waits_while_dry_runs_are_not_answered(
    engine, integration, append, finish
):
    engine.switch(
        faults=(
            Fault(ending="reset_after_storing", only="uploads"),
            Fault(ending="reset_before_storing", only="dry_runs", times=4),
        )
    )
    append(count=2)

    finish()

    assert [r.dry_run for r in engine.requests()] == [False, *[True] * 5, False]


@pytest.mark.parametrize(("failures", "then"), [(0, 1), (3, 3)])
def test_after_an_unknown_outcome_uploads_go_one_at_a_time(integration, failures, then):
    integration.failures = failures

    hold.require_probe(integration, reason=NoAnswerError.code, now=clock.read_now())

    integration.refresh_from_db()
    assert (integration.failures, integration.hold_probes) == (then, True)


def test_too_many_requests_halve_the_limit(engine, integration, append, finish):
    engine.switch(faults=(Fault(status=429, times=1),))
    append(count=2)

    status = finish()

    integration.account.refresh_from_db()
    assert (integration.account.current_limit, integration.account.in_flight_limit) == (
        2,
        5,
    )
    assert (status.delivered, status.hold) == (4, None)


@pytest.mark.parametrize(
    ("seconds", "limit"), [(hold.CLEAN_SECONDS, 3), (hold.CLEAN_SECONDS / 2, 2)]
)
def test_a_lowered_limit_rises_by_one_after_a_clean_half_minute(
    engine, integration, append, seconds, limit
):
    append(count=1)
    account, now = integration.account, clock.read_now()
    account.current_limit = 2
    account.limit_changed_at = now - timedelta(seconds=seconds)
    account.save()

    deliver(integration.pk)

    account.refresh_from_db()
    assert (account.current_limit, account.in_flight_limit) == (limit, 5)
    assert (account.limit_changed_at >= now) == (limit == 3)


def test_a_limit_that_is_as_high_as_a_person_allows_stays_there(integration):
    account, now = integration.account, clock.read_now()
    account.limit_changed_at = None

    hold.raise_in_flight_limit(account, now=now)

    assert not hold.may_raise_in_flight_limit(account, now)
    assert (account.current_limit, account.limit_changed_at) == (5, None)


def test_a_success_that_began_before_the_hold_does_not_end_it(
    engine, integration, append
):
    append(count=1)
    integration.account.current_limit = 2
    integration.account.save()
    claim, mapped, sending = begun(integration)
    now = clock.read_now()
    hold.hold_delivery(
        integration, reason="server_error", delay=60, probe=True, now=now
    )
    outcome = RequestOutcome(
        UploadResult(2, (), miscounted=False, status=200), None, 0.1
    )

    assert settle_result(claim, mapped, sending, outcome, outcome.result)

    status = status_of(integration)
    assert (status.hold.reason, status.delivered) == ("server_error", 2)
    assert integration.failures == 1


def test_retry_after_is_honoured(engine, integration, append, settings):
    settings.LONGEST_HOLD_SECONDS = 0.05
    engine.switch(faults=(Fault(status=429, headers={"Retry-After": "30"}),))
    append(count=2)

    deliver(integration.pk)

    hold = status_of(integration).hold
    assert hold.reason == "too_many_requests"
    assert (hold.until - hold.since).total_seconds() >= 30
    assert len(engine.requests()) == 1


def test_corrected_settings_reach_an_open_upload(engine, integration, append, finish):
    integration.identity_provider = "e-mail"
    integration.save()
    engine.switch(faults=(Fault(status=503),))
    append(count=1)
    Upload.objects.all().delete()
    deliver(integration.pk)

    integration.identity_provider = "email"
    integration.save(update_fields=["identity_provider"])
    lifecycle.apply_new_settings(integration)
    status = finish()

    assert status.delivered + sum(status.dead_letters.values()) == 2


def test_an_attempt_log_holds_no_identity_and_no_passcode(
    engine, integration, append, caplog
):
    caplog.set_level("INFO")
    append(count=1)

    deliver(integration.pk)

    (line,) = [
        record for record in caplog.records if record.name == "clevertap_sync.attempt"
    ]
    shown = repr(line.__dict__)
    assert "example.com" not in shown
    assert ACCOUNTS[Location.EU1].passcode not in shown
    assert (line.status, line.accepted, line.outcome) == (200, 2, "ok")
    assert Attempt.objects.get().detail == ""


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(status=status) for status in (302, 400, 401, 403, 404, 429, 500, 503)),
        *(Fault(ending=ending) for ending in ("reset_before_storing", "garbage")),
        Fault(tamper=("without_records",)),
    ],
    ids=lambda fault: str(fault.status or fault.ending),
)
def test_what_an_account_does_wrong_is_no_error_of_ours(
    engine, integration, append, caplog, fault
):
    caplog.set_level("INFO")
    engine.switch(faults=(fault,))
    append(count=1)

    deliver(integration.pk)
    end_pauses(integration)
    deliver(integration.pk)

    levels = {record.levelname for record in caplog.records}
    assert levels <= {"INFO", "WARNING"}
    assert Attempt.objects.count() >= 1


def test_a_passcode_that_no_key_decrypts_holds_and_says_so(
    engine, integration, append, settings
):
    settings.LONGEST_HOLD_SECONDS = 60
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-the-one-it-was-saved-with"]
    append(count=1)

    deliver(integration.pk)

    hold = status_of(integration).hold
    assert (hold.reason, Attempt.objects.get().outcome) == ("unreadable_passcode",) * 2
    assert "FIELD_ENCRYPTION_KEYS" in hold.cause.sentence
    assert engine.requests() == []


def test_a_late_refusal_of_the_old_passcode_does_not_hold_the_new_one(
    engine, integration, append
):
    append(count=1)
    late = begun(integration)
    lifecycle.apply_new_settings(integration)

    fails(late, AuthenticationError(status=401))

    assert status_of(integration).hold is None


def test_a_refusal_of_a_passcode_that_was_read_before_it_changed_holds_nothing(
    engine, integration, append
):
    append(count=1)
    claim = claim_next(integration.pk)
    lifecycle.apply_new_settings(integration)

    fails(begun(integration, claim), AuthenticationError(status=401))

    assert status_of(integration).hold is None


def test_parallel_failures_are_one_failure(engine, integration, append):
    append(count=1500)
    parallel = [begun(integration) for _ in range(3)]

    for attempt in parallel:
        fails(attempt, ServerError(status=503))

    integration.refresh_from_db()
    assert (integration.failures, integration.hold_reason) == (1, "server_error")


def test_an_upload_of_unknown_outcome_waits_for_a_dry_run_whatever_held_before(
    engine, integration, append, settings
):
    settings.FIRST_HOLD_SECONDS = 1
    append(count=1000)
    failed, unanswered = begun(integration), begun(integration)
    fails(failed, ServerError(status=503, retry_after=60))

    fails(unanswered, NoAnswerError("timed out"))

    hold = status_of(integration).hold
    assert integration.hold_probes
    assert (hold.reason, integration.failures) == ("server_error", 1)
    assert (hold.until - hold.since).total_seconds() == 60


def test_an_upload_of_unknown_outcome_waits_for_a_dry_run_that_came_after_it(
    engine, integration, append
):
    append(count=1000)
    first, second = begun(integration), begun(integration)
    fails(first, NoAnswerError("timed out"))
    Integration.objects.update(held_until=clock.read_now())
    deliver(integration.pk)
    assert status_of(integration).hold is None

    fails(second, NoAnswerError("timed out"))

    slots.clear_slots()
    assert isinstance(claim_next(integration.pk), ProbeClaim)


def test_an_abandoned_upload_does_not_shorten_a_hold(
    engine, integration, append, settings
):
    settings.FIRST_HOLD_SECONDS = 1
    append(count=1000)
    failed, _ = begun(integration), begun(integration)
    fails(failed, ServerError(status=503, retry_after=60))
    Upload.objects.filter(leased_until__isnull=False).update(
        leased_until=clock.read_now() - timedelta(seconds=1)
    )

    assert claim_next(integration.pk) is None

    hold = status_of(integration).hold
    assert (hold.until - hold.since).total_seconds() == 60
    assert integration.hold_probes


def test_parts_of_an_upload_of_unknown_outcome_keep_its_settings(
    engine, integration, append
):
    append(count=2)
    fails(begun(integration), NoAnswerError("timed out"))
    integration.refresh_from_db()
    integration.identity_provider = "custom_id"
    integration.save()
    Integration.objects.update(hold_reason="", hold_probes=False)
    fails(begun(integration), RequestRejectedError(status=400))

    claim = claim_next(integration.pk)

    assert claim.upload.parent is not None
    assert claim.upload.settings["identity_provider"] == "email"


def test_the_limit_that_is_halved_is_the_one_in_force(engine, integration, append):
    append(count=1)
    account = integration.account
    account.current_limit, account.in_flight_limit = 15, 2
    account.save()

    fails(begun(integration), TooManyRequestsError(status=429))

    account.refresh_from_db()
    assert account.current_limit == 1
    assert status_of(integration).hold is None


def test_a_worker_that_ends_right_after_a_success_leaves_no_hold_behind(
    engine, integration, append
):
    engine.answer(503)
    append(count=1)
    deliver(integration.pk)
    Integration.objects.update(held_until=clock.read_now())
    failpoints.arm_failpoints(failpoints.parse_failpoints(["settle.committed=raise"]))

    with pytest.raises(failpoints.FailpointError):
        deliver(integration.pk)

    status = status_of(integration)
    assert (status.hold, status.delivered, integration.failures) == (None, 2, 0)


def test_a_hold_ends_by_a_dry_run_although_what_waited_is_no_longer_sent(
    engine, integration, append, finish
):
    engine.switch(faults=(Fault(status=503),))
    append(a_sent_event(id="one", referrer=None, via="smart_link"))
    deliver(integration.pk)
    assert status_of(integration).hold.reason == "server_error"
    erasure_orders.order_erasure(integration.app, [Identity("email", ANN)])

    status = finish()

    assert (status.hold, status.dead_letters) == (None, {"suppressed": 1})
    assert [request.dry_run for request in engine.requests()] == [False, True]


def test_as_many_workers_are_wanted_as_would_find_something_to_do(
    engine, integration, append
):
    append(count=501)
    assert list(due.find_due_integrations()) == [(integration.pk, 2)]

    begun(integration)
    assert list(due.find_due_integrations()) == [(integration.pk, 1)]
    Upload.objects.update(leased_until=clock.read_now())
    assert list(due.find_due_integrations()) == [(integration.pk, 2)]
    integration.account.current_limit = 1
    integration.account.save()

    assert list(due.find_due_integrations()) == [(integration.pk, 1)]


def test_one_worker_is_wanted_while_uploads_go_one_at_a_time(integration, append):
    append(count=501)
    integration.failures = 1
    integration.save()

    assert list(due.find_due_integrations()) == [(integration.pk, 1)]


def test_a_hold_ends_by_a_dry_run_although_nothing_is_left_to_send(engine, integration):
    assert list(due.find_due_integrations()) == []
    hold.hold_delivery(
        integration, reason="no_answer", delay=0, probe=True, now=clock.read_now()
    )

    assert list(due.find_due_integrations()) == [(integration.pk, 1)]
    deliver(integration.pk)

    assert status_of(integration).hold is None
    assert [request.dry_run for request in engine.requests()] == [True]
    assert list(due.find_due_integrations()) == []


def test_new_settings_of_an_integration_that_is_not_held_ask_for_no_dry_run(
    engine, integration
):
    lifecycle.apply_new_settings(integration)

    assert (integration.hold_probes, integration.held_until) == (False, None)
    assert list(due.find_due_integrations()) == []


def test_a_failure_counts_towards_the_next_hold(integration, settings, monkeypatch):
    settings.FIRST_HOLD_SECONDS, settings.LONGEST_HOLD_SECONDS = 100.0, 1e9
    monkeypatch.setattr(failure, "random", lambda: 1.0)
    integration.failures = 2

    decision = failure.decide_on_failure(ServerError(status=500), integration)

    assert decision.delay == 100.0 * 2**2
