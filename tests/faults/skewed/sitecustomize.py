"""Sets the clock of a Python process SKEW_SECONDS off. Python imports this by its name.

Only the time of day is wrong, as on a host whose clock was set wrongly: what counts
seconds (`time.monotonic`) is right. Reference: https://docs.python.org/3/library/site.html
"""

import ctypes
import gc
import os
import time
from datetime import UTC, datetime, timedelta, tzinfo

SKEW = timedelta(seconds=float(os.environ["SKEW_SECONDS"]))
_now, _time, _time_ns = datetime.now, time.time, time.time_ns


def now(_: type[datetime], tz: tzinfo | None = None) -> datetime:
    """Return the wrong present."""
    return _now(tz) + SKEW


def utcnow(_: type[datetime]) -> datetime:
    """Return the wrong present, without a zone."""
    return _now(UTC).replace(tzinfo=None) + SKEW


time.time = lambda: _time() + SKEW.total_seconds()
# Log lines go by it from Python 3.13 on.
time.time_ns = lambda: _time_ns() + int(SKEW.total_seconds()) * 1_000_000_000
# The type itself has to lie: libraries refuse a subclass of it, and compiled ones miss it.
_members = gc.get_referents(datetime.__dict__)[0]
_members["now"], _members["utcnow"] = classmethod(now), classmethod(utcnow)
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
