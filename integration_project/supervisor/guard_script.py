"""Ends what the supervisor started when the supervisor itself is gone, however it went.

The supervisor holds the other end of this process's standard input and never writes
to it but for `+ID` and `-ID` lines: process groups that came and went. When the input
ends, `kill -9` of the supervisor included, the groups that are left are ended.

A script of its own that imports the standard library only, so that it starts fast.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05


def main() -> None:
    """Follow the input to its end, then end every group that is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        if line.startswith("+"):
            groups.add(int(line[1:]))
        else:
            groups.discard(int(line[1:]))
    end(groups)


def end(groups: set[int]) -> None:
    """Ask the groups to end, and kill those that do not within the grace."""
    deadline = time.monotonic() + GRACE_SECONDS
    left = {group for group in groups if _signalled(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = {group for group in left if _signalled(group, 0)}
    for group in left:
        _signalled(group, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
