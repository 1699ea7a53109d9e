"""Find the cause of a hold for refused credentials, once, right after the hold.

CleverTap is asked without a transaction and without a database connection. Meanwhile this
worker leases the hold's probe, so that no other worker looks for the same cause. If this
worker dies, the cause stays unknown, and the next refused probe looks for it again.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from clevertap_sync.clevertap.account_fault_search import (
    CredentialsPast,
    DetectedFault,
    find_account_fault,
)
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
)
from clevertap_sync.delivery.account_lock import lock_account
from clevertap_sync.insight.passcode_expiry import find_expiry
from clevertap_sync.models import Attempt, Integration, PasscodeKind
from clevertap_sync.process import clock, stopping
from clevertap_sync.process.account_access import read_credentials
from referrals import failpoints
from referrals.database_connection import give_connection_back
from referrals.failpoints import Place


def save_hold_cause(asked: Integration, error: CleverTapError | None) -> None:
    """Find out which of the credentials of `asked` is wrong, and save that as the hold cause.

    Does nothing where the error is another one, the cause is known, or another worker looks
    for it.
    """
    if not isinstance(error, AuthenticationError | CredentialsError):
        return
    held = None if stopping.is_stopping() else _lease_probe_of_hold(asked, error)
    if held is None:
        return
    credentials, past = read_credentials(held), _read_past(held)
    give_connection_back()
    culprit = find_account_fault(credentials, error, past)
    failpoints.reach_failpoint(Place.CAUSE_FOUND)
    _write_cause(held, culprit)


def note_new_credentials(integration: Integration) -> tuple[str, ...]:
    """Note that the credentials are new as of now. Return the fields to save."""
    integration.credentials_since = clock.read_now()
    return ("credentials_since",)


def _lease_probe_of_hold(
    asked: Integration, error: CleverTapError
) -> Integration | None:
    """Lease the hold's probe, unless another worker has it or the cause is known.

    None also where the credentials were replaced meanwhile: the answer was about the old
    ones.
    """
    with transaction.atomic():
        lock_account(asked.pk)
        held = Integration.objects.select_related("account").get(pk=asked.pk)
        now = clock.read_now()
        is_open = held.hold_reason == error.code and not held.hold_cause
        is_taken = held.probe_leased_until is not None and held.probe_leased_until > now
        is_same = (held.account_id, held.passcode) == (asked.account_id, asked.passcode)
        if not is_open or is_taken or not is_same:
            return None
        held.probe_token += 1
        held.probe_leased_until = now + timedelta(seconds=settings.LEASE_SECONDS)
        held.save(update_fields=["probe_token", "probe_leased_until"])
    return held


def _read_past(held: Integration) -> CredentialsPast:
    accepted = Attempt.objects.filter(integration=held, outcome="ok")
    if held.credentials_since is not None:
        accepted = accepted.filter(began_at__gt=held.credentials_since)
    expiry = find_expiry(held, clock.read_now())
    return CredentialsPast(
        were_accepted=accepted.exists(),
        is_user_passcode=held.passcode_kind == PasscodeKind.USER,
        has_expired=expiry is not None and expiry.is_over,
    )


def _write_cause(held: Integration, culprit: DetectedFault) -> None:
    """Save the cause, if the hold is still the same one."""
    with transaction.atomic():
        lock_account(held.pk)
        same = Integration.objects.filter(
            pk=held.pk,
            hold_reason=held.hold_reason,
            hold_changed_at=held.hold_changed_at,
            probe_token=held.probe_token,
        )
        same.update(
            hold_cause=culprit.fault, hold_hint=culprit.hint, probe_leased_until=None
        )
