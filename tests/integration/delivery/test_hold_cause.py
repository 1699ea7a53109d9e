"""The cause of a hold: found out once, by the worker, and gone with the hold."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from clevertap_sync.clevertap.account_faults import AccountFault, describe_hold_cause
from clevertap_sync.clevertap.errors import AuthenticationError
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import hold_cause, lifecycle
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Integration, PasscodeKind
from clevertap_sync.process import clock
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from referrals import failpoints, log
from referrals.secret import Secret
from tests.builders import a_sent_event, an_account, an_integration
from tests.integration.delivery.conftest import begun, fails, status_of
from tests.integration.threads import Worker
from tests.logs import everything_in

pytestmark = pytest.mark.django_db

WRONG = "WRO-NG-PASS"
REFUSED = AuthenticationError("Account ID is not valid", status=401)


@pytest.fixture(autouse=True)
def _held_for_long(settings):
    """Let no dry run come by itself: each test sends its own."""
    settings.LONGEST_HOLD_SECONDS = 3_600


def misplaced():
    """Return an integration at Singapore of the account that Europe has."""
    account_id = ACCOUNTS[Location.EU1].account_id
    return an_integration(account=an_account(Location.SG1, account_id=account_id))


def refuse(integration, **changes):
    """Change it to what CleverTap refuses, and deliver one event of its app."""
    for name, value in changes.items():
        setattr(integration, name, value)
    integration.save(update_fields=list(changes))
    log.append(integration.app, [a_sent_event()])
    deliver(integration.pk)
    integration.refresh_from_db()


def probe(integration):
    """Send the dry run of a held integration now."""
    Integration.objects.update(held_until=clock.read_now())
    deliver(integration.pk)
    integration.refresh_from_db()


def found(integration):
    return integration.hold_cause, integration.hold_hint


def test_a_wrong_passcode_is_named_by_status_and_command(sandbox, integration):
    refuse(integration, passcode=Secret(WRONG))

    hold = status_of(integration).hold
    assert found(integration) == ("wrong_passcode", "")
    assert (hold.reason, hold.cause.field) == ("credentials_refused", "passcode")
    output = StringIO()
    call_command("delivery_status", "--json", stdout=output)
    [row] = json.loads(output.getvalue())
    assert row["hold"]["cause"] == {
        "fault": "wrong_passcode",
        "sentence": "CleverTap knows the account, and refuses the passcode.",
        "remedy": hold.cause.remedy,
        "field": "passcode",
    }
    output = StringIO()
    call_command("delivery_status", stdout=output)
    assert hold.cause.sentence in output.getvalue()
    assert WRONG not in output.getvalue()


def test_a_wrong_location_comes_with_the_right_one(sandbox):
    integration = misplaced()

    refuse(integration)

    assert found(integration) == ("wrong_location", "eu1")
    assert describe_hold_cause(integration).remedy == "Change the location to Europe."


def test_a_test_that_was_left_out_comes_with_the_right_account_id(sandbox, integration):
    sandbox.switch(test_account=True)

    refuse(integration)

    assert found(integration) == ("test_prefix_missing", "TEST-DEM-EU1-0001")


@pytest.mark.parametrize(
    ("kind", "cause_of_it"),
    [
        (PasscodeKind.USER, "passcode_expired"),
        (PasscodeKind.ACCOUNT, "wrong_passcode"),
    ],
)
def test_what_was_accepted_before_is_not_looked_for_elsewhere(
    sandbox, integration, kind, cause_of_it
):
    refuse(integration, passcode_kind=kind)
    sandbox.switch(faults=(Fault(status=401, times=None),))

    refuse(integration)

    assert found(integration) == (cause_of_it, "")
    assert len(sandbox.requests()) == 2


def test_what_was_accepted_with_another_passcode_says_nothing_of_this_one(
    sandbox, integration
):
    refuse(integration)
    integration.passcode_kind = PasscodeKind.USER
    integration.passcode = Secret(WRONG)
    columns = [
        "passcode",
        "passcode_kind",
        *hold_cause.note_new_credentials(integration),
    ]
    integration.save(update_fields=columns)

    refuse(integration)

    assert found(integration) == ("wrong_passcode", "")


def test_a_last_day_that_has_passed_is_an_expired_passcode(sandbox, integration):
    yesterday = datetime.now(UTC).date() - timedelta(days=2)

    refuse(
        integration,
        passcode=Secret(WRONG),
        passcode_kind=PasscodeKind.USER,
        passcode_expires_on=yesterday,
    )

    assert found(integration) == ("passcode_expired", "")
    assert len(sandbox.requests()) == 1


def test_a_passcode_that_no_key_decrypts_is_no_refusal(sandbox, integration, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-the-one-it-was-saved-with"]

    refuse(integration)

    hold = status_of(integration).hold
    assert (hold.reason, hold.cause.fault) == ("unreadable_passcode",) * 2
    assert hold.cause.sentence == (
        "No key in FIELD_ENCRYPTION_KEYS decrypts the passcode, so CleverTap was not asked."
    )
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("passcode", "reason", "cause_of_it"),
    [
        ("", "no_passcode", ("no_passcode", "")),
        ("with blank", "credentials_unusable", ("wrong_passcode", "unsendable")),
    ],
)
def test_a_passcode_that_can_be_none_is_no_refusal(
    sandbox, integration, passcode, reason, cause_of_it
):
    refuse(integration, passcode=Secret(passcode))

    assert (integration.hold_reason, found(integration)) == (reason, cause_of_it)
    assert sandbox.requests() == []


def test_it_is_looked_for_once_in_a_hold(sandbox):
    integration = misplaced()
    refuse(integration)
    asked = len(sandbox.requests())

    probe(integration)

    assert found(integration) == ("wrong_location", "eu1")
    assert len(sandbox.requests()) == asked + 1


def test_answers_that_come_at_the_same_time_look_for_it_once(sandbox):
    integration = misplaced()
    log.append(integration.app, [a_sent_event() for _ in range(1_500)])
    parallel = [begun(integration) for _ in range(3)]
    for attempt in parallel:
        fails(attempt, REFUSED)

    for claim, _, _ in parallel:
        hold_cause.save_hold_cause(claim.integration, REFUSED)

    integration.refresh_from_db()
    assert found(integration) == ("wrong_location", "eu1")
    assert len(sandbox.requests()) == 7


@pytest.mark.django_db(transaction=True)
def test_nobody_looks_beside_the_one_who_does(sandbox):
    integration = misplaced()
    sandbox.switch(Location.EU1, faults=(Fault(hold="before_storing"),))
    log.append(integration.app, [a_sent_event()])
    first = Worker(deliver, integration.pk)
    sandbox.wait_for_requests(8)

    hold_cause.save_hold_cause(Integration.objects.get(), REFUSED)
    probe(integration)
    asked = len(sandbox.requests())
    sandbox.release()
    first.finish()

    integration.refresh_from_db()
    assert asked == 8
    assert found(integration) == ("wrong_location", "eu1")
    assert integration.probe_leased_until is None


@pytest.mark.django_db(transaction=True)
def test_what_is_found_of_old_settings_is_not_written(sandbox):
    integration = misplaced()
    sandbox.switch(Location.EU1, faults=(Fault(hold="before_storing"),))
    log.append(integration.app, [a_sent_event()])
    worker = Worker(deliver, integration.pk)
    sandbox.wait_for_requests(8)
    Integration.objects.update(account=an_account(Location.EU1))

    lifecycle.apply_new_settings(integration)
    lifecycle.pause_integration(integration)
    sandbox.release()
    worker.finish()

    integration.refresh_from_db()
    assert (integration.hold_reason, found(integration)) == (
        "credentials_refused",
        ("", ""),
    )
    assert integration.hold_probes


def test_an_answer_to_replaced_credentials_is_not_read_for_the_new_ones(
    sandbox, integration
):
    refuse(integration, passcode=Secret(WRONG))
    old = Integration.objects.select_related("account").get()
    Integration.objects.update(hold_cause="", passcode=Secret("OTH-ER-PASS"))
    asked = len(sandbox.requests())

    hold_cause.save_hold_cause(
        old, AuthenticationError("Invalid Credentials", status=401)
    )

    integration.refresh_from_db()
    assert found(integration) == ("", "")
    assert len(sandbox.requests()) == asked


def test_new_settings_have_it_looked_for_again(sandbox, integration):
    refuse(integration, passcode=Secret(WRONG))
    Integration.objects.update(account=an_account(account_id="ABC-DEF-123Z"))

    lifecycle.apply_new_settings(integration)
    forgotten = found(integration)
    deliver(integration.pk)

    integration.refresh_from_db()
    assert forgotten == ("", "")
    assert found(integration) == ("wrong_account_id", "")


def test_it_goes_with_the_hold(sandbox, integration):
    refuse(integration, passcode=Secret(WRONG))
    Integration.objects.update(passcode=Secret(ACCOUNTS[Location.EU1].passcode))

    probe(integration)

    assert (integration.hold_reason, found(integration)) == ("", ("", ""))


def test_another_reason_has_not_the_cause_of_the_first(sandbox, integration):
    refuse(integration, passcode=Secret(WRONG))
    Integration.objects.update(passcode=Secret(ACCOUNTS[Location.EU1].passcode))
    sandbox.switch(faults=(Fault(status=404, times=None),))

    probe(integration)

    assert (integration.hold_reason, found(integration)) == ("wrong_address", ("", ""))


def test_a_worker_that_dies_over_it_leaves_it_to_the_next_dry_run(sandbox):
    integration = misplaced()
    failpoints.arm_failpoints(failpoints.parse_failpoints(["cause.found=raise"]))
    with pytest.raises(failpoints.FailpointError):
        refuse(integration)
    Integration.objects.update(probe_leased_until=clock.read_now())
    integration.refresh_from_db()
    before = integration.hold_reason, found(integration)

    probe(integration)

    assert before == ("credentials_refused", ("", ""))
    assert found(integration) == (AccountFault.WRONG_LOCATION, "eu1")


def test_no_passcode_is_logged(sandbox, integration, caplog):
    caplog.set_level("DEBUG")

    refuse(integration, passcode=Secret(WRONG))

    assert caplog.records
    assert WRONG not in everything_in(caplog)
