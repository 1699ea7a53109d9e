"""What waits is looked up anew where others may be known.

After an integration sends another identity than before, and after people were learned anew.
Who was not known by an e-mail address may be known by an ID of the backend. The records are
marked as fresh, a few thousand a step, so that no transaction is long.
"""

from collections.abc import Iterable
from typing import Final

from django.db import transaction
from django.db.models import Max

from clevertap_sync.delivery.account_lock import lock_account, lock_accounts
from clevertap_sync.models import Integration, WaitingLookup, WaitingRecord

MARKED_PER_STEP: Final = 5_000


def remember_providers(integrations: Iterable[Integration]) -> None:
    """Note by which provider records are looked up first. Part of the step's transaction."""
    WaitingLookup.objects.bulk_create(
        [
            WaitingLookup(integration=each, provider=each.identity_provider.casefold())
            for each in integrations
        ],
        ignore_conflicts=True,
    )


def look_up_all_anew(app_id: int) -> None:
    """Let all that waits be marked, from the first on. Part of the step's transaction.

    Under the locks of all of the app's accounts, of which the step needs some.
    """
    lock_accounts(Integration.objects.filter(app=app_id).values("account_id"))
    WaitingLookup.objects.filter(integration__app=app_id).update(marked_to=0)


def has_more_to_mark(app_id: int) -> bool:
    """Return whether records that wait may be known, and are to be looked up yet."""
    lookups = WaitingLookup.objects.filter(integration__app=app_id)
    return lookups.filter(marked_to__isnull=False).exists()


def mark_for_lookup(app_id: int) -> bool:
    """Mark the next waiting records of each integration that looks them up anew.

    Also of those whose provider is another one now. Returns whether there may be more to mark.
    """
    has_more = False
    lookups = WaitingLookup.objects.filter(integration__app=app_id).order_by("pk")
    for pk, provider, marked_to, present in lookups.values_list(
        "pk", "provider", "marked_to", "integration__identity_provider"
    ):
        if provider != present.casefold() or marked_to is not None:
            has_more |= _mark_next_records(pk)
    return has_more


def _mark_next_records(integration_id: int) -> bool:
    """Mark them under the account's lock, which a claim of them holds, too."""
    with transaction.atomic():
        lock_account(integration_id)
        lookup = WaitingLookup.objects.select_related("integration").get(
            pk=integration_id
        )
        provider = lookup.integration.identity_provider.casefold()
        if lookup.provider != provider:
            lookup.provider, lookup.marked_to = provider, 0
        if lookup.marked_to is None:
            return False
        waits = WaitingRecord.objects.filter(
            integration=integration_id, pk__gt=lookup.marked_to
        )
        ids = waits.order_by("pk").values_list("pk", flat=True)[:MARKED_PER_STEP]
        last = WaitingRecord.objects.filter(pk__in=ids).aggregate(last=Max("pk"))[
            "last"
        ]
        if last is not None:
            waits.filter(pk__lte=last).update(fresh=True)
        lookup.marked_to = last
        lookup.save()
    return last is not None
