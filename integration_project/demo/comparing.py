"""Compares the shop's past days with the sandbox once, as the night would, to see at once."""

import subprocess
import sys
from threading import Timer
from typing import Final

from integration_project.demo.story import APP

#: The sandbox counts what it has after five seconds at most.
SECONDS: Final = 10.0


def compare_later() -> None:
    """Compare once the sandbox shows the past days, beside what goes on."""
    timer = Timer(SECONDS, _compare)
    timer.daemon = True
    timer.start()


def _compare() -> None:
    # The command is this project's own, and what it prints is the demo's log.
    subprocess.run([sys.executable, "manage.py", "reconcile", APP], check=False)  # noqa: S603
