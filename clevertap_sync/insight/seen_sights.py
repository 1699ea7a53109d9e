"""How soon an account showed event names after their first delivery, in words."""

from collections.abc import Iterable
from typing import Final

from clevertap_sync.insight.seen_facts import Delays
from clevertap_sync.insight.seen_queries import was_watched
from clevertap_sync.models import FirstSight
from referrals.words import format_count, format_span

#: Of fewer names, 99 % are all.
_ENOUGH_FOR_P99: Final = 100
#: What CleverTap's customers say; no page of its own does.
UNMEASURED: Final = "CleverTap shows new data after about 10 minutes."


def measure_delays(sights: Iterable[FirstSight]) -> Delays | None:
    """Return how soon names showed that were new; None where none was watched to its end."""
    return Delays.measure(
        [
            (each.shown_at - each.first_at).total_seconds()
            for each in sights
            if each.shown_at is not None and was_watched(each)
        ]
    )


def describe_delays(delays: Delays | None) -> str:
    """Return in words how soon the account shows new events; "" where nobody knows."""
    if delays is None:
        return ""
    usual = f"This account shows new events after {format_span(delays.p50)} (median)"
    if delays.names == 1:
        return f"{usual}: one was watched."
    share = "All" if delays.names < _ENOUGH_FOR_P99 else "99 %"
    names = format_count(delays.names, "new name")
    return f"{usual}. {share} of {names} showed within {format_span(delays.p99)}."


def describe_account_delay(account_id: int) -> str:
    """Return how soon new events show: as measured, else as CleverTap's customers say."""
    shown = FirstSight.objects.filter(account=account_id, shown_at__isnull=False)
    delays = measure_delays(shown)
    if delays is None:
        return UNMEASURED
    return f"This account shows new events after {format_span(delays.p50)} (median)."
