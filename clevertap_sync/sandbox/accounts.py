"""The sandbox's accounts: one for each location, with a passcode that is no secret.

Pure. Reference: https://developer.clevertap.com/docs/authentication
"""

from collections.abc import Mapping
from typing import NamedTuple

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


ACCOUNTS: dict[Location, SandboxAccount] = {
    Location.EU1: SandboxAccount("DEM-EU1-0001", "SBX-EU1-PASS"),
    Location.IN1: SandboxAccount("DEM-IN1-0001", "SBX-IN1-PASS"),
    Location.SG1: SandboxAccount("DEM-SG1-0001", "SBX-SG1-PASS"),
    Location.US1: SandboxAccount("DEM-US1-0001", "SBX-US1-PASS"),
    Location.APS3: SandboxAccount("DEM-APS-0001", "SBX-APS-PASS"),
    Location.MEC1: SandboxAccount("DEM-MEC-0001", "SBX-MEC-PASS"),
    Location.SK1: SandboxAccount("DEM-SK1-0001", "SBX-SK1-PASS"),
}

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
