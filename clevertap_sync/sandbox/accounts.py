"""The sandbox's accounts: one for each location, with a passcode that is no secret.

Pure. Reference: https://developer.clevertap.com/docs/authentication
"""

from collections.abc import Mapping
from typing import NamedTuple

from clevertap_sync.locations import Location
from clevertap_sync.sandbox.answers import (
    WRONG_ACCOUNT,
    WRONG_PASSCODE,
    Answer,
)


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


def authenticate(location: Location, headers: Mapping[str, str]) -> Answer | None:
    """Return what CleverTap answers to wrong credentials, or None if they are right.

    `headers` are by lower-case name. An account of another location is as unknown here as one that never existed.
    """
    account = ACCOUNTS[location]
    if headers.get("x-clevertap-account-id") != account.account_id:
        return WRONG_ACCOUNT
    if headers.get("x-clevertap-passcode") != account.passcode:
        return WRONG_PASSCODE
    return None
