"""What a person orders: compare an account now."""

from datetime import datetime

from django.db import transaction

from clevertap_sync.models import Account, AccountReading, Comparison


def order_comparison(account: Account | int, by: str, now: datetime) -> Comparison:
    """Return the account's comparison that a worker takes up next, made where there is none.

    `account` may be its primary key. One that waits or runs already, by night too, is what
    was asked for. Safe to run twice.
    """
    account_id = account if isinstance(account, int) else account.pk
    AccountReading.objects.get_or_create(pk=account_id)
    with transaction.atomic():
        # So that two people who press at once order one.
        AccountReading.objects.select_for_update().get(pk=account_id)
        of_account = Comparison.objects.filter(account=account_id)
        return of_account.open().order_by("pk").first() or Comparison.objects.create(
            account_id=account_id,
            kind=Comparison.Kind.ORDER,
            created_at=now,
            created_by=by,
        )
