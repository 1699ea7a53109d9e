"""An integration of a set-up file: made, changed, and enabled where it never was."""

from collections.abc import Iterable
from typing import Any, Final
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured
from django.db.models import F
from django.db.models.functions import Least

from clevertap_sync.delivery import lifecycle
from clevertap_sync.models import Account, Integration, PasscodeKind
from clevertap_sync.provisioning import store
from clevertap_sync.provisioning.applied import Applied, Verb
from clevertap_sync.provisioning.file_keys import TABLES
from clevertap_sync.provisioning.file_reading import WantedRow, refuse_place
from clevertap_sync.provisioning.one_app import find_or_create_account, warn_of_account
from referrals.history import Difference
from referrals.models import App
from referrals.secret import Secret

#: Keys that are no column of an integration's own.
_ELSEWHERE: Final = {"account_id", "location", "passcode", "enable", "in_flight_limit"}
_COLUMNS: Final = {
    name: name
    for name in TABLES["apps"].inner["integrations"].keys
    if name not in _ELSEWHERE
}
_PAUSED: Final = "It is paused, and stays so: resume it in the admin."


def list_accounts(rows: Iterable[WantedRow]) -> list[Account]:
    """Return the accounts that integrations of the file are to have, made where missing."""
    return [_find_account(row) for row in rows]


def apply_integration(app: App, wanted: WantedRow, applied: Applied) -> None:
    """Bring one integration to what the file says."""
    account = _find_account(wanted)
    integration = app.integrations.filter(name=wanted.name).first()
    _check_account_is_free(app, account, integration, wanted)
    if integration is None:
        integration = _make(app, account, wanted)
        applied.add_step(wanted, Verb.MADE)
        _set_limit(account, wanted)
    else:
        if integration.archived_at:
            refuse_place(
                wanted.place, "This integration is archived. Choose another name."
            )
        differences = _change(integration, account, wanted)
        differences += _set_limit(account, wanted)
        applied.add_step(wanted, Verb.CHANGED, differences)
    if wanted.values.get("enable"):
        _enable(integration, wanted, applied)
    applied.warn(wanted.place, *warn_of_account(integration))


def _find_account(wanted: WantedRow) -> Account:
    values = wanted.values
    try:
        return find_or_create_account(values["location"], values["account_id"])
    except store.ProvisioningError as error:
        refuse_place(wanted.place, str(error))


def _check_account_is_free(
    app: App, account: Account, integration: Integration | None, wanted: WantedRow
) -> None:
    other = app.integrations.filter(account=account).first()
    if other is not None and other != integration:
        refuse_place(
            f"{wanted.place}.account_id",
            f"The app's integration {other.name} uses this account already.",
        )


def _make(app: App, account: Account, wanted: WantedRow) -> Integration:
    integration = Integration(app=app, name=wanted.name, account=account)
    store.put_changes(integration, wanted.choose(_COLUMNS))
    _check_together(integration, wanted)
    integration.passcode = wanted.values.get("passcode", Secret())
    store.add_integration(integration)
    return integration


def _change(
    integration: Integration, account: Account, wanted: WantedRow
) -> list[Difference]:
    passcode = wanted.values.get("passcode")
    changes: dict[str, Any] = {
        column: value
        for column, value in wanted.choose(_COLUMNS).items()
        if value != getattr(integration, column)
    }
    if integration.account != account:
        changes["account"] = account
    if passcode and not store.is_same_secret(integration.passcode, passcode):
        changes["passcode"] = passcode
    if (
        changes.get("passcode_kind") == PasscodeKind.ACCOUNT
        and integration.passcode_expires_on
    ):
        changes["passcode_expires_on"] = None
    differences = store.change_integration(integration, changes)
    _check_together(integration, wanted)
    return differences


def _check_together(integration: Integration, wanted: WantedRow) -> None:
    """Refuse what columns of their own would take, and a person's form would not."""
    if integration.time_zone not in available_timezones():
        refuse_place(
            f"{wanted.place}.time_zone",
            "There is no such time zone. It looks like Asia/Kolkata or UTC.",
        )
    is_of_user = integration.passcode_kind == PasscodeKind.USER
    if wanted.values.get("passcode_expires_on") and not is_of_user:
        refuse_place(
            f"{wanted.place}.passcode_expires_on",
            'Only a user passcode expires. Write passcode_kind = "user" beside it.',
        )


def _set_limit(account: Account, wanted: WantedRow) -> list[Difference]:
    """Put the limit on the account; a lowered one counts at once."""
    limit = wanted.values.get("in_flight_limit")
    if limit is None:
        return []
    # Afresh: another integration of the file may have the same account.
    stored = Account.objects.get(pk=account.pk).in_flight_limit
    if limit == stored:
        return []
    Account.objects.filter(pk=account.pk).update(
        in_flight_limit=limit, current_limit=Least(F("current_limit"), limit)
    )
    return [("Uploads at the same time", str(stored), str(limit))]


def _enable(integration: Integration, wanted: WantedRow, applied: Applied) -> None:
    """Enable it if it never was. Whoever wrote the file expects that users may be new."""
    if integration.enabled:
        return
    if integration.first_enabled_at:
        applied.add_note(wanted, _PAUSED)
        return
    _demand_passcode(integration, wanted)
    try:
        store.enable_integration(integration)
    except store.ProvisioningError as error:
        refuse_place(f"{wanted.place}.enable", str(error))
    lifecycle.expect_new_people(integration)
    applied.add_step(wanted, Verb.ENABLED)
    applied.enabled.append((wanted.place, integration))


def _demand_passcode(integration: Integration, wanted: WantedRow) -> None:
    try:
        is_there = bool(integration.passcode.reveal())
    except ImproperlyConfigured as error:
        refuse_place(f"{wanted.place}.enable", str(error))
    if not is_there:
        refuse_place(
            f"{wanted.place}.passcode",
            "Enabling needs the account's passcode. In CleverTap, it stands under "
            "Settings → Passcode.",
        )
