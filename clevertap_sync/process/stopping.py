"""Whether this process is about to end.

A platform gives 30 seconds between SIGTERM and SIGKILL. After the signal nothing is claimed.
After `GRACE_SECONDS` open requests are aborted, so that there is time to record them as of
unknown outcome and to release their leases.
"""

import threading

from clevertap_sync.clevertap.client import deadline

GRACE_SECONDS = 15.0

_stopping = threading.Event()


def begin_stopping() -> None:
    """Claim nothing more; abort what is still open when the grace is over. Idempotent."""
    if _stopping.is_set():
        return
    _stopping.set()
    timer = threading.Timer(GRACE_SECONDS, deadline.abort_all)
    timer.daemon = True
    timer.start()


def is_stopping() -> bool:
    """Return whether nothing may be claimed any more."""
    return _stopping.is_set()


def wait_for_stop(seconds: float) -> bool:
    """Wait, and return whether nothing may be claimed any more: then at once."""
    return _stopping.wait(seconds)
