"""Which part of refused credentials is wrong, however CleverTap words its refusal."""

from dataclasses import replace

import pytest

from clevertap_sync.clevertap.account_fault_search import (
    CredentialsPast,
    DetectedFault,
    find_account_fault,
)
from clevertap_sync.clevertap.account_faults import UNSENDABLE, AccountFault
from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    NoPasscodeError,
    UnreadablePasscodeError,
)
from clevertap_sync.clevertap.limits import encode_body, make_probe_record
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import Sandbox
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.faults import Fault
from referrals.secret import Secret

HERE = Location.EU1
WORDINGS = ("told", "alike", "blocked")
ACCEPTED = CredentialsPast(were_accepted=True)
ACCEPTED_USERS = CredentialsPast(were_accepted=True, is_user_passcode=True)
INVALID = AuthenticationError("Invalid Credentials", status=401)

#: For hanging only.
SECONDS = 60


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def right(sandbox):
    account = ACCOUNTS[HERE]
    return Credentials(
        HERE, account.account_id, Secret(account.passcode), sandbox.template
    )


def refusal_of(credentials):
    """Return what CleverTap answers to an upload with these credentials."""
    record = make_probe_record()
    client = credentials.make_client(SECONDS)
    with pytest.raises(CleverTapError) as caught:
        client.upload(encode_body([record]), [record])
    client.close()
    return caught.value


def found(credentials, past=None):
    refusal = refusal_of(credentials)
    return find_account_fault(
        credentials, refusal, past or CredentialsPast(), seconds=SECONDS
    )


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_wrong_location_is_found_by_asking_the_others(sandbox, right, wording):
    sandbox.switch(refused_credentials=wording)

    culprit = found(replace(right, location=Location.SG1))

    assert culprit == DetectedFault(AccountFault.WRONG_LOCATION, "eu1")
    assert len(sandbox.requests()) == 1 + len(Location)
    assert sandbox.records() == []


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_test_that_was_left_out_is_found_by_putting_it_before(
    sandbox, right, wording
):
    sandbox.switch(HERE, refused_credentials=wording, test_account=True)

    culprit = found(right)

    test_id = f"TEST-{right.account_id}"
    assert culprit == DetectedFault(AccountFault.TEST_PREFIX_MISSING, test_id)


def test_a_test_too_many_is_a_wrong_account_id_with_the_right_one(right):
    culprit = found(replace(right, account_id=f"TEST-{right.account_id}"))

    assert culprit == DetectedFault(AccountFault.WRONG_ACCOUNT_ID, right.account_id)


@pytest.mark.parametrize(
    ("wording", "fault"),
    [
        ("told", AccountFault.WRONG_ACCOUNT_ID),
        ("alike", AccountFault.UNCLEAR),
        ("blocked", AccountFault.UNCLEAR),
    ],
)
def test_an_account_id_that_nobody_knows_is_named_where_the_wording_tells(
    sandbox, right, wording, fault
):
    sandbox.switch(refused_credentials=wording)

    assert found(replace(right, account_id="ABC-DEF-123Z")) == DetectedFault(fault)


@pytest.mark.parametrize(
    ("wording", "fault"),
    [
        ("told", AccountFault.WRONG_PASSCODE),
        ("alike", AccountFault.UNCLEAR),
        ("blocked", AccountFault.UNCLEAR),
    ],
)
def test_a_wrong_passcode_is_told_by_the_others_that_do_not_know_the_account(
    sandbox, right, wording, fault
):
    sandbox.switch(refused_credentials=wording)

    assert found(replace(right, passcode=Secret("WRO-NG-PASS"))) == DetectedFault(fault)


@pytest.mark.parametrize(
    ("wording", "culprit"),
    [
        ("told", DetectedFault(AccountFault.WRONG_LOCATION_AND_PASSCODE, "eu1")),
        ("alike", DetectedFault(AccountFault.UNCLEAR)),
        # Unlike all others, which know nothing of it: but that is no known wording.
        ("blocked", DetectedFault(AccountFault.UNCLEAR)),
    ],
)
def test_a_wrong_location_with_a_wrong_passcode_accuses_not_the_account_id(
    sandbox, right, wording, culprit
):
    sandbox.switch(refused_credentials=wording)
    wrong = replace(right, location=Location.SG1, passcode=Secret("WRO-NG-PASS"))

    assert found(wrong) == culprit
    assert len(sandbox.requests()) == 1 + len(Location)


def test_a_test_that_was_left_out_with_a_wrong_passcode_names_both(sandbox, right):
    sandbox.switch(HERE, test_account=True)
    wrong = replace(right, passcode=Secret("WRO-NG-PASS"))

    assert found(wrong) == DetectedFault(
        AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE, f"TEST-{right.account_id}"
    )


def test_an_answer_that_names_the_passcode_needs_no_other_location(sandbox, right):
    refusal = AuthenticationError("Passcode is not valid", status=401)

    culprit = find_account_fault(right, refusal, CredentialsPast(), seconds=SECONDS)

    assert culprit == DetectedFault(AccountFault.WRONG_PASSCODE)
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("past", "fault"),
    [
        (ACCEPTED, AccountFault.WRONG_PASSCODE),
        (ACCEPTED_USERS, AccountFault.PASSCODE_EXPIRED),
        (
            CredentialsPast(is_user_passcode=True, has_expired=True),
            AccountFault.PASSCODE_EXPIRED,
        ),
    ],
)
def test_what_was_accepted_before_or_has_had_its_day_needs_no_other_location(
    sandbox, right, past, fault
):
    assert find_account_fault(right, INVALID, past, seconds=SECONDS) == DetectedFault(
        fault
    )
    assert sandbox.requests() == []


def test_an_account_that_was_accepted_and_is_known_no_more_is_looked_for(right):
    culprit = found(replace(right, account_id="ABC-DEF-123Z"), ACCEPTED_USERS)

    assert culprit == DetectedFault(AccountFault.WRONG_ACCOUNT_ID)


def test_what_one_may_not_do_is_no_expired_passcode(right):
    refusal = AuthenticationError("Forbidden", status=403)
    wrong = replace(right, account_id="ABC-DEF-123Z")

    culprit = find_account_fault(wrong, refusal, ACCEPTED_USERS, seconds=SECONDS)

    assert culprit == DetectedFault(AccountFault.UNCLEAR)


def test_a_location_that_does_not_answer_may_be_the_right_one(sandbox, right):
    sandbox.switch(HERE, faults=(Fault(status=503, times=None),))

    culprit = found(replace(right, location=Location.SG1))

    assert culprit == DetectedFault(AccountFault.UNCLEAR)


def test_a_proxy_that_is_every_location_is_asked_for_the_twin_alone(sandbox, right):
    template = sandbox.template.replace("{location}", "eu1")
    wrong = replace(right, passcode=Secret("WRO-NG-PASS"), template=template)

    assert found(wrong) == DetectedFault(AccountFault.WRONG_PASSCODE)
    assert len(sandbox.requests()) == 2


@pytest.mark.parametrize(
    ("error", "culprit"),
    [
        (NoPasscodeError("…"), DetectedFault(AccountFault.NO_PASSCODE)),
        (UnreadablePasscodeError(), DetectedFault(AccountFault.UNREADABLE_PASSCODE)),
        (
            CredentialsError("nothing was sent: the passcode has blanks"),
            DetectedFault(AccountFault.WRONG_PASSCODE, UNSENDABLE),
        ),
        (
            CredentialsError("nothing was sent: the account ID has blanks"),
            DetectedFault(AccountFault.WRONG_ACCOUNT_ID, UNSENDABLE),
        ),
    ],
    ids=["none", "unreadable", "odd-passcode", "odd-account"],
)
def test_what_was_never_sent_has_its_cause_without_asking(
    sandbox, right, error, culprit
):
    assert find_account_fault(right, error, ACCEPTED, seconds=SECONDS) == culprit
    assert sandbox.requests() == []
