"""How many threads of this process one integration, and all held ones, may occupy.

One account that hangs must not take the threads of those that answer.
"""

import threading
from collections import Counter

from django.conf import settings

_mutex = threading.Lock()
_busy: Counter[int] = Counter()
_held: Counter[int] = Counter()


def take(integration_id: int, *, held: bool) -> bool:
    """Occupy a thread, unless the integration, or the held ones together, have their share."""
    threads = settings.WORKER_THREADS
    with _mutex:
        if _busy[integration_id] >= max(1, threads // 2):
            return False
        if held and _held.total() >= max(1, threads // 4):
            return False
        _busy[integration_id] += 1
        _held[integration_id] += held
        return True


def release(integration_id: int, *, held: bool) -> None:
    """Give the thread back."""
    with _mutex:
        _busy[integration_id] -= 1
        _held[integration_id] -= held
        if not _busy[integration_id]:
            del _busy[integration_id]
        if not _held[integration_id]:
            del _held[integration_id]


def forget() -> None:
    """Free every slot: for a process that begins anew, such as a fork or a test."""
    with _mutex:
        _busy.clear()
        _held.clear()
