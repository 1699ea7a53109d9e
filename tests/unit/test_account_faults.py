"""Every cause of a refusal has its words, and the field that mends it."""

from types import SimpleNamespace

import pytest

from clevertap_sync.clevertap.account_faults import (
    UNSENDABLE,
    AccountFault,
    describe_fault,
    describe_hold_cause,
)
from clevertap_sync.clevertap.hold_reasons import describe_hold

FIELDS = {
    AccountFault.WRONG_ACCOUNT_ID: "account_id",
    AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE: "account_id",
    AccountFault.WRONG_PASSCODE: "passcode",
    AccountFault.WRONG_LOCATION: "location",
    AccountFault.WRONG_LOCATION_AND_PASSCODE: "location",
    AccountFault.TEST_PREFIX_MISSING: "account_id",
    AccountFault.PASSCODE_EXPIRED: "passcode",
    AccountFault.UNREADABLE_PASSCODE: "passcode",
    AccountFault.NO_PASSCODE: "passcode",
    AccountFault.UNCLEAR: "account_id",
}
HINTS = {
    AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE: "TEST-ABC-DEF-123Z",
    AccountFault.WRONG_LOCATION: "in1",
    AccountFault.WRONG_LOCATION_AND_PASSCODE: "in1",
    AccountFault.TEST_PREFIX_MISSING: "TEST-ABC-DEF-123Z",
}


def held(cause="", hint=""):
    return SimpleNamespace(hold_cause=cause, hold_hint=hint)


@pytest.mark.parametrize("fault", AccountFault)
def test_each_is_a_sentence_a_remedy_and_a_field(fault):
    cause = describe_hold_cause(held(fault.value, HINTS.get(fault, "")))

    assert (cause.fault, cause.field) == (fault, FIELDS[fault])
    assert cause.sentence.endswith(".")
    assert cause.remedy.endswith(".")
    assert "{" not in cause.sentence + cause.remedy


@pytest.mark.parametrize("code", ["", "unheard_of"])
def test_there_is_none_where_nobody_has_found_it_out(code):
    assert describe_hold_cause(held(code)) is None


def test_the_right_location_is_named_as_people_know_it():
    cause = describe_fault(AccountFault.WRONG_LOCATION, "in1")

    assert cause.sentence == (
        "CleverTap stores the account in India, not where the settings say."
    )
    assert cause.remedy == "Change the location to India."


def test_the_right_account_id_is_named():
    missing = describe_fault(AccountFault.TEST_PREFIX_MISSING, "TEST-ABC-DEF-123Z")
    too_many = describe_fault(AccountFault.WRONG_ACCOUNT_ID, "ABC-DEF-123Z")

    assert missing.sentence.endswith(
        "CleverTap takes this passcode for TEST-ABC-DEF-123Z."
    )
    assert too_many.sentence == (
        "The account ID has a TEST- too many: CleverTap takes this passcode for "
        "ABC-DEF-123Z."
    )


@pytest.mark.parametrize(
    "fault", [AccountFault.WRONG_ACCOUNT_ID, AccountFault.WRONG_PASSCODE]
)
def test_what_was_never_sent_is_no_refusal(fault):
    sentence = describe_fault(fault, UNSENDABLE).sentence

    assert sentence.endswith("so CleverTap was not asked.")
    assert "refuses" not in sentence


@pytest.mark.parametrize(
    "fault", [AccountFault.UNREADABLE_PASSCODE, AccountFault.NO_PASSCODE]
)
def test_a_reason_that_is_a_cause_has_the_same_words(fault):
    cause = describe_fault(fault)

    assert describe_hold(fault) == (cause.sentence, cause.remedy)
    assert "CleverTap was not asked" in cause.sentence


def test_a_hold_is_worded_by_its_cause():
    cause = describe_fault(AccountFault.WRONG_LOCATION, "in1")

    assert describe_hold("credentials_refused", cause) == (cause.sentence, cause.remedy)
    assert describe_hold("credentials_refused")[0].startswith("CleverTap refuses")
