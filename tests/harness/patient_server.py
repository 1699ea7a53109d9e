"""gunicorn's configuration for tests with callers who wait: the product's, unhurried.

Whoever is too slow is let go after seconds, and on a busy machine every caller of a test
is slow at times. Here it takes longer than any test. One that is about the last bodies of
a process says how long these have: LAST_BODY_SECONDS.
"""

import os
from pathlib import Path
from runpy import run_path
from typing import Final

from integration_project.web import request_limits

#: More than what is taken for hanging.
LONG_SECONDS: Final = 600
LIMITS: Final = (
    *("HEAD_SECONDS", "BODY_SECONDS", "LAST_BODY_SECONDS", "DISCARD_SILENCE_SECONDS"),
    *("TURN_SECONDS", "STALL_SECONDS"),
)

globals().update(run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py")))
for _limit in LIMITS:
    setattr(request_limits, _limit, float(os.environ.get(_limit, LONG_SECONDS)))
timeout = graceful_timeout = LONG_SECONDS
