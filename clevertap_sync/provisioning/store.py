"""Writes what is wanted: a row made or changed, with its line of history.

Who calls it holds a transaction, and decides what differs. What cannot be raises
`ProvisioningError`.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Model
from django.utils.text import capfirst

from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.delivery import canary, hold_cause, lifecycle
from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import switch
from referrals import history
from referrals.history import Difference
from referrals.models import App
from referrals.secret import Secret


class ProvisioningError(Exception):
    """The setup is not possible; the text says why, and what to do."""


def add_integration(integration: Integration) -> None:
    """Save a new integration, not enabled."""
    switch.switch_reconciliation(
        integration, on=integration.reconciles, now=clock.read_now()
    )
    check_columns(integration)
    integration.save()
    record(integration, "Created.", integration.app)


def change_integration(
    integration: Integration, changes: Mapping[str, object]
) -> list[Difference]:
    """Store the changes, by column; return what they are in words.

    Delivery that was held because of old values tries again.
    """
    if not changes:
        return []
    differences = put_changes(integration, changes)
    check_columns(integration)
    columns = list(changes)
    if changes.keys() & {"account", "identity_provider"}:
        columns += canary.restart_canary(integration)
    if changes.keys() & {"account", "passcode"}:
        columns += hold_cause.note_new_credentials(integration)
    columns += switch.switch_reconciliation(
        integration,
        on=integration.reconciles,
        now=clock.read_now(),
        has_moved="account" in changes,
    )
    lifecycle.lock_out_claims(integration)
    integration.save(update_fields=columns)
    record(integration, "Changed.", integration.app, differences)
    lifecycle.apply_new_settings(integration)
    return differences


def enable_integration(integration: Integration) -> None:
    """Let it deliver from now on, or from where it stopped."""
    try:
        has_passcode = bool(Secret(integration.passcode.reveal()))
    except ImproperlyConfigured as error:
        raise ProvisioningError(str(error)) from error
    if not has_passcode:
        message = (
            "Enabling needs the account's passcode. Give it with --passcode-stdin or in "
            "CLEVERTAP_PASSCODE; in CleverTap, it stands under Settings → Passcode."
        )
        raise ProvisioningError(message)
    if not integration.enabled and integration.hold_reason == RESTORED_BACKUP:
        message = (
            "The integration is paused, because the database is a restored backup: going on "
            "from there would repeat what CleverTap has. Enable it from now in the admin."
        )
        raise ProvisioningError(message)
    start: Literal["now", "resume"] = (
        "resume" if integration.first_enabled_at else "now"
    )
    lifecycle.enable_integration(integration, start=start)
    record(integration, f"Enabled, from: {start}.", integration.app)


def put_changes(row: Model, changes: Mapping[str, object]) -> list[Difference]:
    """Put the values on the row, by column; return what differs by that, in words."""
    differences = [
        (label_column(type(row), column), *_describe(row, column, value))
        for column, value in changes.items()
    ]
    for column, value in changes.items():
        setattr(row, column, value)
    return differences


def record(
    row: Model, what: str, app: App | None, differences: Iterable[Difference] = ()
) -> None:
    """Write a line of history, by the command line."""
    history.record_change(
        history.COMMAND_LINE, row, what, app=app, differences=differences
    )


def label_column(model: type[Model], column: str) -> str:
    """Return what people call a column."""
    return capfirst(str(model._meta.get_field(column).verbose_name))  # type: ignore[union-attr]


def check_columns(row: Model) -> None:
    """Raise `ProvisioningError` where a column would not take its value."""
    try:
        row.clean_fields(exclude={"passcode"})
    except ValidationError as error:
        problems = (
            f"{name.replace('_', ' ')}: {' '.join(texts)}"
            for name, texts in error.message_dict.items()
        )
        raise ProvisioningError(" ".join(problems)) from error


def is_same_secret(stored: object, secret: Secret) -> bool:
    """Return whether this secret is stored already."""
    try:
        return secret == stored
    except ImproperlyConfigured:  # no key decrypts the stored one: it is replaced
        return False


def _describe(row: Model, column: str, value: object) -> tuple[str, str]:
    """Return the old and the new value of a column in words; of a secret, neither."""
    if isinstance(value, Secret):
        return history.HIDDEN, "changed" if value else "forgotten"
    choices = dict(getattr(row._meta.get_field(column), "flatchoices", ()))
    old, new = (
        choices.get(each, each) if isinstance(each, str) else each
        for each in (getattr(row, column), value)
    )
    return _spell(old), _spell(new)


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return history.EMPTY
    if isinstance(value, list):
        return ", ".join(map(str, value)) or history.EMPTY
    if isinstance(value, date):
        return value.isoformat()
    return ", ".join(str(value).splitlines()) or history.EMPTY
