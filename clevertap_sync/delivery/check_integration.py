"""The connection check of a stored integration. A good one lets a held integration go on.

No transaction and no connection is held while CleverTap is asked.
"""

from django.core.exceptions import ImproperlyConfigured

from clevertap_sync.clevertap import connection_check
from clevertap_sync.clevertap.connection_check import (
    CheckResult,
    Credentials,
    Diagnosis,
)
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell
from clevertap_sync.process.account_access import read_credentials
from referrals.database_connection import give_connection_back


def check_connection(integration: Integration) -> Diagnosis:
    """Check with a dry run. If it succeeds, a held integration sends its probe at once."""
    credentials = find_credentials_or_diagnosis(integration)
    if isinstance(credentials, Diagnosis):
        return credentials
    give_connection_back()
    diagnosis = connection_check.check_credentials(credentials)
    if diagnosis.is_good:
        lifecycle.apply_new_settings(integration)
        doorbell.ring_doorbell(integration.pk)
    return diagnosis


def check_all_locations(integration: Integration) -> dict[Location, Diagnosis]:
    """Check at every location. Only on a person's request: each location gets the passcode."""
    credentials = find_credentials_or_diagnosis(integration)
    if isinstance(credentials, Diagnosis):
        return dict.fromkeys(Location, credentials)
    give_connection_back()
    return connection_check.check_credentials_everywhere(credentials)


def find_credentials_or_diagnosis(integration: Integration) -> Credentials | Diagnosis:
    """Return the stored credentials, or why there are none to check."""
    try:
        if not integration.passcode or not integration.passcode.reveal():
            return _diagnose_incomplete("No passcode was entered yet.")
    except ImproperlyConfigured as error:
        return _diagnose_incomplete(str(error))
    return read_credentials(integration)


def _diagnose_incomplete(title: str) -> Diagnosis:
    return Diagnosis(
        CheckResult.INCOMPLETE,
        title,
        "Enter the passcode that CleverTap shows under Settings → Passcode.",
    )
