"""Brings everything to what a set-up file says, in one transaction.

A dry run does the same and takes it back, so that what it says is what would happen.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.db import IntegrityError, transaction

from clevertap_sync.delivery.account_lock import lock_accounts
from clevertap_sync.models import Alert, Integration
from clevertap_sync.provisioning.applied import Applied
from clevertap_sync.provisioning.apply_alert import apply_alert
from clevertap_sync.provisioning.apply_app import apply_app
from clevertap_sync.provisioning.apply_integration import list_accounts
from clevertap_sync.provisioning.file_reading import WantedRow, spell_place
from clevertap_sync.provisioning.one_app import look_up_newest_users
from clevertap_sync.provisioning.store import ProvisioningError
from referrals.models import App

_RACE: Final = "Somebody made one of these at the same moment, and nothing was written. Run it again."


def apply_set_up(
    wanted: Mapping[str, Sequence[WantedRow]], *, dry_run: bool = False
) -> Applied:
    """Make and change what the file asks for, or nothing. Safe to repeat.

    What is there and not in the file is named and left alone. Raises `ProvisioningError`.
    """
    applied = Applied()
    try:
        with transaction.atomic():
            _apply_all(wanted, applied)
            if dry_run:
                transaction.set_rollback(True)
    except IntegrityError:
        raise ProvisioningError(_RACE) from None
    if dry_run:
        # What was made for the moment is gone.
        applied.shown.clear()
    else:
        for place, integration in applied.enabled:
            applied.warn(place, *look_up_newest_users(integration))
    return applied


def _apply_all(wanted: Mapping[str, Sequence[WantedRow]], applied: Applied) -> None:
    _lock_accounts(wanted["apps"])
    for app in wanted["apps"]:
        apply_app(app, applied)
    for alert in wanted["alerts"]:
        apply_alert(alert, applied)
    applied.left_alone += _list_unnamed(wanted)


def _lock_accounts(apps: Sequence[WantedRow]) -> None:
    """Lock every account that this may touch, at once and in order.

    One by one they could wait for somebody who waits for us.
    """
    rows = [row for app in apps for row in app.inner["integrations"]]
    made = {account.pk for account in list_accounts(rows)}
    there = Integration.objects.filter(app__slug__in=[app.name for app in apps])
    lock_accounts(made | set(there.values_list("account_id", flat=True)))


def _list_unnamed(wanted: Mapping[str, Sequence[WantedRow]]) -> Iterable[str]:
    """Return the apps and alerts that the file does not name."""
    apps = App.objects.filter(archived_at=None).values_list("slug", flat=True)
    alerts = Alert.objects.values_list("name", flat=True)
    for table, names in (("apps", apps), ("alerts", alerts)):
        named = {row.name for row in wanted[table]}
        yield from (spell_place(table, each) for each in names if each not in named)
