"""Slots: how many threads of this process one integration may occupy.

An account that hangs must not take the threads of accounts that answer. So an integration
gets half of the threads at most, and all held or failing ones together a quarter: the fault
share. Claimers are threads that deliver an integration; between two uploads a claimer has no
slot, and is about to claim again.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings

_mutex = threading.Lock()
_busy: Counter[int] = Counter()
_in_fault_share: Counter[int] = Counter()
_claiming: Counter[int] = Counter()


def take_slot(integration_id: int, *, in_fault_share: bool) -> bool:
    """Take a slot, unless the integration or, with `in_fault_share`, that share is full."""
    fault_share = max(1, settings.WORKER_THREADS // 4)
    with _mutex:
        if _busy[integration_id] >= find_most():
            return False
        if in_fault_share and _in_fault_share.total() >= fault_share:
            return False
        _busy[integration_id] += 1
        _in_fault_share[integration_id] += in_fault_share
        return True


def find_most() -> int:
    """Return how many slots one integration may take."""
    return max(1, settings.WORKER_THREADS // 2)


def count_busy(integration_id: int) -> int:
    """Return how many slots the integration has taken."""
    with _mutex:
        return _busy[integration_id]


def release_slot(integration_id: int, *, in_fault_share: bool) -> None:
    """Give back a slot that `take_slot` granted with the same arguments."""
    with _mutex:
        _busy[integration_id] -= 1
        _in_fault_share[integration_id] -= in_fault_share
        if not _busy[integration_id]:
            del _busy[integration_id]
        if not _in_fault_share[integration_id]:
            del _in_fault_share[integration_id]


@contextmanager
def register_claimer(integration_id: int) -> Iterator[None]:
    """Count this thread as a claimer of the integration, from one upload to the next."""
    with _mutex:
        _claiming[integration_id] += 1
    try:
        yield
    finally:
        with _mutex:
            _claiming[integration_id] -= 1
            if not _claiming[integration_id]:
                del _claiming[integration_id]


def count_claimers(integration_ids: Iterable[int]) -> int:
    """Return how many claimers of these integrations have no slot just now."""
    with _mutex:
        return sum(max(0, _claiming[each] - _busy[each]) for each in integration_ids)


def clear_slots() -> None:
    """Free every slot: for a process that begins anew, such as a fork or a test."""
    with _mutex:
        _busy.clear()
        _in_fault_share.clear()
