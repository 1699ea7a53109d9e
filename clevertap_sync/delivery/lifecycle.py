"""What a person decides about an integration: enable, pause, new settings, check now.

A person also decides which encryption keys a process has. A key that is back ends the hold
of each integration whose passcode was unreadable without it.
"""

from datetime import datetime
from typing import Final, Literal

from django.db import transaction

from clevertap_sync.clevertap.errors import UnreadablePasscodeError
from clevertap_sync.clevertap.hold_reasons import IDENTITY_MISMATCH, RESTORED_BACKUP
from clevertap_sync.delivery import hold, revival
from clevertap_sync.delivery.account_lock import lock_account, lock_accounts
from clevertap_sync.delivery.claim import count_unknown_outcomes
from clevertap_sync.insight.mapping_settings import build_settings
from clevertap_sync.models import Integration, Upload
from clevertap_sync.process import clock
from referrals import history, log
from referrals.encrypted_field import UnreadableSecret

Start = Literal["now", "resume"] | datetime


def enable_integration(integration: Integration, *, start: Start = "resume") -> None:
    """Let the integration deliver: from now, from an instant, or from where it stopped.

    The cursor never moves back; what lies between it and the start is one skipped
    upload, so that the books still tile. Refreshes `integration`.
    """
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        if start != "resume":
            position = _find_start_position(integration, start)
            if integration.hold_reason == RESTORED_BACKUP:
                _skip_what_was_on_its_way(integration, position)
            _skip_to(integration, position)
            integration.deliver_since = start if isinstance(start, datetime) else None
        now = clock.read_now()
        integration.enabled = True
        integration.first_enabled_at = integration.first_enabled_at or now
        integration.save(
            update_fields=["enabled", "first_enabled_at", "cursor", "deliver_since"]
        )
        hold.probe_at_once(integration, now=now)


def pause_integration(integration: Integration) -> None:
    """Stop delivering. The log goes on, and nothing is lost. Refreshes `integration`."""
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        integration.enabled = False
        integration.save(update_fields=["enabled"])


def pause_restored_backup(integration_id: int, reached: int) -> bool:
    """Pause an integration whose cursor is behind the position that it had `reached` before.

    Then this database is older than the one that delivered. Returns whether it paused.
    """
    with transaction.atomic():
        lock_account(integration_id)
        integration = Integration.objects.get(pk=integration_id)
        if not integration.enabled or integration.cursor >= reached:
            return False
        integration.enabled = False
        integration.restorations += 1
        if integration.counts_since is not None:
            # What was delivered since the backup was made is in no count.
            integration.counts_since = clock.read_now()
        integration.save(update_fields=["enabled", "restorations", "counts_since"])
        revival.park_revivals(integration, clock.read_now())
        reason = RESTORED_BACKUP
        hold.hold_delivery(
            integration, reason=reason, delay=0, probe=True, now=clock.read_now()
        )
        history.record_change(
            history.WORKER,
            integration,
            "Paused: this database is an older one, such as a restored backup.",
            app=integration.app,
        )
    return True


def lock_out_claims(integration: Integration) -> None:
    """Prevent every claim for the integration until the transaction ends. Saves nothing.

    Call it before new settings are stored. A claim locks the account that it finds: if the
    account changed meanwhile, a claim under the new one could hand out the same range.
    """
    stored = Integration.objects.filter(pk=integration.pk)
    found = stored.values_list("account_id", flat=True)
    lock_accounts({*found, integration.account_id})


def apply_new_settings(integration: Integration) -> None:
    """Let new settings take effect at once, on a held integration too."""
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        hold.probe_at_once(integration, now=clock.read_now())


#: In SQL: whether an integration is held for want of a key.
HAS_UNREADABLE_PASSCODE: Final = f"""
    EXISTS (SELECT 1 FROM clevertap_sync_integration
        WHERE enabled AND archived_at IS NULL AND held_until > {{now}}
        AND hold_reason = '{UnreadablePasscodeError.code}')
"""  # noqa: S608 - our own code


def try_readable_passcodes() -> None:
    """Let integrations that were held for want of a key send their probe, once it is back.

    Keys come with a new process and not with a row, so each passcode is tried.
    """
    waits = Integration.objects.enabled().filter(
        hold_reason=UnreadablePasscodeError.code, held_until__gt=clock.read_now()
    )
    for integration in waits:
        if not isinstance(integration.passcode, UnreadableSecret):
            _probe_if_still_held(integration.pk)


def _probe_if_still_held(integration_id: int) -> None:
    """Let the integration send its probe now, unless the hold changed meanwhile."""
    with transaction.atomic():
        lock_account(integration_id)
        integration, now = Integration.objects.get(pk=integration_id), clock.read_now()
        is_same = integration.hold_reason == UnreadablePasscodeError.code
        if is_same and integration.held_until and integration.held_until > now:
            hold.probe_at_once(integration, now=now)


def confirm_identities(integration: Integration) -> None:
    """Record that a person confirmed the identities, and stop the canary.

    A hold because of the identities ends with the next dry run. Refreshes `integration`.
    """
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        now = clock.read_now()
        integration.identities_confirmed_at = integration.identities_confirmed_at or now
        integration.save(update_fields=["identities_confirmed_at"])
        hold.probe_at_once(integration, now=now)


def expect_new_people(integration: Integration) -> None:
    """Record that people may be new to CleverTap, so that unknown ones hold nothing.

    Another letter case still holds the integration. Refreshes `integration`.
    """
    with transaction.atomic():
        lock_account(integration.pk)
        integration.refresh_from_db()
        integration.identities_may_be_new = True
        integration.save(update_fields=["identities_may_be_new"])
        if integration.hold_reason == IDENTITY_MISMATCH:
            hold.probe_at_once(integration, now=clock.read_now())


def _find_start_position(
    integration: Integration, start: Literal["now"] | datetime
) -> int:
    if isinstance(start, datetime):
        return log.find_position(integration.app_id, start)
    return log.read_head(integration.app_id)


def _skip_what_was_on_its_way(integration: Integration, position: int) -> None:
    """Skip the ranges up to `position` that were handed out when the backup was made.

    They were most likely answered afterwards, in the database that this one replaces. Parts,
    which were refused or in doubt then, go again.
    """
    now = clock.read_now()
    uploads = Upload.objects.open().filter(
        integration=integration,
        parent=None,
        replay=None,
        identities__isnull=True,
    )
    on_their_way = list(uploads.filter(last__lte=position))
    count_unknown_outcomes(on_their_way, integration, now)
    Upload.objects.filter(pk__in=[each.pk for each in on_their_way]).update(
        state=Upload.State.SKIPPED, records=0, leased_until=None, settled_at=now
    )


def _skip_to(integration: Integration, position: int) -> None:
    if position <= integration.cursor:
        return
    now = clock.read_now()
    Upload.objects.create(
        integration=integration,
        state=Upload.State.SKIPPED,
        first=integration.cursor + 1,
        last=position,
        settings=build_settings(integration),
        records=0,
        created_at=now,
        due_at=now,
        settled_at=now,
    )
    integration.cursor = position
