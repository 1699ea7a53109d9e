"""Account ID, passcode, location: which of the three is it that CleverTap refuses?

By the answer's wording and by what was accepted before; where these do not tell, by one
dry run at each other location, and one with `TEST-` put before the account ID or left
out. Every one of them goes where `find_base_url` says, and nothing is ever stored by it.

Pure: imports no framework. CleverTap documents its statuses, not its wordings: what is
made of them stands in `connection_check`, and no wording alone decides where the same one is
imaginable for two faults.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, TypeAlias

from clevertap_sync.clevertap.account_faults import UNSENDABLE, AccountFault
from clevertap_sync.clevertap.connection_check import (
    CHECK_SECONDS,
    CheckResult,
    Credentials,
    Diagnosis,
    check_credentials,
    diagnose_error,
)
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CredentialsError,
    NoPasscodeError,
    UnreadablePasscodeError,
)
from clevertap_sync.clevertap.locations import Location, find_base_url

CredentialsRefusal: TypeAlias = AuthenticationError | CredentialsError

_TEST: Final = "TEST-"


@dataclass(frozen=True, slots=True)
class DetectedFault:
    """What is wrong. `hint` is what is right instead, where that was found."""

    fault: AccountFault
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CredentialsPast:
    """What is known of the credentials from before the refusal."""

    #: CleverTap accepted the very same account ID, passcode and location.
    were_accepted: bool = False
    #: The passcode is a person's, which CleverTap lets expire.
    is_user_passcode: bool = False
    #: Its last day has passed.
    has_expired: bool = False


def find_account_fault(
    credentials: Credentials,
    refusal: CredentialsRefusal,
    past: CredentialsPast,
    *,
    seconds: float = CHECK_SECONDS,
) -> DetectedFault:
    """Return which part of refused credentials is wrong. Ends within about `seconds`.

    Never raises for what CleverTap does. Asks elsewhere only where answer and past do
    not tell.
    """
    if isinstance(refusal, CredentialsError):
        return _read_unsent_error(refusal)
    result = diagnose_error(refusal, credentials.location, 0.0).result
    if fault := _judge_answer(refusal, result, past):
        return fault
    return _ask_elsewhere(credentials, result, seconds)


def _read_unsent_error(error: CredentialsError) -> DetectedFault:
    """Read why nothing was sent."""
    match error:
        case UnreadablePasscodeError():
            return DetectedFault(AccountFault.UNREADABLE_PASSCODE)
        case NoPasscodeError():
            return DetectedFault(AccountFault.NO_PASSCODE)
    is_about_account = "account id" in error.detail.casefold()
    fault = (
        AccountFault.WRONG_ACCOUNT_ID
        if is_about_account
        else AccountFault.WRONG_PASSCODE
    )
    return DetectedFault(fault, UNSENDABLE)


def _judge_answer(
    refusal: AuthenticationError, result: CheckResult, past: CredentialsPast
) -> DetectedFault | None:
    """Return what answer and past tell, if they do.

    An account ID that is not known here may be right elsewhere. A 403 is about what one
    may do, so that it says nothing of what was accepted before.
    """
    if result is CheckResult.ACCOUNT_UNKNOWN:
        return None
    was_accepted = past.were_accepted and refusal.status != HTTPStatus.FORBIDDEN
    if past.has_expired or (was_accepted and past.is_user_passcode):
        return DetectedFault(AccountFault.PASSCODE_EXPIRED)
    if was_accepted or "passcode" in refusal.detail.casefold():
        return DetectedFault(AccountFault.WRONG_PASSCODE)
    return None


def _ask_elsewhere(
    credentials: Credentials, result: CheckResult, seconds: float
) -> DetectedFault:
    """Ask the other locations, and for the account ID's twin, all at once."""
    locations = _list_other_locations(credentials)
    twin = _find_twin_id(credentials.account_id)
    asked = [
        *(replace(credentials, location=place) for place in locations),
        replace(credentials, account_id=twin),
    ]
    with ThreadPoolExecutor(len(asked), thread_name_prefix="suspects") as pool:
        *elsewhere, twin_diagnosis = pool.map(
            lambda each: check_credentials(each, seconds=seconds), asked
        )
    for place, diagnosis in zip(locations, elsewhere, strict=True):
        if diagnosis.is_good:
            return DetectedFault(AccountFault.WRONG_LOCATION, place.value)
    if twin_diagnosis.is_good:
        is_test = twin.startswith(_TEST)
        return DetectedFault(
            AccountFault.TEST_PREFIX_MISSING
            if is_test
            else AccountFault.WRONG_ACCOUNT_ID,
            twin,
        )
    if result is CheckResult.ACCOUNT_UNKNOWN:
        return _judge_unknown(
            dict(zip(locations, elsewhere, strict=True)), twin, twin_diagnosis
        )
    return DetectedFault(_judge_known(result, [*elsewhere, twin_diagnosis]))


def _list_other_locations(credentials: Credentials) -> Sequence[Location]:
    """Return the locations that another host answers for: a proxy may be all of them."""
    here = find_base_url(credentials.location, credentials.template)
    return [
        place
        for place in Location
        if find_base_url(place, credentials.template) != here
    ]


def _find_twin_id(account_id: str) -> str:
    """Return the test account's ID of an account, or the account's of a test account."""
    if account_id.startswith(_TEST):
        return account_id.removeprefix(_TEST)
    return _TEST + account_id


def _judge_unknown(
    elsewhere: Mapping[Location, Diagnosis], twin: str, twin_diagnosis: Diagnosis
) -> DetectedFault:
    """Return what the answers mean where CleverTap calls the account ID unknown here.

    None of them took the credentials. If one alone is about the passcode, and all others
    say unknown too, then that is where the account is, and two things are wrong.
    """
    others = {
        **{place.value: seen for place, seen in elsewhere.items()},
        twin: twin_diagnosis,
    }
    known = [
        hint
        for hint, seen in others.items()
        if seen.result is not CheckResult.ACCOUNT_UNKNOWN
    ]
    if not known:
        return DetectedFault(AccountFault.WRONG_ACCOUNT_ID)
    if len(known) > 1 or others[known[0]].result is not CheckResult.PASSCODE_REFUSED:
        return DetectedFault(AccountFault.UNCLEAR)
    if known == [twin]:
        return DetectedFault(AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE, twin)
    return DetectedFault(AccountFault.WRONG_LOCATION_AND_PASSCODE, known[0])


def _judge_known(result: CheckResult, others: Iterable[Diagnosis]) -> AccountFault:
    """Return what the answers mean where CleverTap may know the account ID here.

    None of them took the credentials; who did not answer may have taken them. Where
    CleverTap calls the account ID unknown anywhere else, but not here, it knows it here.
    """
    others = list(others)
    if not all(other.is_about_credentials for other in others):
        return AccountFault.UNCLEAR
    is_known_here = any(other.result is CheckResult.ACCOUNT_UNKNOWN for other in others)
    if result is CheckResult.PASSCODE_REFUSED and is_known_here:
        return AccountFault.WRONG_PASSCODE
    return AccountFault.UNCLEAR
