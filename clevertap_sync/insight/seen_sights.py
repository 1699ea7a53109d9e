"""How soon an account showed each event name after its first delivery."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Self

from clevertap_sync.models import FirstSight
from referrals.words import format_span

#: Of fewer names, 99 % are all.
_ENOUGH_FOR_P99: Final = 100


@dataclass(frozen=True, slots=True)
class SightDelays:
    """How soon an account showed names after their first delivery, in seconds."""

    names: int
    median: float
    p99: float

    @classmethod
    def measure(cls, sights: Iterable[FirstSight]) -> Self | None:
        """Return the delays of the names that were shown; None where none was."""
        waits = sorted(
            (each.shown_at - each.first_at).total_seconds()
            for each in sights
            if each.shown_at is not None
        )
        if not waits:
            return None
        return cls(len(waits), _pick_rank(waits, 50), _pick_rank(waits, 99))

    @property
    def sentence(self) -> str:
        """Return in a sentence how soon this account shows new events."""
        return (
            f"This account shows new events after {format_span(self.median)} (median)."
        )

    @property
    def p99_sentence(self) -> str:
        """Return in a sentence within which time nearly all names showed."""
        share = "All of" if self.names < _ENOUGH_FOR_P99 else "99 % of"
        return f"{share} its {self.names:,} names that showed did so within {format_span(self.p99)}."


def measure_delays(account_id: int) -> SightDelays | None:
    """Return how soon the account shows new events; None where nobody has seen it yet."""
    shown = FirstSight.objects.filter(account=account_id, shown_at__isnull=False)
    return SightDelays.measure(shown.only("first_at", "shown_at"))


def describe_delay(account_id: int) -> str:
    """Return how soon new events show: as measured, else as CleverTap's customers say."""
    delays = measure_delays(account_id)
    if delays is not None:
        return delays.sentence
    return "CleverTap shows new data after about 10 minutes."


def _pick_rank(waits: Sequence[float], percent: int) -> float:
    """Return the smallest wait that `percent` of the sorted ones do not exceed."""
    return waits[max(1, ceil(len(waits) * percent / 100)) - 1]
