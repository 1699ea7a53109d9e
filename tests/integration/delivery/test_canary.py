"""The identity canary: a wrong provider is found out before it fills CleverTap with people."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from clevertap_sync.clevertap import profile_lookup
from clevertap_sync.delivery import canary, lifecycle, map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.work import Claim, ProbeClaim
from clevertap_sync.models import Attempt, Integration, Upload
from clevertap_sync.process import clock, slots
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.worker import due
from referrals import failpoints, log
from referrals.secret import Secret
from tests.builders import an_account, an_integration
from tests.integration.delivery.conftest import status_of
from tests.logs import everything_in
from tests.people import emails, installs_of, knows

pytestmark = pytest.mark.django_db

NOBODY = emails(40, of="nobody")


@pytest.fixture
def integration(db):
    """An integration that was just enabled: nobody looked at its identities yet."""
    return an_integration(identities_confirmed_at=None)


def claimed(integration):
    claim = claim_next(integration.pk)
    assert isinstance(claim, Claim)
    return claim


def lookups(engine):
    return [r for r in engine.requests() if r.path.endswith("/profile.json")]


def uploads(engine):
    return [
        r for r in engine.requests() if r.path.endswith("/upload") and not r.dry_run
    ]


def test_an_upload_whose_people_are_strangers_is_held_before_it_is_sent(
    engine, integration
):
    log.append(integration.app, installs_of(NOBODY))

    assert deliver(integration.pk) == 0

    status = status_of(integration)
    assert (status.hold.reason, status.hold.until) == ("identity_mismatch", None)
    assert (status.delivered, status.queued, status.backlog) == (0, 40, 0)
    assert status.balanced
    assert len(lookups(engine)) == 30
    assert uploads(engine) == []
    assert integration.identities_unknown == 30
    assert Upload.objects.get().idle_claims == 0


def test_an_upload_whose_people_are_known_goes_out_and_nobody_asks_again(
    engine, integration
):
    people = emails(35)
    knows(engine, *people)
    log.append(integration.app, installs_of(people))

    deliver(integration.pk)
    asked = len(lookups(engine))
    log.append(integration.app, installs_of(NOBODY))
    deliver(integration.pk)

    status = status_of(integration)
    assert (status.delivered, status.hold) == (75, None)
    assert (asked, len(lookups(engine))) == (30, 30)
    assert integration.identities_confirmed_at is not None


def test_one_person_is_asked_about_once_however_many_events(engine, integration):
    knows(engine, "user-0@example.com")
    events = installs_of(emails(1)) * 3
    for number, event in enumerate(events):
        events[number] = {**event, "id": f"again-{number}"}
    log.append(integration.app, events)

    deliver(integration.pk)

    assert len(lookups(engine)) == 1
    assert status_of(integration).delivered == 3


@pytest.mark.parametrize(
    ("known", "strangers", "held"),
    [(0, 9, False), (0, 10, True), (10, 10, False), (9, 10, True)],
)
def test_it_holds_on_ten_strangers_that_outweigh_those_who_are_known(
    engine, integration, known, strangers, held
):
    people = emails(known)
    if people:
        knows(engine, *people)
    log.append(integration.app, installs_of([*people, *NOBODY[:strangers]]))

    deliver(integration.pk)

    assert (status_of(integration).hold is not None) is held
    assert len(uploads(engine)) == (0 if held else 1) + bool(people)


def test_a_quiet_app_is_found_out_although_each_upload_names_one(engine, integration):
    for event in installs_of(NOBODY[:12]):
        log.append(integration.app, [event])
        deliver(integration.pk)

    status = status_of(integration)
    assert status.hold.reason == "identity_mismatch"
    assert (status.delivered, integration.identities_unknown) == (9, 10)
    assert (status.queued, status.backlog) == (1, 2)


def test_what_a_person_confirms_goes_on_after_a_dry_run_and_is_never_asked_again(
    engine, integration
):
    log.append(integration.app, installs_of(NOBODY))
    deliver(integration.pk)

    lifecycle.confirm_identities(integration)
    deliver(integration.pk)

    status = status_of(integration)
    assert (status.delivered, status.hold, status.balanced) == (40, None, True)
    assert [r.dry_run for r in engine.requests() if r.path.endswith("/upload")] == [
        True,
        False,
    ]
    assert len(lookups(engine)) == 30


def test_neither_a_check_nor_time_nor_enabling_lifts_it(engine, integration):
    log.append(integration.app, installs_of(NOBODY))
    deliver(integration.pk)

    lifecycle.apply_new_settings(integration)
    lifecycle.pause_integration(integration)
    lifecycle.enable_integration(integration)
    Integration.objects.update(held_until=clock.read_now() - timedelta(hours=1))
    deliver(integration.pk)

    assert status_of(integration).hold.reason == "identity_mismatch"
    assert uploads(engine) == []
    assert not Attempt.objects.exists()
    assert list(due.find_due_integrations()) == []


def test_a_corrected_provider_is_looked_up_afresh_and_the_held_upload_takes_it(
    engine, integration
):
    people = emails(40)
    knows(engine, *(f"id-of-{person}" for person in people))
    log.append(integration.app, installs_of(people))
    deliver(integration.pk)
    assert status_of(integration).hold.reason == "identity_mismatch"

    integration.identity_provider = "custom_id"
    integration.save(
        update_fields=["identity_provider", *canary.restart_canary(integration)]
    )
    lifecycle.apply_new_settings(integration)
    deliver(integration.pk)

    status = status_of(integration)
    assert (status.delivered, status.hold) == (40, None)
    assert engine.records()[-1]["identity"].startswith("id-of-")
    assert integration.identities_known == 30


def test_answers_that_do_not_come_count_as_confirmed(engine, integration):
    engine.switch(faults=(Fault(status=503, only="reads", times=None),))
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)

    status = status_of(integration)
    assert (status.delivered, status.hold) == (40, None)
    assert integration.identities_confirmed_at is not None
    assert integration.identities_unknown == 0


def test_a_silent_clevertap_delays_the_upload_by_its_deadline_and_no_longer(
    engine, integration, monkeypatch
):
    monkeypatch.setattr(profile_lookup, "LOOK_UP_SECONDS", 0.3)
    engine.switch(
        faults=(Fault(ending="hang_before_storing", only="reads", times=None),)
    )
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)

    # Three hang until the deadline; nobody asks a fourth time. On a busy machine the
    # time may be over before they have asked.
    assert len(lookups(engine)) <= 3
    assert status_of(integration).delivered == 40


def test_definite_answers_count_although_others_do_not_come(engine, integration):
    engine.switch(faults=(Fault(status=503, only="reads", times=5),))
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)

    assert status_of(integration).hold.reason == "identity_mismatch"
    assert integration.identities_unknown == 25


def test_a_test_account_is_not_asked(engine):
    account = an_account(account_id="TEST-DEM-EU1-0001")
    integration = an_integration(account=account, identities_confirmed_at=None)
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)

    assert lookups(engine) == []
    assert status_of(integration).hold.reason == "credentials_refused"


@pytest.fixture
def provision(engine, monkeypatch):
    """Run the command for the sandbox's account; return its warnings."""
    account = engine.account()
    monkeypatch.setenv("CLEVERTAP_PASSCODE", account.passcode)

    def run(*flags, provider="email"):
        warnings = StringIO()
        call_command(
            *("provision", "shop", "--account-id", account.account_id),
            *("--location", "eu1", "--identity-provider", provider, *flags),
            stdout=StringIO(),
            stderr=warnings,
        )
        return warnings.getvalue()

    return run


def shouted(people):
    return [person.upper() for person in people]


def counts(integration):
    integration.refresh_from_db()
    return (
        integration.identities_known,
        integration.identities_unknown,
        integration.identities_other_case,
    )


@pytest.mark.parametrize(
    ("known", "shouting", "held"),
    [(0, 1, True), (0, 5, True), (4, 5, True), (5, 5, True), (6, 5, False)],
)
def test_people_whom_clevertap_knows_in_another_letter_case_hold_however_few(
    engine, integration, known, shouting, held
):
    people = emails(known + shouting)
    knows(engine, *people)
    said = [*people[:known], *shouted(people[known:])]
    log.append(integration.app, installs_of(said))

    deliver(integration.pk)

    reason = "identity_letter_case" if held else ""
    assert counts(integration) == (known, shouting, shouting)
    assert integration.hold_reason == reason
    assert len(uploads(engine)) == 1 + (not held)


def test_another_letter_case_waits_for_a_person_as_strangers_do(engine, integration):
    knows(engine, *emails(5))
    log.append(integration.app, installs_of(shouted(emails(5))))
    deliver(integration.pk)

    lifecycle.apply_new_settings(integration)
    deliver(integration.pk)
    waiting = the_integration().hold_reason
    lifecycle.confirm_identities(integration)
    deliver(integration.pk)

    assert waiting == "identity_letter_case"
    status = status_of(integration)
    assert (status.delivered, status.hold, status.balanced) == (5, None, True)


def the_integration():
    return Integration.objects.get()


def test_after_enabling_by_command_new_people_are_counted_and_hold_nothing(
    engine, provision
):
    warnings = provision("--enable")
    integration = the_integration()
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)

    assert warnings == ""
    assert len(lookups(engine)) == 30
    assert counts(integration) == (0, 30, 0)
    assert status_of(integration).delivered == 40
    assert integration.identities_confirmed_at is not None
    provision(provider="custom_id")
    integration.refresh_from_db()
    assert integration.identities_confirmed_at is None
    assert not integration.identities_may_be_new


def test_after_enabling_by_command_another_letter_case_is_held_before_it_is_sent(
    engine, provision
):
    knows(engine, *emails(5))
    provision("--enable")
    integration = the_integration()
    log.append(integration.app, installs_of(shouted(emails(5))))

    deliver(integration.pk)

    assert status_of(integration).hold.reason == "identity_letter_case"
    assert len(uploads(engine)) == 1  # that by which CleverTap knows them


def test_enabling_by_command_looks_at_who_is_in_the_log_and_holds_another_case(
    engine, provision
):
    knows(engine, *emails(3))
    provision()
    integration = the_integration()
    log.append(integration.app, installs_of(shouted(emails(3))))

    warnings = provision("--enable")

    assert (
        "CleverTap knows 0 of 3 recent users by email, and 3 more in another letter case "
        "only: it would create a second profile for each of these. Delivery is held. "
    ) in warnings
    assert counts(integration) == (0, 3, 3)
    assert (integration.enabled, integration.hold_reason) == (
        True,
        "identity_letter_case",
    )
    assert "USER-0" not in warnings


def test_enabling_by_command_again_looks_again_and_counts_nobody_twice(
    engine, provision
):
    knows(engine, *emails(3))
    provision()
    integration = the_integration()
    log.append(integration.app, installs_of(shouted(emails(3))))
    provision("--enable")

    warnings = provision("--enable")

    assert "Delivery is held." in warnings
    assert counts(integration) == (0, 3, 3)


def test_enabling_by_command_only_tells_of_people_whom_clevertap_does_not_know(
    engine, provision
):
    provision()
    integration = the_integration()
    log.append(integration.app, installs_of(NOBODY[:12]))

    warnings = provision("--enable")

    assert (
        "CleverTap knows 0 of 12 recent users by email. It creates a new profile for each "
        "of the others."
    ) in warnings
    assert counts(integration) == (0, 12, 0)
    assert (integration.hold_reason, integration.identities_confirmed_at) == ("", None)


def test_enabling_by_command_lifts_a_hold_for_strangers_sake(engine, provision):
    provision()
    integration = the_integration()
    lifecycle.enable_integration(integration)
    log.append(integration.app, installs_of(NOBODY[:12]))
    deliver(integration.pk)
    held = status_of(integration).hold.reason

    provision("--enable")
    deliver(integration.pk)

    assert held == "identity_mismatch"
    status = status_of(integration)
    assert (status.hold, status.delivered) == (None, 12)


def test_enabling_by_command_says_so_where_clevertap_did_not_tell(engine, provision):
    engine.switch(faults=(Fault(status=503, only="reads", times=None),))
    provision()
    integration = the_integration()
    log.append(integration.app, installs_of(NOBODY[:3]))

    warnings = provision("--enable")

    assert "CleverTap did not tell which users it knows." in warnings
    assert counts(integration) == (0, 0, 0)
    assert integration.identities_confirmed_at is None


def test_a_confirmed_integration_is_not_looked_at_again(engine, provision):
    provision("--enable")
    integration = the_integration()
    lifecycle.confirm_identities(integration)
    log.append(integration.app, installs_of(NOBODY[:3]))

    provision("--enable")

    assert lookups(engine) == []


def test_a_refused_passcode_is_no_silence_that_confirms(engine, integration):
    people = emails(5)
    knows(engine, *people)
    right = integration.passcode
    Integration.objects.update(passcode=Secret("WRO-NG-PASS"))
    log.append(integration.app, installs_of(shouted(people)))
    deliver(integration.pk)
    refused = status_of(integration).hold.reason
    confirmed = integration.identities_confirmed_at

    Integration.objects.update(passcode=right)
    lifecycle.apply_new_settings(integration)
    deliver(integration.pk)

    assert (refused, confirmed) == ("credentials_refused", None)
    assert status_of(integration).hold.reason == "identity_letter_case"


def test_an_account_that_lets_nobody_look_is_asked_until_it_takes_an_upload(
    engine, integration
):
    engine.switch(faults=(Fault(status=401, only="reads", times=None),))
    log.append(integration.app, installs_of(NOBODY[:3]))
    deliver(integration.pk)
    first = status_of(integration).delivered, integration.identities_confirmed_at
    log.append(integration.app, installs_of(NOBODY[3:6]))

    deliver(integration.pk)

    assert first == (3, None)
    assert status_of(integration).delivered == 6
    assert integration.identities_confirmed_at is not None


def test_one_upload_at_a_time_while_identities_are_looked_up(engine, integration):
    log.append(integration.app, installs_of(emails(1500)))

    first, second = claimed(integration), claim_next(integration.pk)

    assert first.upload.first == 1
    assert second is None


def test_answers_about_settings_that_changed_meanwhile_decide_nothing(
    engine, integration
):
    log.append(integration.app, installs_of(NOBODY))
    claim = claimed(integration)
    mapped = map_upload.map_upload(claim)
    Integration.objects.update(identity_provider="custom_id")

    assert canary.try_canary(claim, mapped) is False

    integration.refresh_from_db()
    assert (integration.hold_reason, integration.identities_unknown) == ("", 0)
    upload = Upload.objects.get()
    assert (upload.leased_until, upload.idle_claims) == (None, 0)


def test_whoever_lost_the_lease_while_looking_up_changes_nothing(engine, integration):
    log.append(integration.app, installs_of(NOBODY))
    late = claimed(integration)
    mapped = map_upload.map_upload(late)
    Upload.objects.update(leased_until=clock.read_now() - timedelta(seconds=1))
    slots.clear_slots()
    current = claimed(integration)

    assert canary.try_canary(late, mapped) is False

    integration.refresh_from_db()
    assert (integration.hold_reason, integration.identities_unknown) == ("", 0)
    assert Upload.objects.get().leased_until == current.upload.leased_until


def test_a_worker_that_dies_after_the_answers_leaves_the_upload_to_the_next(
    engine, integration
):
    people = emails(30)
    knows(engine, *people)
    log.append(integration.app, installs_of(people))
    failpoints.arm_failpoints(
        failpoints.parse_failpoints(["identities.answered=raise"])
    )
    with pytest.raises(failpoints.FailpointError):
        deliver(integration.pk)
    Upload.objects.update(leased_until=clock.read_now() - timedelta(seconds=1))

    deliver(integration.pk)

    status = status_of(integration)
    assert (status.delivered, status.unknown_outcomes) == (30, 0)
    assert integration.identities_known == 30


def test_no_identity_is_logged(engine, integration, caplog):
    caplog.set_level("DEBUG")
    log.append(integration.app, installs_of(NOBODY))

    deliver(integration.pk)
    lifecycle.confirm_identities(integration)
    deliver(integration.pk)

    assert caplog.records
    assert "nobody-1@example.com" not in everything_in(caplog)
    assert engine.account().passcode not in everything_in(caplog)


def test_after_the_confirmation_a_dry_run_goes_first(engine, integration):
    log.append(integration.app, installs_of(NOBODY))
    deliver(integration.pk)

    lifecycle.confirm_identities(integration)

    slots.clear_slots()
    assert isinstance(claim_next(integration.pk), ProbeClaim)
