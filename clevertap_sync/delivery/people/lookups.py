"""What waits is looked up anew where others may be known.

After an integration sends another identity than before, and after people were learned anew.
Who was not known by an e-mail address may be known by an ID of the backend. The records are
marked as fresh, a few thousand a step, so that no transaction is long.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Max

from clevertap_sync.delivery.account_lock import lock_account, lock_accounts
from clevertap_sync.models import Integration, WaitingLookup, WaitingRecord

MARKED_PER_STEP: Final = 5_000
# Twice in each step: the ORM takes longer to compose it than the database to answer.
_READERS: Final = """
    SELECT i.id, i.account_id, i.identity_provider, l.provider, l.marked_to
    FROM clevertap_sync_integration i
    LEFT JOIN clevertap_sync_waitinglookup l ON l.integration_id = i.id
    WHERE i.app_id = %s ORDER BY i.id
"""


class Reader(NamedTuple):
    """An integration, and by which provider its waiting records were looked up so far."""

    pk: int
    account_id: int
    identity_provider: str
    looked_up_by: str | None
    marked_to: int | None

    @property
    def provider(self) -> str:
        """Return by which provider its waiting records are looked up now."""
        return self.identity_provider.casefold()

    @property
    def has_more_to_mark(self) -> bool:
        """Return whether they are to be looked up anew."""
        if self.looked_up_by is None:
            return False
        return self.looked_up_by != self.provider or self.marked_to is not None


def read_readers(app_id: int) -> list[Reader]:
    """Return the app's integrations, by ID."""
    with connection.cursor() as cursor:
        cursor.execute(_READERS, [app_id])
        return [Reader(*row) for row in cursor.fetchall()]


def remember_providers(readers: Iterable[Reader]) -> None:
    """Note by which provider records are looked up first. Part of the step's transaction."""
    new = [
        WaitingLookup(integration_id=each.pk, provider=each.provider)
        for each in readers
        if each.looked_up_by is None
    ]
    if new:
        WaitingLookup.objects.bulk_create(new, ignore_conflicts=True)


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
    readers = [each for each in read_readers(app_id) if each.has_more_to_mark]
    # Of each, whatever is left of the others.
    left = [_mark_next_records(each.pk) for each in readers]
    return any(left)


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
