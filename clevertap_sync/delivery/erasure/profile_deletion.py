"""Ask CleverTap to delete a person's profile and events.

Only by the identities that the operator gave: another identity of the same events may belong
to other people too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from clevertap_sync.clevertap.errors import CleverTapError, NotSentError
from clevertap_sync.clevertap.identities import CLEVERTAP_ID
from clevertap_sync.clevertap.limits import MAX_DELETED
from clevertap_sync.models import Account, Integration
from clevertap_sync.process import clock
from clevertap_sync.process.account_access import open_client
from referrals.database_connection import give_connection_back
from referrals.identity import Identity
from referrals.models import App

DeletionAnswer = Literal["accepted", "no_identity", "no_passcode", "failed"]

#: A request needs at least so long.
_SHORTEST_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Deletion:
    """The answer of one integration's account. It contains no identity."""

    integration: str
    identity_provider: str
    outcome: DeletionAnswer
    #: For a failure: the error's code, status and detail.
    detail: str = ""


def delete_profiles(
    app: App, identities: Sequence[Identity], *, seconds: float | None = None
) -> list[Deletion]:
    """Ask each integration's account to delete the person. Asking twice is harmless.

    Each account knows people by its integration's identity provider, so only identities of
    that provider are sent; and CleverTap's own ID, where it stands in for a missing identity. With `seconds` the call ends after so long: an account that was
    not asked by then is a failure among the others.
    """
    until = None if seconds is None else time.monotonic() + seconds
    found = Integration.objects.filter(app=app, archived_at=None)
    integrations = list(found.select_related("account").order_by("name"))
    give_connection_back()
    return [
        _delete_in_account(integration, identities, until)
        for integration in integrations
    ]


def _delete_in_account(
    integration: Integration, identities: Sequence[Identity], until: float | None
) -> Deletion:
    providers = {integration.identity_provider.casefold()}
    if integration.falls_back_to_clevertap_id:
        providers.add(CLEVERTAP_ID)
    values = {
        provider: [e.value for e in identities if e.provider.casefold() == provider]
        for provider in sorted(providers)
    }
    outcome, detail = _ask_account(integration, values, until)
    return Deletion(integration.name, integration.identity_provider, outcome, detail)


def _ask_account(
    integration: Integration, values: Mapping[str, Sequence[str]], until: float | None
) -> tuple[DeletionAnswer, str]:
    """Ask by the values of each provider, in turn."""
    if not any(values.values()):
        return "no_identity", ""
    try:
        if not integration.passcode or not integration.passcode.reveal():
            return "no_passcode", ""
    except ImproperlyConfigured:
        return "no_passcode", "No key in FIELD_ENCRYPTION_KEYS decrypts it."
    chunks = (
        (provider, all_of_it[start : start + MAX_DELETED])
        for provider, all_of_it in values.items()
        for start in range(0, len(all_of_it), MAX_DELETED)
    )
    try:
        for provider, chunk in chunks:
            open_client(integration).delete_profiles(
                chunk,
                object_ids=provider == CLEVERTAP_ID,
                seconds=_find_seconds_left(until),
            )
            # So that fewer events there are explained.
            account = Account.objects.filter(pk=integration.account_id)
            account.update(deleted_at=clock.read_now())
            give_connection_back()
    except CleverTapError as error:
        seen = f"HTTP {error.status}" if error.status else ""
        return "failed", ": ".join(filter(None, (error.code, seen, error.detail)))
    return "accepted", ""


def _find_seconds_left(until: float | None) -> float | None:
    """Return the seconds that the next request may take; None for the usual limit."""
    if until is None:
        return None
    left = min(until - time.monotonic(), settings.REQUEST_SECONDS)
    if left < _SHORTEST_SECONDS:
        message = "There was no time left to ask."
        raise NotSentError(message)
    return left
