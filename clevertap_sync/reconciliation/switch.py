"""Turns an integration's comparison with CleverTap on and off."""

from datetime import datetime

from clevertap_sync.models import Integration


def switch_reconciliation(
    integration: Integration, *, on: bool, now: datetime, has_moved: bool = False
) -> tuple[str, ...]:
    """Put on the row whether it is compared, and since when it counts; return the columns.

    What was counted for another account says nothing about this one, so counting begins anew
    where `has_moved` says that the account is another. Switched to what it is, nothing
    changes. The caller saves the columns.

    Nor can the account that it left be compared with what the others deliver: they begin
    anew as well, within the caller's transaction.
    """
    if has_moved:
        _let_others_begin_anew(integration, now)
    integration.reconciles = on
    if not on:
        integration.counts_since = None
    elif has_moved or integration.counts_since is None:
        integration.counts_since = now
    return ("reconciles", "counts_since")


def _let_others_begin_anew(moved: Integration, now: datetime) -> None:
    """Count anew for the account that the integration has in the database still."""
    before = Integration.objects.filter(
        pk=moved.pk, reconciles=True, counts_since__isnull=False
    )
    others = Integration.objects.filter(
        account__in=before.values("account"), reconciles=True, archived_at=None
    )
    others.exclude(pk=moved.pk).update(counts_since=now)
