"""Begin and end an integration's hold, and change the account's in-flight limit.

The caller has locked the account. An answer changes this state only if its attempt began
after the state last changed: five parallel 503s are one failure, and a late 401 for the
old passcode does not hold the new one.
"""

from datetime import datetime, timedelta

from clevertap_sync.clevertap.account_faults import AccountFault
from clevertap_sync.clevertap.hold_reasons import ABOUT_IDENTITIES
from clevertap_sync.models import Account, Integration

CLEAN_SECONDS = 30

_HOLD_FIELDS = [
    "hold_reason",
    "hold_cause",
    "hold_hint",
    "held_since",
    "held_until",
    "hold_changed_at",
    "hold_probes",
    "failures",
    "probe_leased_until",
]


def may_change_hold(integration: Integration, began_at: datetime) -> bool:
    """Return whether an attempt that began then is newer than the last change of the state."""
    changed_at = integration.hold_changed_at
    return changed_at is None or began_at > changed_at


def hold_delivery(
    integration: Integration, *, reason: str, delay: float, probe: bool, now: datetime
) -> None:
    """Stop delivery for `delay` seconds; with `probe`, a dry run has to succeed first."""
    integration.held_since = integration.held_since or now
    _set_reason(integration, reason)
    integration.held_until = now + timedelta(seconds=delay)
    integration.hold_probes = probe
    integration.failures += 1
    integration.hold_changed_at = now
    integration.probe_leased_until = None
    integration.save(update_fields=_HOLD_FIELDS)


def hold_for_person(integration: Integration, *, reason: str, now: datetime) -> None:
    """Stop delivery until a person decides: neither time nor a dry run ends this hold."""
    integration.held_since = integration.held_since or now
    _set_reason(integration, reason)
    integration.held_until = None
    integration.hold_probes = False
    integration.hold_changed_at = now
    integration.probe_leased_until = None
    integration.save(update_fields=_HOLD_FIELDS)


def is_waiting_for_person(integration: Integration) -> bool:
    """Return whether neither time nor a dry run may end the hold."""
    is_about_identities = integration.hold_reason in ABOUT_IDENTITIES
    return is_about_identities and integration.identities_are_doubted


def is_hold_over(integration: Integration, now: datetime) -> bool:
    """Return whether the hold's time is up, so that a probe or an upload may be tried."""
    if is_waiting_for_person(integration):
        return False
    return integration.held_until is None or integration.held_until <= now


def require_probe(integration: Integration, *, reason: str, now: datetime) -> None:
    """Require an answered dry run before the next upload, whenever the attempt began.

    An earlier answer does not justify sending an upload of unknown outcome again. A hold
    that exists goes on with its own reason.
    """
    if integration.hold_probes:
        return
    integration.held_since = integration.held_since or now
    integration.hold_reason = integration.hold_reason or reason
    integration.held_until = integration.held_until or now
    integration.hold_probes = True
    # The next upload goes alone, until one succeeds.
    integration.failures = max(integration.failures, 1)
    integration.hold_changed_at = now
    integration.save(update_fields=_HOLD_FIELDS)


def end_hold(integration: Integration, *, now: datetime, reset_failures: bool) -> None:
    """Let delivery go on.

    After a dry run the failures are kept, so that the backoff goes on growing until an
    upload itself succeeds.
    """
    _set_reason(integration, "")
    integration.held_since = integration.held_until = None
    integration.hold_probes = False
    integration.probe_leased_until = None
    integration.hold_changed_at = now
    if reset_failures:
        integration.failures = 0
    integration.save(update_fields=_HOLD_FIELDS)


def probe_at_once(integration: Integration, *, now: datetime) -> None:
    """Let a held integration send its dry run now: its settings changed, or a person asks.

    Attempts under way began with the old settings, so their answers no longer count. Nor
    does the hold cause that was found before.
    """
    integration.hold_changed_at = now
    integration.hold_cause = integration.hold_hint = ""
    if integration.hold_reason and not is_waiting_for_person(integration):
        integration.held_until = now
        integration.hold_probes = True
        integration.probe_leased_until = None
    integration.save(update_fields=_HOLD_FIELDS)


def _set_reason(integration: Integration, reason: str) -> None:
    """Set the hold reason. The hold cause stays as long as the reason stays the same.

    A reason that is itself an account fault is its own cause.
    """
    if reason in set(AccountFault):
        integration.hold_cause, integration.hold_hint = reason, ""
    elif integration.hold_reason != reason:
        integration.hold_cause = integration.hold_hint = ""
    integration.hold_reason = reason


def find_in_flight_limit(account: Account) -> int:
    """Return how many uploads may be in flight: the configured limit, or less after a 429."""
    return min(account.current_limit, account.in_flight_limit)


def halve_in_flight_limit(
    account: Account, *, began_at: datetime, now: datetime
) -> None:
    """Answer a 429: half as many uploads at a time."""
    if account.limit_changed_at and began_at <= account.limit_changed_at:
        return
    account.current_limit = max(1, find_in_flight_limit(account) // 2)
    account.limit_changed_at = now
    account.save(update_fields=["current_limit", "limit_changed_at"])


def raise_in_flight_limit(account: Account, *, now: datetime) -> None:
    """Allow one more upload after a clean half minute."""
    if not may_raise_in_flight_limit(account, now):
        return
    account.current_limit = min(account.in_flight_limit, account.current_limit + 1)
    account.limit_changed_at = now
    account.save(update_fields=["current_limit", "limit_changed_at"])


def may_raise_in_flight_limit(account: Account, now: datetime) -> bool:
    """Return whether the limit is lowered and has been clean for long enough."""
    if account.current_limit >= account.in_flight_limit:
        return False
    changed_at = account.limit_changed_at
    return changed_at is None or now - changed_at >= timedelta(seconds=CLEAN_SECONDS)
