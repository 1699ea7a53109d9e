"""Finds which of account ID, passcode and location CleverTap refuses.

The answer's wording and earlier successes often suffice. Where they do not, one dry run
goes to each other location, and one to the account ID's twin, with or without `TEST-`.
A dry run stores nothing, and goes only to hosts that `find_base_url` returns.

Pure: imports no framework. CleverTap documents its statuses, but not its wordings.
`connection_check` interprets them, and where a wording could mean two faults, it alone
decides nothing.
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
    """The fault of the credentials. `hint` is the right value, where one was found."""

    fault: AccountFault
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CredentialsPast:
    """What we know about the credentials from before the refusal."""

    #: CleverTap accepted the very same account ID, passcode and location.
    were_accepted: bool = False
    #: It is a user passcode, which CleverTap lets expire.
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

    No answer of CleverTap raises an error. Other locations are asked only where the
    answer and the past leave the fault open.
    """
    if isinstance(refusal, CredentialsError):
        return _read_unsent_error(refusal)
    result = diagnose_error(refusal, credentials.location, 0.0).result
    if fault := _judge_answer(refusal, result, past):
        return fault
    return _ask_elsewhere(credentials, result, seconds)


def _read_unsent_error(error: CredentialsError) -> DetectedFault:
    """Return the fault because of which no request was sent."""
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
    """Return the fault that the answer and the past prove; None where they prove none.

    An account ID that is unknown at this location may be right at another. A 403 is
    about permissions, so an earlier success proves nothing about it.
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
    """Check the other locations and the account ID's twin, all at once."""
    locations = _list_other_locations(credentials)
    twin = _find_twin_id(credentials.account_id)
    asked = [
        *(replace(credentials, location=location) for location in locations),
        replace(credentials, account_id=twin),
    ]
    with ThreadPoolExecutor(len(asked), thread_name_prefix="suspects") as pool:
        *elsewhere, twin_diagnosis = pool.map(
            lambda each: check_credentials(each, seconds=seconds), asked
        )
    for location, diagnosis in zip(locations, elsewhere, strict=True):
        if diagnosis.is_good:
            return DetectedFault(AccountFault.WRONG_LOCATION, location.value)
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
    """Return the locations with another host than ours: a proxy may serve all of them."""
    here = find_base_url(credentials.location, credentials.template)
    return [
        location
        for location in Location
        if find_base_url(location, credentials.template) != here
    ]


def _find_twin_id(account_id: str) -> str:
    """Return the account ID with `TEST-` before it, or without it if it has one."""
    if account_id.startswith(_TEST):
        return account_id.removeprefix(_TEST)
    return _TEST + account_id


def _judge_unknown(
    elsewhere: Mapping[Location, Diagnosis], twin: str, twin_diagnosis: Diagnosis
) -> DetectedFault:
    """Return the fault where CleverTap calls the account ID unknown at its location.

    No other location took the credentials. If exactly one refuses the passcode, and all
    others call the account unknown, the account is there, and two values are wrong.
    """
    others = {
        **{location.value: diagnosis for location, diagnosis in elsewhere.items()},
        twin: twin_diagnosis,
    }
    known = [
        hint
        for hint, diagnosis in others.items()
        if diagnosis.result is not CheckResult.ACCOUNT_UNKNOWN
    ]
    if not known:
        return DetectedFault(AccountFault.WRONG_ACCOUNT_ID)
    if len(known) > 1 or others[known[0]].result is not CheckResult.PASSCODE_REFUSED:
        return DetectedFault(AccountFault.UNCLEAR)
    if known == [twin]:
        return DetectedFault(AccountFault.WRONG_ACCOUNT_ID_AND_PASSCODE, twin)
    return DetectedFault(AccountFault.WRONG_LOCATION_AND_PASSCODE, known[0])


def _judge_known(result: CheckResult, others: Iterable[Diagnosis]) -> AccountFault:
    """Return the fault where CleverTap may know the account ID at its location.

    No other location took the credentials, but one that did not answer might have. If
    CleverTap calls the account ID unknown elsewhere and not here, it knows it here.
    """
    others = list(others)
    if not all(other.is_about_credentials for other in others):
        return AccountFault.UNCLEAR
    is_known_here = any(other.result is CheckResult.ACCOUNT_UNKNOWN for other in others)
    if result is CheckResult.PASSCODE_REFUSED and is_known_here:
        return AccountFault.WRONG_PASSCODE
    return AccountFault.UNCLEAR
