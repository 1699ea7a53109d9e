"""The sandbox's accounts: one for each location, with a passcode that is no secret.

Pure. Reference: https://developer.clevertap.com/docs/authentication
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.answers import (
    BLOCKED_ACCOUNT,
    WRONG_ACCOUNT,
    WRONG_PASSCODE,
    Answer,
)
from clevertap_sync.sandbox.rules import Rules


class SandboxAccount(NamedTuple):
    """Credentials in CleverTap's shapes, valid in the sandbox only."""

    account_id: str
    passcode: str


def _make_account(location: Location) -> SandboxAccount:
    """Return the account of a location, in the length that CleverTap's have."""
    letters = location.value[:3].upper()
    return SandboxAccount(f"DEM-{letters}-0001", f"SBX-{letters}-PASS")


ACCOUNTS: Final = {location: _make_account(location) for location in Location}

# What an account is answered that is not known at a location.
_UNKNOWN = {
    "told": WRONG_ACCOUNT,
    "alike": WRONG_PASSCODE,
    "blocked": BLOCKED_ACCOUNT,
}


def authenticate(
    location: Location, headers: Mapping[str, str], rules: Rules
) -> Answer | None:
    """Return what CleverTap answers to wrong credentials, or None if they are right.

    `headers` are by lower-case name. An account of another location is as unknown here as
    one that never existed; `rules.refused_credentials` has how that is worded.
    """
    account = ACCOUNTS[location]
    account_id = (
        f"TEST-{account.account_id}" if rules.test_account else account.account_id
    )
    if headers.get("x-clevertap-account-id") != account_id:
        return _UNKNOWN[rules.refused_credentials]
    if headers.get("x-clevertap-passcode") != account.passcode:
        return WRONG_PASSCODE
    return None
