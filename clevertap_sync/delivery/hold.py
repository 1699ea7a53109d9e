"""Holding an integration, releasing it, and the account's in-flight limit.

Callers hold the account's lock. An answer changes this state only if its attempt began
after the state last changed: five parallel 503s are one failure, and a late 401 for
the old passcode does not hold the new one.
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
    """Return whether an attempt that began then still says something new."""
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
    """Stop delivery until a person decides: neither time nor a dry run lifts it."""
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
    """Return whether the hold's time is up, so that the next thing may be tried."""
    if is_waiting_for_person(integration):
        return False
    return integration.held_until is None or integration.held_until <= now


def require_probe(integration: Integration, *, reason: str, now: datetime) -> None:
    """Have a dry run answered before the next upload, whenever its attempt began.

    What was answered before is no ground to send an upload of unknown outcome again. A
    hold that there is goes on, and nothing new is said of the account.
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

    What is under way was begun with what was known before, and no longer tells. Nor does
    the cause that was found then.
    """
    integration.hold_changed_at = now
    integration.hold_cause = integration.hold_hint = ""
    if integration.hold_reason and not is_waiting_for_person(integration):
        integration.held_until = now
        integration.hold_probes = True
        integration.probe_leased_until = None
    integration.save(update_fields=_HOLD_FIELDS)


def _set_reason(integration: Integration, reason: str) -> None:
    """Set the reason. The cause that was found out stays for as long as the reason does.

    A reason that is a cause by itself is one from the first moment on.
    """
    if reason in set(AccountFault):
        integration.hold_cause, integration.hold_hint = reason, ""
    elif integration.hold_reason != reason:
        integration.hold_cause = integration.hold_hint = ""
    integration.hold_reason = reason


def find_in_flight_limit(account: Account) -> int:
    """Return how many uploads may be in flight: what a person allows, or less."""
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
